"""One perpetual market (SPECIFICATION.md section 3): value index, side indices, funding, epochs.

Sizes are 1e-18 of the underlying, prices 1e-18 of a dollar, side indices K = base +/- A x V exact.
"""

from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction

from weir.model.numbers import DUST, FLOOR_A, HOUR, MILLION, ONE_A, YEAR, ceil_div, clamp, trunc_div
from weir.model.parameters import MarketParameters


class Status(Enum):
    """Life of a market."""

    OPEN = 1
    CLOSED = 2


@dataclass
class Side:
    """One side: size multiplier A, base of its index, epoch, live records, final indices of past epochs."""

    sign: int  # 1 long, -1 short
    multiplier: int = ONE_A
    base: int = 0
    epoch: int = 0
    positions: int = 0
    final_indices: list[int] = field(default_factory=list)
    dropped: Fraction = Fraction(0)  # for the properties only: size lost to rounding since oi was 0

    def index(self, value_index: int) -> int:
        """K."""
        return self.base + self.sign * self.multiplier * value_index

    def scale(self, multiplier: int, value_index: int) -> None:
        """A moves, K does not jump."""
        self.base += self.sign * (self.multiplier - multiplier) * value_index
        self.multiplier = multiplier

    def end_epoch(self, value_index: int) -> None:
        self.final_indices.append(self.index(value_index))
        self.epoch += 1
        self.multiplier, self.base, self.positions = ONE_A, 0, 0


@dataclass(frozen=True)
class Position:
    """An account's record: size and the side's multiplier and index when it was last settled."""

    sign: int
    size: int
    multiplier: int
    index: int
    epoch: int


@dataclass
class Trail:
    """What rounding may have moved in a market's ledger, units of S; only the properties know it."""

    kept: int = 0  # roundings in the pool's favour, each at most one unit
    drift: Fraction = Fraction(0)  # dropped size times the moves of the indices, either way


@dataclass
class Market:
    """State of a market; `scale` is SCALE."""

    parameters: MarketParameters
    scale: int
    price: int
    updated_at: int
    updated_block: int
    value_index: int
    status: Status = Status.OPEN
    open_interest: int = 0
    premium: int = 0  # ema, ppm
    last_premium: int = 0  # of the last trades, weighted by size, ppm
    long: Side = field(default_factory=lambda: Side(1))
    short: Side = field(default_factory=lambda: Side(-1))
    trail: Trail = field(default_factory=Trail)

    def side(self, sign: int) -> Side:
        return self.long if sign > 0 else self.short

    # ---- time and price

    def hours(self, now: int) -> int:
        """Clock hours that began since the last refresh."""
        return now // HOUR - self.updated_at // HOUR

    def refresh(self, now: int, block: int, price: int, premium_rate: int = 0) -> int:
        """Funding and the fund's premium since the last refresh, then the price. At most once a block.

        `premium_rate` is ppm a year, for each side. Returns what the fund has earned, units of S.
        """
        elapsed, period = now - self.updated_at, self.parameters.funding_period
        self.premium += trunc_div((self.last_premium - self.premium) * min(elapsed, period), period)
        rate = clamp(self.premium, self.parameters.max_funding_rate)
        funding = trunc_div(self.price * rate * elapsed, MILLION * period)
        earned = self._charge_premium(self.price * premium_rate * self.hours(now) // (MILLION * YEAR))
        self.move_price(price, funding)
        self.updated_at, self.updated_block = now, block
        return earned

    def _charge_premium(self, owed: int) -> int:
        """Charges both sides `owed` (a price) for each unit of size; returns the sum, units of S."""
        if self.open_interest < DUST or owed == 0:
            return 0
        for side in (self.long, self.short):
            side.base -= side.multiplier * owed
            self.trail.drift += side.dropped * owed / self.scale  # earned on it, owed by nobody
            self.trail.kept += 1
        return 2 * (self.open_interest * owed // self.scale)

    def move_price(self, price: int, funding: int = 0) -> None:
        """V moves by the price change less funding (longs pay shorts when it is positive)."""
        move = price - self.price - funding
        self.value_index += move
        self.price = price
        self.trail.drift += max(self.long.dropped, self.short.dropped) * abs(move) / self.scale

    # ---- positions

    def is_live(self, record: Position) -> bool:
        return record.epoch == self.side(record.sign).epoch

    def size(self, record: Position | None) -> int:
        """Size now: 0 when there is no record or its epoch has ended."""
        if record is None or not self.is_live(record):
            return 0
        return record.size * self.side(record.sign).multiplier // record.multiplier

    def unsettled(self, record: Position) -> int:
        """Profit (> 0) or loss not yet booked, rounded toward minus infinity."""
        side = self.side(record.sign)
        live = self.is_live(record)
        index = side.index(self.value_index) if live else side.final_indices[record.epoch]
        return record.size * (index - record.index) // (record.multiplier * self.scale)

    def record(self, signed_size: int) -> Position:
        """A record of this size as of now, its sign the side."""
        sign = 1 if signed_size > 0 else -1
        side = self.side(sign)
        index = side.index(self.value_index)
        return Position(sign, abs(signed_size), side.multiplier, index, side.epoch)

    def notional(self, size: int) -> int:
        """Value of a size at the mark, units of S, rounded down."""
        return size * self.price // self.scale

    def requirement(self, size: int, ratio: int) -> int:
        """Margin for a size, units of S, rounded up."""
        return ceil_div(size * self.price * ratio, self.scale * MILLION)

    def observe(self, price: int, size: int) -> None:
        """A trade's premium joins the standing one by its share of the open interest after it."""
        premium = trunc_div((price - self.price) * MILLION, self.price)
        if size >= self.open_interest:
            self.last_premium = premium
        else:
            self.last_premium += trunc_div((premium - self.last_premium) * size, self.open_interest)

    # ---- the other side

    def charge(self, sign: int, amount: int) -> None:
        """Charges an amount to a side by size."""
        side = self.side(sign)
        side.base -= ceil_div(side.multiplier * amount * self.scale, self.open_interest)
        self.trail.drift += amount * side.dropped / self.open_interest
        self.trail.kept += 1

    def deleverage(self, sign: int, size: int) -> None:
        """Closes `size` of a side pro rata; too little left closes the whole market at the mark."""
        side, rest = self.side(sign), self.open_interest - size
        if rest < DUST or side.multiplier * rest // self.open_interest < FLOOR_A:
            self.end_both()
            return
        side.dropped += Fraction(self.open_interest, side.multiplier)
        side.scale(side.multiplier * rest // self.open_interest, self.value_index)
        self.open_interest = rest

    # ---- epochs

    def end_both(self) -> None:
        """Everything open becomes stale at the indices of now."""
        for side in (self.long, self.short):
            side.end_epoch(self.value_index)
            side.dropped = Fraction(0)
        self.open_interest = 0

    def after_change(self) -> None:
        """Ends the epochs of records that are left without open interest."""
        if self.open_interest == 0 and (self.long.positions or self.short.positions):
            self.end_both()
