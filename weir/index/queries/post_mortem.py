"""A default, from an hour before it to what has come back of it."""

from __future__ import annotations

from dataclasses import dataclass

from weir.index.queries.history import Happening
from weir.store import Store


@dataclass(frozen=True, slots=True)
class PricePoint:
    """A market's mark (1e-18 of a dollar) from one moment on."""

    block: int
    time: int
    market: int
    price: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """A liquidation (`kind` "liquidated": a `fraction` of 1.0 is all) or a deleveraging of a market."""

    block: int
    time: int
    transaction: str
    kind: str
    caller: str | None
    fraction: float
    notional: int
    bounty_from_account: int
    bounty_from_fund: int
    penalty: int


@dataclass(frozen=True, slots=True)
class LayerUse:
    """A layer of the waterfall, by its name in `weir.results.LAYERS` ("remainder" is the last): what it paid,
    and what it still had afterwards. `limit` is what the market's budget still left it then, where one
    stands before it. None: without end.
    """

    layer: str
    paid: int
    left: int | None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Bearer:
    """Somebody who was charged: `what` is "contribution", "mutual", "profit", "open interest" or a layer of
    the fund; `who` an account or a name.
    """

    who: str
    what: str
    amount: int


@dataclass(frozen=True, slots=True)
class Repayment:
    """What somebody gave back of a default, by layer."""

    block: int
    time: int
    transaction: str
    payer: str
    amounts: dict[str, int]

    @property
    def amount(self) -> int:
        """All of it."""
        return sum(self.amounts.values())


@dataclass(frozen=True, slots=True)
class PostMortem:
    """All about a default: `prices` and `hour` are of the hour before it, `layers` in the order of payment.

    `flagged_at` is 0 where the account was never flagged. `recovered` has come back, `open` still can.
    """

    id: int
    account: str
    market: int
    block: int
    time: int
    transaction: str
    shortfall: int
    remainder: int
    flagged_at: int
    layers: tuple[LayerUse, ...]
    charged: tuple[Bearer, ...]
    prices: tuple[PricePoint, ...]
    attempts: tuple[Attempt, ...]
    hour: tuple[Happening, ...]
    repayments: tuple[Repayment, ...]
    recovered: int
    open: int


def post_mortem(store: Store, default: int) -> PostMortem:
    """The default with this number; raises `LookupError` for one that never was."""
    raise NotImplementedError
