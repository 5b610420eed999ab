"""Keeper and index survive what processes, nodes, chains and clocks do to them.

In the end of every crash P1 to P10 hold on the chain, the state rebuilt from the index is the chain's at
every block, each transaction and each event is recorded once, and nobody was left below maintenance margin
for longer than without the trouble, plus the trouble. Each takes its time: by default the most dangerous of
each family run; `WEIR_SURVIVAL=long` (`make survive`) tries every moment, fault and depth.
"""

import os
import threading
from functools import partial
from pathlib import Path

import pytest

from tests.survival.conftest import Survive
from tests.survival.crash import TICK
from tests.survival.processes import Operation
from tests.survival.proxy import SEND, Fault

LONG = os.environ.get("WEIR_SURVIVAL") == "long"
CORE = (1, 5)
"""Ticks in which most happens: the first large fall, and the one that breaks the fund."""
SENDS = range(1, 25) if LONG else (1, 8, 14)
AWAY = range(8) if LONG else CORE
DEPTHS = range(1, 13) if LONG else (1, 4, 12)
KINDS = ("drop", "rubbish", "behind", "lose", *(("error", "unavailable", "limited") if LONG else ()))
FAULTS = (
    Fault("lose", every=2, methods=frozenset({SEND})),
    Fault("duplicate", every=1),
    *(
        (
            Fault("drop", every=60),
            Fault("error", every=60),
            Fault("rubbish", every=60),
            Fault("behind", every=60, blocks=3),
            Fault("delay", every=2, seconds=0.05),
        )
        if LONG
        else ()
    ),
)
DAYS_OFF = (-400, 3) if LONG else (-400,)
SPIKE = 80 * 10**9
"""Wei per gas; the base fee of a quiet chain is below one gwei."""


# ---- processes


@pytest.mark.parametrize("moment", ["before_send", "after_send"])
@pytest.mark.parametrize("number", SENDS)
def test_kill_9_at_any_sending(survives: Survive, moment: str, number: int) -> None:
    """Before the node has the transaction, or when it has it and the keeper does not know."""
    killed = threading.Event()

    def kill(operation: Operation, sending: int) -> None:
        if sending == number:
            killed.set()
            operation.kill()

    def trouble(operation: Operation, tick: int, _price: int) -> int:
        if tick == 0:
            setattr(operation.proxy, moment, partial(kill, operation))
        return 0

    survives(trouble)
    assert killed.is_set()


@pytest.mark.parametrize("tick", AWAY)
def test_kill_9_and_away_for_a_while(survives: Survive, tick: int) -> None:
    def trouble(operation: Operation, now: int, _price: int) -> int:
        if now == tick:
            operation.kill()
        if now == tick + 1:
            operation.start()
        return int(now == tick)

    survives(trouble)


# ---- nodes


@pytest.mark.parametrize("kind", KINDS)
def test_a_node_that_fails_for_a_while(survives: Survive, kind: str) -> None:
    """Nothing gets through in the ticks in which most happens."""
    fault = Fault(kind, blocks=3)  # type: ignore[arg-type]

    def trouble(operation: Operation, tick: int, _price: int) -> int:
        operation.proxy.calm()
        if tick in CORE:
            operation.proxy.fail(fault)
            operation.until(lambda: operation.proxy.struck[kind] >= 4)
        return int(tick in CORE)

    survives(trouble)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.kind}-{fault.every}")
def test_a_node_that_fails_now_and_then(survives: Survive, fault: Fault) -> None:
    """All the time, and still the work is done in time."""
    struck = 0

    def trouble(operation: Operation, tick: int, _price: int) -> int:
        nonlocal struck
        if tick == 0:
            operation.proxy.fail(fault)
        struck = operation.proxy.struck[fault.kind]
        return 0

    survives(trouble)
    assert struck >= 4


# ---- chains


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_reorganisation_in_the_middle_of_liquidations(survives: Survive, depth: int) -> None:
    """The last blocks, with what the keeper has sent in them, are undone while it is sending."""
    sent = threading.Event()

    def trouble(operation: Operation, tick: int, price: int) -> int:
        if tick != CORE[1]:
            return 0

        def tell(number: int) -> None:
            if number >= first + 2:
                sent.set()

        first = operation.proxy.sends
        operation.proxy.after_send = tell
        operation.until(sent.is_set)
        undone = operation.crash.reorganise(depth, price)
        operation.catch_up()
        return 1 + undone // TICK

    survives(trouble)
    assert sent.is_set()


def test_gas_becomes_dear_while_transactions_wait(survives: Survive) -> None:
    """Blocks come without them until they are sent again at the same nonces for more."""
    replaced = False

    def trouble(operation: Operation, tick: int, _price: int) -> int:
        nonlocal replaced
        node, proxy = operation.crash.node, operation.proxy
        if tick != CORE[0]:
            return 0
        sent = proxy.sends
        node.rpc("evm_setAutomine", False)
        operation.until(lambda: proxy.sends > sent)

        def mined() -> bool:
            node.rpc("anvil_setNextBlockBaseFeePerGas", SPIKE)
            node.mine()
            operation.until(lambda: operation.keeper.block() >= operation.crash.head)
            pending = node.rpc("txpool_status")
            return int(pending["pending"], 16) + int(pending["queued"], 16) == 0

        operation.until(mined)
        replaced = proxy.sends > sent + 1
        node.rpc("evm_setAutomine", True)
        node.rpc("anvil_setNextBlockBaseFeePerGas", 10**9)
        node.mine()
        operation.catch_up()
        return 1

    survives(trouble)
    assert replaced


# ---- clocks


@pytest.mark.parametrize("days", DAYS_OFF)
def test_a_clock_that_is_wrong(survives: Survive, days: int, tmp_path: Path) -> None:
    """The machine's clock says another day; from the middle of the crash on, as if somebody had set it."""
    (tmp_path / "sitecustomize.py").write_text(SKEWED, encoding="utf-8")
    path = os.pathsep.join((str(tmp_path), os.environ.get("PYTHONPATH", "")))

    def trouble(operation: Operation, tick: int, _price: int) -> int:
        if tick == CORE[0]:
            operation.kill()
            operation.start(PYTHONPATH=path, WEIR_TEST_SKEW=str(days * 86_400))
        return 0

    survives(trouble)


SKEWED = """
import os, time
_skew, _time, _time_ns = float(os.environ["WEIR_TEST_SKEW"]), time.time, time.time_ns
time.time = lambda: _time() + _skew
time.time_ns = lambda: _time_ns() + int(_skew * 1e9)
"""
