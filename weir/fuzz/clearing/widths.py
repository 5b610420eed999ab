"""Numbers as wide as the contracts can store them, which the model does not know."""

from __future__ import annotations

from collections.abc import Callable

from weir.fuzz.clearing.setting import ACCOUNTS
from weir.model import World
from weir.model.numbers import SHARE_OFFSET

__all__ = ["MAX_ASSETS", "MAX_SUPPLY", "WIDTHS", "most_shares"]

MAX_ASSETS = 2**96 - 1  # of the fund, units of S
MAX_SUPPLY = 2**160 - 1  # of a tranche's shares

WIDTHS: dict[str, Callable[[World], bool]] = {
    "Overflow": lambda world: _most(world) >= 2**111,
    "CapacityExceeded": lambda world: max(world.fund.liquid, world.guaranty.total) > MAX_ASSETS,
    "SupplyCapExceeded": lambda world: (
        max(t.supply for t in (world.fund.junior, world.fund.senior)) > MAX_SUPPLY
    ),
    "SafeCastOverflowedUintDowncast": lambda world: world.funding.anchor >= 2**96,
}
"""Refusals for the sake of storage, and whether a world would be beyond it."""


def most_shares(world: World, name: str) -> int:
    """How many shares a tranche could give out, were the gate open."""
    fund, tranche = world.fund, world.tranche(name)
    total = tranche.assets + fund.vestable()[0 if tranche is fund.junior else 1]
    room = (MAX_ASSETS - fund.liquid) * (tranche.supply + SHARE_OFFSET) // (total + 1)
    return min(MAX_SUPPLY - tranche.supply, room)


def _most(world: World) -> int:
    """The largest amount in the ledger, or that has just gone through it."""
    ledger = world.ledger
    markets = (max(m.pool, m.total_claims, m.total_units) for m in ledger.markets)
    defaults = (record.shortfall for record in world.fund.defaults[-len(ACCOUNTS) :])
    return max(*markets, *defaults, *ledger.cash.values(), *ledger.debts.values(), 0)
