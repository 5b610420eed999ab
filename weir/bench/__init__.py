"""Gas: what each action costs in a transaction of its own, and how that compares with a committed snapshot.

Figures come from receipts of Anvil, one transaction a block, the 21,000 of every transaction included. Each
scenario starts from the same chain in use: three funded layers, open positions, pools and fees that are not
empty. Time, keys and order are fixed, so the same contracts always give the same figures::

    measured = dict(measurements())
    moved = compare(Snapshot.load(SNAPSHOT), Snapshot(gas=measured))

The parts: `actions` names what is measured, `stage` is the chain, `scenarios` and `stablecoins` are what
happens on it, `measuring` runs them, `report` keeps, compares and shows the figures.
"""

from weir.bench.actions import ACTIONS, Action, BenchError
from weir.bench.measuring import measurements
from weir.bench.report import (
    DOCUMENT,
    SNAPSHOT,
    TOLERANCE,
    Change,
    Snapshot,
    compare,
    render,
    render_changes,
    rewrite_table,
    table,
)

__all__ = [
    "ACTIONS",
    "DOCUMENT",
    "SNAPSHOT",
    "TOLERANCE",
    "Action",
    "BenchError",
    "Change",
    "Snapshot",
    "compare",
    "measurements",
    "render",
    "render_changes",
    "rewrite_table",
    "table",
]
