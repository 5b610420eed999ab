"""Weir under fuzz: each call is made on the contracts and on the reference model, and everything compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from eth_abi.exceptions import EncodingError

from weir.fuzz.clearing import actions
from weir.fuzz.clearing.actions.trespassers import everything_forbidden
from weir.fuzz.clearing.audit import audit
from weir.fuzz.clearing.backend import Backend, InProcess
from weir.fuzz.clearing.counterpart import origin, play
from weir.fuzz.clearing.encoding import Encoder
from weir.fuzz.clearing.oracle import Oracle
from weir.fuzz.clearing.refusals import ALIASES, is_fair, reasons
from weir.fuzz.clearing.scene import SURROUNDINGS, Scene
from weir.fuzz.clearing.setting import ACCOUNTS, OPERATOR, STAKERS, START, Setting
from weir.fuzz.clearing.system import System, Transaction
from weir.fuzz.clearing.unwinding import Unwinding
from weir.fuzz.clearing.views import ModelView
from weir.fuzz.clearing.widths import WIDTHS
from weir.fuzz.draw import Draw, RandomDraw
from weir.fuzz.evm import Evm, RefusedError
from weir.fuzz.steps import Step
from weir.fuzz.subject import Action, ImpossibleStepError, Plan, Subject, ViolationError
from weir.model import (
    AssetParameters,
    FundingParameters,
    FundParameters,
    GuarantyParameters,
    LiquidationParameters,
    MarketParameters,
    Order,
    Revert,
    StablecoinParameters,
    dump,
)

__all__ = ["Clearing"]

Difference: TypeAlias = tuple[str, int, int]


class Clearing(Subject):
    """The protocol in one setting. Deployed once; each sequence starts from the same snapshot."""

    known: Mapping[str, type] = {
        kind.__name__: kind
        for kind in (
            Order,
            MarketParameters,
            LiquidationParameters,
            FundParameters,
            FundingParameters,
            GuarantyParameters,
            AssetParameters,
            StablecoinParameters,
        )
    }

    def __init__(
        self, setting: Setting, root: Path | None = None, backend: Backend | None = None, w3: Any = None
    ) -> None:
        self.name = setting.name
        self.setting = setting
        self.actions = actions.ALL
        if backend is None:
            evm = Evm(time=START)
            backend, w3 = InProcess(evm), evm.web3
            self.evm = evm
        self.backend: Backend = backend
        self.system = System(w3, setting, root)
        self._encoder = Encoder(self.system)
        self.view = ModelView(setting, self.system.addresses)
        self.reasons = reasons(root)
        self._origin = origin(self.system)
        self._coin_since = self.system.read(self.backend.view, "coinfeed.latestRoundData")[3]
        self._mark: Any = None
        self.begin()

    # ---- a sequence

    def begin(self) -> None:
        super().begin()
        if isinstance(self.backend, InProcess):
            if self._mark is not None:
                self.backend.evm.back(self._mark)
            self._mark = self.backend.evm.mark()
        self.scene = Scene(self.setting, self._origin.clone(), self._coin_since)
        self.oracle = Oracle(self.scene, self.slack, self.seen)
        self.view.start()
        self._called_back = 0

    def plan(self, action: Action, draw: Draw) -> Plan:
        return action.plan(self.scene, draw)

    def open_plan(self, draw: Draw) -> Plan:
        return actions.open_plan(self.scene, draw)

    def is_call(self, step: Step) -> bool:
        return step.call not in SURROUNDINGS

    def execute(self, step: Step) -> str | None:
        scene = self.scene
        scene.advance(step)
        self.backend.at(scene.time, scene.block)
        try:
            transaction = self._encoder.encode(step)
        except (EncodingError, AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise ImpossibleStepError(f"{step}: {type(error).__name__}: {error}") from None
        if step.call in SURROUNDINGS:
            self._send_unrefused(transaction)
            scene.surround(step)
            return None
        scene.quote()
        self.oracle.before()
        refused = self._send(transaction)
        if refused is None:
            self._accepted(step)
        else:
            self._refused(step, refused)
        self.oracle.after(step, refused)
        return refused

    def _send(self, transaction: Transaction) -> str | None:
        """Why the contracts refused, or None."""
        try:
            self.backend.send(transaction)
        except RefusedError as error:
            if error.halt:
                raise ViolationError("halt", error.halt) from None
            name = self.reasons.get(error.data[:4], error.data.hex() or "nothing said")
            if name == "Panic" and self.scene.mode == "honest":
                raise ViolationError("panic", f"code {int.from_bytes(error.data[4:36], 'big'):#x}") from None
            return ALIASES.get(name, name)
        return None

    def _send_unrefused(self, transaction: Transaction) -> None:
        if reason := self._send(transaction):
            raise RuntimeError(f"the surroundings refused: {reason}")

    # ---- the model's side

    def _accepted(self, step: Step) -> None:
        """The contracts went on: so must the model, to the same state."""
        if step.call == "forbidden":
            raise ViolationError(f"{step.arguments[0]} accepted", str(step))
        calls_back = self._calls_back() if self.scene.mode == "calls back" else 0
        if calls_back:
            self._as_if_in_order(step, calls_back)
            return
        try:
            play(self.scene.world, step, guarded=False)
        except Revert as error:
            raise ViolationError(
                f"{step.call} accepted", f"the model refuses: {type(error).__name__}{error.args}"
            ) from None
        if self.scene.mode == "keeps fee":
            self._take_wallets()
        if different := self._differences():
            raise ViolationError(f"{step.call} differs", _listed(different))

    def _refused(self, step: Step, reason: str) -> None:
        """The contracts refused, and by that have changed nothing: so must the model, for the same reason."""
        if step.call == "forbidden":
            if reason not in step.arguments[2]:
                raise ViolationError(f"{step.arguments[0]} refused", f"for {reason}, not {step.arguments[2]}")
            return
        if self.scene.mode != "honest" or (step.call == "trade" and len(step.arguments) > 2):
            return  # no reason of the model's: the token, or the signature
        if reason in WIDTHS:
            self._require_width(step, reason)
            return
        try:
            play(self.scene.world, step, guarded=True)
        except Revert as error:
            expected = type(error).__name__
            if not is_fair(reason, expected):
                raise ViolationError(
                    f"{step.call} refused", f"for {reason}, but the model says {expected}{error.args}"
                ) from None
            return
        raise ViolationError(f"{step.call} refused", f"for {reason}, but the model accepts")

    def _require_width(self, step: Step, reason: str) -> None:
        """Numbers beyond their widths, which the model does not have: it refuses too, or goes beyond them."""
        trial = self.scene.world.clone()
        try:
            play(trial, step, guarded=False)
        except Revert:
            return
        if not WIDTHS[reason](trial):
            raise ViolationError(f"{step.call} refused", f"for {reason}, but the model has room")

    def _differences(self) -> list[Difference]:
        """What the contracts and the model do not agree on, by name: the model's, the chain's."""
        first = self.oracle.first_default
        wanted = self.view.wanted(self.scene.world, everything=self.thorough)
        numbers = [at for at, _ in wanted]
        try:
            raw = self.system.words(self.backend.view, sum(1 << at for at in numbers), first)
        except RefusedError as error:
            raise ViolationError("view", f"a view reverts: {error}") from None
        sections = [*(section for _, section in wanted), *self.view.defaults(self.scene.world, first)]
        words = [word for section in sections for word in section]
        self.seen["quantities compared"] += len(words)
        if raw == b"".join([word.to_bytes(32, "big") for word in words]):
            return []
        found = [int.from_bytes(raw[at : at + 32], "big") for at in range(0, len(raw), 32)]
        if len(found) != len(words):
            return [("words", len(words), len(found))]
        pairs = zip(self.view.names(self.scene.world, numbers, first), words, found, strict=True)
        return [(name, _signed(a), _signed(b)) for name, a, b in pairs if a != b]

    # ---- the surroundings

    def _take_wallets(self) -> None:
        """What the token kept of payments out of the contracts is nobody's rule."""
        probe = self.system
        for name in (*ACCOUNTS, *STAKERS, "founder"):
            held = probe.balance(self.backend.view, probe.addresses[name])
            self.scene.world.token.balances[name] = held - self.setting.minted
        self.scene.world.token.balances["treasury"] = probe.balance(self.backend.view, probe.treasury)

    def _calls_back(self) -> int:
        accepted = self.system.calls_back_accepted(self.backend.view)
        fresh, self._called_back = accepted - self._called_back, accepted
        return fresh

    def _as_if_in_order(self, step: Step, count: int) -> None:
        """A call in the middle of another must end where some order of the two would have ended."""
        inner, before = Step(OPERATOR, self.scene.inner[0], tuple(self.scene.inner[1])), self.scene.world
        tried = []
        for order in ([inner] * count + [step], [step] + [inner] * count):
            self.scene.world = before.clone()
            try:
                for each in order:
                    play(self.scene.world, each, guarded=False)
            except Revert as error:
                tried.append(type(error).__name__)
                continue
            if not (different := self._differences()):
                self.seen["calls back accepted"] += 1
                return
            tried.append(_listed(different))
        raise ViolationError(f"{inner.call} inside {step.call}", " | ".join(tried))

    # ---- the end

    def finish(self) -> None:
        """All other views; then P6: with live prices and an empty fund, all below margin are closed."""
        self._audit()
        for step in everything_forbidden(self.scene, RandomDraw(self.scene.time)):
            self.execute(step)
        if not Unwinding(self.scene, self.backend, self.execute).succeeds():
            self.seen["amounts beyond their widths"] += 1
        self._audit()

    def _audit(self) -> None:
        audit(self.scene, partial(self.system.read, self.backend.view), self.system.addresses)

    def ledger(self) -> Mapping[str, int]:
        return dump(self.scene.world)


def _listed(different: Sequence[Difference]) -> str:
    listed = [f"{name}: model {model}, chain {chain}" for name, model, chain in different]
    return "; ".join(listed[:8]) + (f"; and {len(listed) - 8} more" if len(listed) > 8 else "")


def _signed(word: int) -> int:
    return word - 2**256 if word >= 2**255 else word
