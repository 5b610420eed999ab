"""What keepers can do, by role: any number of roles makes a keeper."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

__all__ = ["KINDS", "MARGIN_USE", "URGENT", "USUAL", "Kind", "Role"]


class Kind(StrEnum):
    """What a keeper can send."""

    SETTLE = "settle"
    FLAG = "flag"
    LIQUIDATE = "liquidate"
    DELEVERAGE = "deleverage"
    START_SALE = "start sale"
    BUY_COLLATERAL = "buy collateral"
    START_CONVERSION = "start conversion"
    BUY_FROM_RESERVE = "buy from reserve"
    SELL_TO_RESERVE = "sell to reserve"
    WITHDRAW = "withdraw"
    COLLECT = "collect"
    ROLL = "roll"
    POST = "post"


URGENT = frozenset({Kind.SETTLE, Kind.FLAG, Kind.LIQUIDATE, Kind.DELEVERAGE})
"""Where losses grow with leverage meanwhile. Not so a defaulter's collateral; and a sale at which nobody buys
is started again and again: it must not use up what these need.
"""


class Role(StrEnum):
    """A duty that a keeper can take on."""

    SETTLE = "settle"
    FLAG = "flag"
    LIQUIDATE = "liquidate"
    DELEVERAGE = "deleverage"
    COLLECT = "collect"
    ROLL = "roll"
    POST = "post"
    AUCTION = "auction"
    BUY = "buy"
    WITHDRAW = "withdraw"

    @property
    def kinds(self) -> frozenset[Kind]:
        """What a keeper in this role sends."""
        return KINDS[self]


KINDS: Mapping[Role, frozenset[Kind]] = MappingProxyType(
    {
        Role.SETTLE: frozenset({Kind.SETTLE}),
        Role.FLAG: frozenset({Kind.FLAG}),
        Role.LIQUIDATE: frozenset({Kind.LIQUIDATE}),
        Role.DELEVERAGE: frozenset({Kind.DELEVERAGE}),
        Role.COLLECT: frozenset({Kind.COLLECT}),
        Role.ROLL: frozenset({Kind.ROLL}),
        Role.POST: frozenset({Kind.POST}),
        Role.AUCTION: frozenset({Kind.START_SALE, Kind.START_CONVERSION}),
        Role.BUY: frozenset({Kind.BUY_COLLATERAL, Kind.BUY_FROM_RESERVE, Kind.SELL_TO_RESERVE}),
        Role.WITHDRAW: frozenset({Kind.WITHDRAW}),
    }
)

USUAL = frozenset(Role) - {Role.POST, Role.BUY, Role.WITHDRAW}
"""Those that need no authority and no money beyond an account, and leave what is pledged alone: a keeper's,
unless told otherwise.
"""

MARGIN_USE = 300_000
"""ppm of its equity that a keeper lets initial margin take, unless told otherwise: where that is 5% of
notional, positions of six times its equity.
"""
