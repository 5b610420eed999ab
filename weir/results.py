"""The result of a demo run: the shape of its JSON, and the sums that its reports show.

Amounts of money are in USD of the settlement token, sizes in units of a market's asset, both exact: decimals
here, strings in the JSON. Counts are integers, ratios are floats (1.0 is 100 %), times are Unix seconds (UTC)
on the clock of the scenario.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, model_validator

from weir.files import write
from weir.layers import FUND_LAYERS, GUARANTY_LAYERS

__all__ = [
    "CONVERSIONS",
    "FACTORS",
    "Advance",
    "Chain",
    "CloseOut",
    "Closed",
    "Contributions",
    "Conversion",
    "Default",
    "Fees",
    "Fund",
    "FundState",
    "Gas",
    "Identity",
    "Ledger",
    "ListedAsset",
    "MarketIncome",
    "Membership",
    "Paid",
    "Participant",
    "Post",
    "RunResult",
    "SeriesPoint",
    "Slack",
    "StablecoinPoint",
    "Stablecoins",
]

FACTORS: dict[str, str] = {
    "scarcity": "Scarcity",
    "concentration": "Concentration",
    "leverage": "Leverage",
    "tier": "Tier",
}
"""Fields of `Contributions`, with their names in print: why new risk pays to the fund."""

CONVERSIONS: dict[str, str] = {
    "debt": "Collateral, for its owners' debts",
    "default": "Collateral, for their open defaults",
    "takeover": "Collateral, to liquidators",
    "sale": "Sold by the reserve",
    "purchase": "Bought by the reserve",
}
"""Kinds of `Conversion`, with their names in print."""

Exact = Annotated[
    Decimal,
    Field(allow_inf_nan=False),
    PlainSerializer(lambda value: format(value, "f"), return_type=str, when_used="json"),
]
Count = Annotated[int, Field(ge=0)]
Time = Annotated[int, Field(ge=0)]
Scalar = str | int | float

_ZERO = Decimal(0)


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Split(_Model):
    """A sum of money by its parts, USD: every field is one."""

    def items(self) -> Iterator[tuple[str, Decimal]]:
        """Parts with their amounts, in their order."""
        return ((part, getattr(self, part)) for part in type(self).model_fields)

    @property
    def total(self) -> Decimal:
        """All parts together, USD."""
        return sum((amount for _, amount in self.items()), _ZERO)

    @classmethod
    def sum(cls, records: Iterable[Self]) -> Self:
        """The records added up, part by part."""
        records = tuple(records)
        return cls(**{part: sum((getattr(one, part) for one in records), _ZERO) for part in cls.model_fields})


class Contributions(_Split):
    """What was paid to the fund for new risk and for leverage by withdrawal, by factor, USD."""

    scarcity: Exact = _ZERO
    concentration: Exact = _ZERO
    leverage: Exact = _ZERO
    tier: Exact = _ZERO

    @classmethod
    def split(cls, units: int, rates: Mapping[str, int], decimals: int) -> Self:
        """One charge in units of S, in proportion to the rates (ppm) that made it up.

        Each part is rounded down to a unit; the first of the largest rates has what is left.
        """
        whole = sum(rates.values())
        if units and not whole:
            raise ValueError(f"a charge of {units} needs a rate")
        parts = {factor: units * rate // whole if whole else 0 for factor, rate in rates.items()}
        if units:
            parts[max(rates, key=lambda factor: rates[factor])] += units - sum(parts.values())
        return cls(**{factor: Decimal(part).scaleb(-decimals) for factor, part in parts.items()})


class Membership(_Model):
    """An account in the guaranty fund, USD.

    It `contributed`, `earned` its part of income, and lost to defaults, its `own` and, with the others, those
    of others (`mutual`). At the end it has `balance`; `owed` is missing of what its positions require.
    Roundings apart, balance = contributed + earned - own - mutual.
    """

    contributed: Exact = _ZERO
    earned: Exact = _ZERO
    own: Exact = _ZERO
    mutual: Exact = _ZERO
    balance: Exact = _ZERO
    owed: Exact = _ZERO


class Participant(_Model):
    """One account: what it put in and what it ended with, in USD, and what it paid of that.

    `skill` is the simulation's own measure of a trader, `liquidations` the number of times it was taken over,
    `fees` those of its trades. `pledged` is the part of `deposited` that was another stablecoin, at what it
    was worth; such are worth as much in `equity`, without a haircut. `membership` is apart from what it
    deposited and from its equity; None where it has never contributed and owes nothing.
    """

    address: str
    role: str
    leverage: float | None = None
    skill: float | None = None
    deposited: Exact
    pledged: Exact = _ZERO
    equity: Exact
    liquidations: Count = 0
    fees: Exact = _ZERO
    contributions: Contributions = Contributions()
    membership: Membership | None = None


class Closed(_Model):
    """A position, or a part of one, that was taken over or closed at the mark price (USD)."""

    market: str
    side: Literal["long", "short"]
    size: Exact
    price: Exact

    @property
    def notional(self) -> Decimal:
        """Size times price, USD."""
        return self.size * self.price


class CloseOut(_Model):
    """One liquidation or one deleveraging of an account, by whoever called it, with the bounty paid (USD)."""

    time: Time
    account: str
    caller: str
    fraction: float = 1.0
    positions: tuple[Closed, ...]
    bounty: Exact = _ZERO


class Paid(_Split):
    """What each layer of the waterfall paid, USD: the fields are `weir.layers.LAYERS`."""

    own: Exact = _ZERO
    coinsurance: Exact = _ZERO
    skin: Exact = _ZERO
    junior: Exact = _ZERO
    senior: Exact = _ZERO
    mutual: Exact = _ZERO
    unpaid_profit: Exact = _ZERO

    @property
    def fund(self) -> Decimal:
        """The layers of the insurance fund together, USD."""
        return sum((getattr(self, layer) for layer in FUND_LAYERS), _ZERO)

    @property
    def guaranty(self) -> Decimal:
        """The layers of the guaranty fund together, USD."""
        return sum((getattr(self, layer) for layer in GUARANTY_LAYERS), _ZERO)


class Default(_Model):
    """The record of one default in one market: the shortfall (USD), who paid it, and what nobody paid."""

    id: int
    time: Time
    account: str
    market: str
    shortfall: Exact
    paid: Paid
    remainder: Exact = _ZERO

    @property
    def difference(self) -> Decimal:
        """Shortfall less what was paid and what remains, USD; zero where P4 holds."""
        return self.shortfall - self.paid.total - self.remainder


class Fees(_Model):
    """What accounts paid in fees, levies, premium and bounties, and who received it, USD.

    What they paid: `trading` fees, `contributions`, `penalties`, bounties (`liquidators`), and `premium`: as
    much of `premium_charged` as the fund's account has got in cash; the rest are claims that wait for
    losers' money, or were lost with them. `premium_collected` has reached the funds. `members` is the part of
    the guaranty fund's members.
    """

    paid: Exact
    fund: Exact
    members: Exact = _ZERO
    treasury: Exact
    liquidators: Exact
    undistributed: Exact = _ZERO
    trading: Exact = _ZERO
    contributions: Contributions = Contributions()
    penalties: Exact = _ZERO
    premium_charged: Exact = _ZERO
    premium: Exact = _ZERO
    premium_collected: Exact = _ZERO

    @property
    def fund_share(self) -> Decimal:
        """The funds' part of trading fees, with those that are not yet distributed, USD."""
        return self.trading - self.treasury

    @property
    def income(self) -> Decimal:
        """What accounts paid to the funds: share of fees, contributions, penalties and premium, USD."""
        return self.fund_share + self.contributions.total + self.penalties + self.premium


class MarketIncome(_Model):
    """What one market paid to the fund, USD: contributions of its new risk, premium charged on its open
    interest (both sides).
    """

    contributions: Contributions = Contributions()
    premium_charged: Exact = _ZERO


class Post(_Model):
    """What the poster told the funding policy, and why: the texts whose keccak hashes it gave as evidence.

    `block` is the one that the inputs were read at.
    """

    kind: Literal["target", "tiers"]
    time: Time
    block: Count
    inputs: str
    outputs: str


class Ledger(_Model):
    """The vault's books at the end, USD; pools, claims, debt and unsettled profit by market."""

    held: Exact
    cash: Exact
    fees: Exact
    pools: dict[str, Exact]
    claims: dict[str, Exact]
    debt: dict[str, Exact]
    unsettled: dict[str, Exact]


class FundState(_Model):
    """The insurance fund at one instant, USD: its layers, income on its way to them, and the target.

    `coverage` is assets over target; None where nothing is at risk and the target is zero. `guaranty` is what
    the members of the guaranty fund have, beside the assets. The layers are in the settlement token;
    `reserve` is what skin's other stablecoins count for, and `advanced` what the tranches have paid of that
    already.
    """

    skin: Exact
    junior: Exact
    senior: Exact
    reserve: Exact = _ZERO
    advanced: Exact = _ZERO
    guaranty: Exact = _ZERO
    streaming: Exact = _ZERO
    target: Exact
    coverage: float | None = None

    @property
    def assets(self) -> Decimal:
        """The three layers and the reserve together, USD; without what is still streaming."""
        return self.skin + self.junior + self.senior + self.reserve


class Fund(_Model):
    """The insurance fund before the first price of the scenario and after the last."""

    before: FundState
    after: FundState


class SeriesPoint(_Model):
    """The system at one step of the price path.

    `time` is when the step's prices were set; the rest is as the step left it, and events of the step have
    times from this one up to, not including, the next point's. Prices in USD by market; layers and open
    interest (one side, all markets) in USD; `liquidations` and `deleverages` since the start; `margin_used`
    is margin required over equity, all accounts together. `premium_rate` (ppm of open interest a year, each
    side), `scarcity` (ppm of new notional) and `fund_share` (ppm of fees) are the funding policy's at this
    coverage; `contributions` and `premium` (charged) are USD since the deployment.
    `guaranty` is the guaranty fund's.
    """

    time: Time
    prices: dict[str, Exact]
    skin: Exact
    junior: Exact
    senior: Exact
    guaranty: Exact = _ZERO
    open_interest: Exact
    coverage: float | None = None
    liquidations: Count = 0
    deleverages: Count = 0
    margin_used: float | None = None
    premium_rate: Count = 0
    scarcity: Count = 0
    fund_share: Count = 0
    contributions: Exact = _ZERO
    premium: Exact = _ZERO


class Identity(_Model):
    """A property of the ledger, checked on the chain: it holds while its slack lies within the bound.

    `id` is the property's, with the market where it concerns one ("P2:BTC"); slack and bound are in `unit`.
    """

    id: str
    statement: str
    slack: Exact
    bound: Exact
    holds: bool
    unit: str = "USD"


class ListedAsset(_Model):
    """Another stablecoin, or a share of one: `haircut`, `discount` and `weight` are ratios (0.05 is 5 %)."""

    symbol: str
    is_share: bool = False
    haircut: float
    discount: float
    weight: float


class Conversion(_Model):
    """Stablecoins that changed hands for S: `amount` tokens, `worth` at the price of then, `paid` (USD).

    "debt": an account's collateral, sold for its debts, "default": for those who bore its default, of which
    `recovered` went to them; "takeover": to the liquidator who took over its positions; "sale" and
    "purchase": of the reserve. `account` is whose collateral it was, `other` who bought, or sold to the
    reserve.
    """

    kind: Literal["debt", "default", "takeover", "sale", "purchase"]
    time: Time
    account: str = ""
    other: str
    asset: str
    amount: Exact
    worth: Exact
    paid: Exact
    recovered: Exact = _ZERO

    @property
    def loss(self) -> float:
        """What whoever had to convert lost by it, of the worth."""
        lost = self.paid - self.worth if self.kind == "purchase" else self.worth - self.paid
        return float(lost / self.worth) if self.worth else 0.0


class Advance(_Model):
    """The tranches paid for skin ("opened"), got it back, or lost it ("written off"), USD."""

    kind: Literal["opened", "repaid", "written off"]
    time: Time
    junior: Exact
    senior: Exact

    @property
    def amount(self) -> Decimal:
        """Both tranches together, USD."""
        return self.junior + self.senior


class StablecoinPoint(_Model):
    """Other stablecoins at one step of the price path; by asset.

    `prices` (USD, of a token) are those that count, at most a dollar, `market` those that the feeds gave;
    `collateral` and `reserve` are worth, `collateral_counts` and `reserve_counts` the same after the haircut.
    `skin` is the fund's liquid stake, `advanced` what it owes to the tranches.
    """

    time: Time
    market: dict[str, Exact]
    prices: dict[str, Exact]
    collateral: dict[str, Exact]
    collateral_counts: dict[str, Exact]
    reserve: dict[str, Exact]
    reserve_counts: dict[str, Exact]
    skin: Exact
    advanced: Exact


class Stablecoins(_Model):
    """What happened to other stablecoins: collateral of accounts, and the reserve of the fund."""

    assets: tuple[ListedAsset, ...]
    conversions: tuple[Conversion, ...] = ()
    advances: tuple[Advance, ...] = ()
    series: tuple[StablecoinPoint, ...]

    def of(self, *kinds: str) -> tuple[Conversion, ...]:
        """The conversions of these kinds, in order."""
        return tuple(each for each in self.conversions if each.kind in kinds)

    @property
    def totals(self) -> tuple[tuple[str, int, Decimal, Decimal, float], ...]:
        """Of each kind of conversion that happened: how many, worth, paid (USD), and the loss as a ratio."""
        found = []
        for kind in CONVERSIONS:
            if each := self.of(kind):
                worth = sum((one.worth for one in each), _ZERO)
                paid = sum((one.paid for one in each), _ZERO)
                lost = paid - worth if kind == "purchase" else worth - paid
                found.append((kind, len(each), worth, paid, float(lost / worth) if worth else 0.0))
        return tuple(found)

    @property
    def lowest(self) -> tuple[str, Decimal]:
        """The asset that fell most below a dollar, and its lowest price, USD."""
        asset = min((each.symbol for each in self.assets), key=self.low)
        return asset, self.low(asset)

    def low(self, asset: str) -> Decimal:
        """An asset's lowest price, USD."""
        return min(point.market[asset] for point in self.series)

    def advanced(self, kind: str) -> Decimal:
        """Advances of one kind together, USD."""
        return sum((each.amount for each in self.advances if each.kind == kind), _ZERO)

    @property
    def recovered(self) -> Decimal:
        """What sales of collateral gave back to those who bore defaults, USD."""
        return sum((each.recovered for each in self.conversions), _ZERO)

    @property
    def debts_paid(self) -> Decimal:
        """What sales of collateral brought for accounts in debt, USD."""
        return sum((each.paid for each in self.of("debt")), _ZERO)


class Slack(_Model):
    """How far roundings opened the identities over the whole run, USD."""

    max: Exact
    mean: Exact


class Gas(_Model):
    """Gas of one kind of transaction."""

    count: Count
    mean: float
    max: Count


class Chain(_Model):
    """Where the run lies on the chain."""

    id: int
    first_block: int
    last_block: int
    transactions: Count

    @property
    def blocks(self) -> int:
        """Number of blocks from the first to the last, both counted."""
        return self.last_block - self.first_block + 1


class RunResult(_Model):
    """Everything that a demo run leaves behind. `save` and `load` are its JSON.

    `accounts`, `liquidations` and `deleverages` count the entries of `participants`, `liquidation_events` and
    `deleverage_events`; a result in which they do not is refused with a ValueError. `income` is by market,
    without what withdrawals paid; `refusals` counts what traders wished and the contracts refused, or
    granted in part only, by the name of the error. `posts` are in order. `stablecoins` is None where none but
    the settlement token counts.
    """

    scenario: str
    title: str
    description: str = ""
    source: str = ""
    node: str
    seed: int
    seconds: float
    chain: Chain
    accounts: Count
    participants: tuple[Participant, ...]
    trades: Count
    liquidations: Count
    liquidation_events: tuple[CloseOut, ...] = ()
    deleverages: Count
    deleverage_events: tuple[CloseOut, ...] = ()
    defaults: tuple[Default, ...] = ()
    fees: Fees
    ledger: Ledger
    fund: Fund
    series: Annotated[tuple[SeriesPoint, ...], Field(min_length=1)]
    identities: tuple[Identity, ...]
    slack: Slack
    gas: dict[str, Gas] = {}
    income: dict[str, MarketIncome] = {}
    refusals: dict[str, Count] = {}
    posts: tuple[Post, ...] = ()
    stablecoins: Stablecoins | None = None
    parameters: dict[str, dict[str, Scalar]] = {}

    @model_validator(mode="after")
    def _counts_match(self) -> Self:
        for name, count, entries in (
            ("accounts", self.accounts, self.participants),
            ("liquidations", self.liquidations, self.liquidation_events),
            ("deleverages", self.deleverages, self.deleverage_events),
        ):
            if count != len(entries):
                raise ValueError(f"{name} must count its entries: {count} for {len(entries)}")
        return self

    @property
    def markets(self) -> tuple[str, ...]:
        """Markets of the scenario, in its order."""
        return tuple(self.series[0].prices)

    @property
    def shortfall(self) -> Decimal:
        """Bad debt of all defaults, USD."""
        return sum((default.shortfall for default in self.defaults), _ZERO)

    @property
    def paid(self) -> Paid:
        """What each layer paid over all defaults."""
        return Paid.sum(default.paid for default in self.defaults)

    @property
    def remainder(self) -> Decimal:
        """What nobody paid over all defaults, USD."""
        return sum((default.remainder for default in self.defaults), _ZERO)

    @property
    def sources(self) -> tuple[tuple[str, Decimal], ...]:
        """What the fund lives on: names in print, and what accounts paid of each, USD. Sum: `fees.income`."""
        fees = self.fees
        return (
            ("Share of trading fees", fees.fund_share),
            *((f"Contributions: {FACTORS[f].lower()}", amount) for f, amount in fees.contributions.items()),
            ("Premium", fees.premium),
            ("Penalties", fees.penalties),
        )

    @property
    def withdrawal_contributions(self) -> Contributions:
        """What was paid for leverage by withdrawal: contributions that belong to no market."""
        markets = Contributions.sum(income.contributions for income in self.income.values())
        paid = self.fees.contributions
        return Contributions(**{f: getattr(paid, f) - amount for f, amount in markets.items()})

    @property
    def members(self) -> tuple[Participant, ...]:
        """The accounts with a membership, those that contributed most first."""
        found = [(one, one.membership) for one in self.participants if one.membership]
        found.sort(key=lambda each: (-each[1].contributed, -each[1].owed, each[0].address))
        return tuple(one for one, _ in found)

    def contributors(self, most: int) -> tuple[Participant, ...]:
        """The accounts that contributed most to the fund, largest first, of those that did."""
        paid = (one for one in self.participants if one.contributions.total)
        return tuple(sorted(paid, key=lambda one: (-one.contributions.total, one.address))[:most])

    @property
    def peak_open_interest(self) -> Decimal:
        """The largest open interest of the series, USD, one side."""
        return max(point.open_interest for point in self.series)

    @property
    def outcome(self) -> str:
        """One sentence on how far down the waterfall the losses went."""
        paid = self.paid
        if not self.defaults:
            return "No account defaulted: the fund was not called upon."
        if self.remainder:
            return "The loss went past the fund and past unpaid profit: open interest bore the rest."
        if paid.unpaid_profit:
            return "The loss went past the fund: winners' unpaid profit bore the rest."
        if paid.mutual:
            return "The loss went past the fund: the guaranty fund's members bore the rest."
        if paid.senior:
            return "The loss reached the senior tranche and stopped there."
        if paid.junior:
            return "The loss reached the junior tranche and stopped there."
        if paid.skin:
            return "The loss stopped in the skin in the game: " + self._tranches_untouched
        if paid.own:
            with_coinsurance = " and coinsurance" if paid.coinsurance else ""
            return f"Own contributions{with_coinsurance} bore every default: the fund was not called upon."
        return "Coinsurance bore every default: the fund was not called upon."

    @property
    def _tranches_untouched(self) -> str:
        opened = self.stablecoins.advanced("opened") if self.stablecoins else _ZERO
        if not opened:
            return "no tranche was touched."
        back = "and had it back" if not self.fund.after.advanced else "and have not yet had all of it back"
        return f"the tranches advanced ${opened:,.0f} of it {back}."

    def save(self, path: Path) -> None:
        """Writes the JSON, making the folder where there is none."""
        write(path, self.model_dump_json(indent=2) + "\n")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads what `save` wrote; raises `pydantic.ValidationError` where it has another shape."""
        return cls.model_validate_json(path.read_text(encoding="utf-8"))
