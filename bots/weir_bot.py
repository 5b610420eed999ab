"""The keeper as a Silverback bot: `weir keeper`, a step at each block. bots/README.md says how to run it."""

from __future__ import annotations

import os
import shlex
import threading
from contextlib import ExitStack
from typing import Any

from ape import chain
from silverback import SilverbackBot, StateSnapshot

from weir.keeper.command import command, drain, opened
from weir.keeper.runner import Keeper, StepReport

OPTIONS = "WEIR_KEEPER"
"""Environment variable with the options of `weir keeper`, as on its command line."""
OF_THE_LOOP = ("rpc", "port", "steps", "interval", "as_json")
"""Those that Silverback decides: where the node is, when to step, and what to show."""

bot = SilverbackBot()


class Core:
    """A keeper that steps when it is told to. Silverback calls from several threads; one step is taken at a
    time, and a block that comes during one is not waited for: the next step sees it.
    """

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._lock = threading.Lock()
        self._keeper: Keeper | None = None

    def start(self, w3: Any, arguments: str) -> None:
        """Raises a `click.UsageError` where an option is wrong, and what a keeper that starts raises."""
        options = command.make_context("weir keeper", shlex.split(arguments)).params
        chosen = {name: value for name, value in options.items() if name not in OF_THE_LOOP}
        self._keeper = self._stack.enter_context(opened(w3, **chosen))

    def step(self) -> dict[str, Any]:
        """What the step did, for Silverback's metrics; nothing while another is taken."""
        if self._keeper is None or not self._lock.acquire(blocking=False):
            return {}
        try:
            report = self._once(self._keeper)
            return figures(report, self._keeper) if report else {"step_failed": 1}
        finally:
            self._lock.release()

    @staticmethod
    def _once(keeper: Keeper) -> StepReport | None:
        """A run of one step; None where it failed, as a run outlives: Silverback would give up after a few
        failures, and a node or a database may be away for longer.
        """
        done = threading.Event()
        return keeper.run(stop=done, observe=lambda _: done.set(), fail=lambda _: done.set())

    def stop(self) -> None:
        """Lets a step end, waits for what is on its way, and gives the account back."""
        with self._lock:
            keeper, self._keeper = self._keeper, None
            if keeper is not None:
                drain(keeper)
            self._stack.close()


def figures(report: StepReport, keeper: Keeper) -> dict[str, Any]:
    """A step as Silverback's metrics: tasks by outcome, gas, and money in USD."""
    outcomes: dict[str, Any] = {}
    for task in report.tasks:
        outcomes[f"tasks_{task['outcome']}"] = outcomes.get(f"tasks_{task['outcome']}", 0) + 1
    return outcomes | {
        "block": report.block,
        "tasks": len(report.tasks),
        "gas": report.gas,
        "bounty_usd": float(keeper.weir.usd(report.bounty)),
        "equity_usd": float(keeper.weir.usd(report.equity)),
    }


core = Core()


@bot.on_startup()
def start(_: StateSnapshot) -> None:
    core.start(bot.provider.web3, os.environ.get(OPTIONS, ""))


@bot.on_(chain.blocks)
def on_block(_: Any) -> dict[str, Any]:
    return core.step()


@bot.on_shutdown()
def stop() -> None:
    core.stop()
