"""P6, at the end of every sequence and on the chain: all who are below maintenance margin can be closed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from weir.fuzz.clearing.backend import Backend
from weir.fuzz.clearing.scene import Scene
from weir.fuzz.clearing.setting import ACCOUNTS, OPERATOR
from weir.fuzz.steps import Step
from weir.fuzz.subject import ViolationError
from weir.model.markets import Status

__all__ = ["GAS_BOUND", "Unwinding"]

GAS_BOUND = 2_500_000
"""For closing one account in all markets (P6), in-process gas: far below any block's limit."""


class _BeyondWidthsError(Exception):
    """Prices have multiplied positions to more than amounts can be (section 1): there is no end to be had."""


class Unwinding:
    """With live prices and an empty fund. `execute` makes a step and tells why it was refused, or None."""

    def __init__(self, scene: Scene, backend: Backend, execute: Callable[[Step], str | None]) -> None:
        self.scene, self._backend, self._execute = scene, backend, execute

    def succeeds(self) -> bool:
        """False where amounts outgrow their widths; raises `ViolationError` where someone can't be closed."""
        try:
            self._finish()
        except _BeyondWidthsError:
            return False
        return True

    def _finish(self) -> None:
        self._make_ready()
        left = 2 * len(ACCOUNTS)  # what one can't pay may put others below in turn
        owed: int | None = None
        while True:
            self._expect(Step(OPERATOR, "settle", (ACCOUNTS,)))
            below = [account for account in ACCOUNTS if self._is_below(account)]
            before, owed = owed, sum(self.scene.world.ledger.debts.values())
            if below and left:
                self._close(below[0])
                left, owed = left - 1, None
            elif below:
                raise ViolationError("P6", f"still below maintenance margin: {below}")
            elif not self._lost():
                break
            elif before is not None and owed >= before:
                raise ViolationError("P6", f"a loss without a position stays: {self._lost()}")
        world = self.scene.world
        for account, flag in sorted(world.house.flags.items()):
            if flag.insolvent:  # it has recovered, and nobody has said so yet
                self._expect(Step(OPERATOR, "flag", (account,)))
        if insolvencies := world.house.insolvencies:
            raise ViolationError("P6", f"{insolvencies} marked insolvent when all are resolved")

    def _make_ready(self) -> None:
        if self.scene.mode != "honest":
            self._execute(Step("token", "turn", ("honest",), 0, 0))
        self._execute(Step("governor", "set_sequencer", (-1,), 0, 0))
        world = self.scene.world
        for number, cover in world.fund.covers.items():
            self._expect(Step("governor", "set_cover", (number, 0, cover.coinsurance), 0, 0))
        nothing = replace(world.guaranty.parameters, loss_share=0)
        self._expect(Step("governor", "set_guaranty", (nothing,), 0, 0))
        self._pass(world.fund.parameters.budget_window)

    def _pass(self, seconds: int) -> None:
        """Lets time go by; the feeds of open markets answer anew, as before."""
        blocks = 1
        for number, market in enumerate(self.scene.world.house.markets):
            if market.status is Status.OPEN:
                answer = (number, max(1, market.price // 10**10), self.scene.now(seconds), "live")
                self._execute(Step("oracle", "answer", answer, seconds, blocks))
                seconds = blocks = 0

    def _lost(self) -> list[str]:
        """Who has a loss and no position: claims elsewhere, since written off, were its margin.

        Where such claims and debts form a circle, each settlement takes off a part of what is owed.
        """
        house, ledger = self.scene.world.house, self.scene.world.ledger
        debtors = sorted({name for name, _ in ledger.debts})
        return [name for name in debtors if not house.open_markets(name) and ledger.net(name) < 0]

    def _is_below(self, account: str) -> bool:
        house = self.scene.world.house
        health = house.health(account)
        return bool(house.open_markets(account)) and health.equity < health.maintenance

    def _close(self, account: str) -> None:
        world = self.scene.world
        if account not in world.house.flags:
            self._expect(Step(OPERATOR, "flag", (account,)))
        self._pass(world.house.liquidation.auction_duration + 1)
        self._expect(Step(OPERATOR, "settle", ((account,),)))
        if self._is_below(account):
            self._expect(Step(OPERATOR, "deleverage", (account, ())))
            if (gas := self._backend.gas_used) > GAS_BOUND:
                raise ViolationError("P6", f"{gas} gas to close {account}")

    def _expect(self, step: Step) -> None:
        refused = self._execute(step)
        if refused == "Overflow":
            raise _BeyondWidthsError
        if refused:
            raise ViolationError("P6", f"{step} is refused: {refused}")
