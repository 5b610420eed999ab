"""A default, from an hour before it to what has come back of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select

from weir.decoding import camel_case
from weir.index.events import load
from weir.index.queries.history import Happening, happenings
from weir.index.reading import select_events, state_until
from weir.index.rebuild import views
from weir.index.rebuild.state import State
from weir.index.tables import About, about, blocks, concerns, events
from weir.layers import FUND_LAYERS, LAYERS
from weir.model.numbers import MILLION, WAD
from weir.store import Store
from weir.units import HOUR


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
    """A layer of the waterfall, by its name in `weir.layers`: what it paid, and what S (of claims: units of
    S) it still had afterwards. `limit` is what the market's budget still left it then, where one stands
    before it. None: without end.

    `advances`: what the tranches, out of their S, could still have advanced for skin on what it holds beside
    S. That counts for what the policy last observed, to a millionth of the target: prices are no events.
    """

    layer: str
    paid: int
    left: int | None
    limit: int | None = None
    advances: int = 0


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
    known = about(store)
    with store.read() as connection:
        event = _defaulted(connection, default)
        arguments = load(event.arguments)
        account, market, record = arguments["account"], arguments["market"], arguments["record"]
        ends, charge = _end_of(connection, event)
        before = state_until(connection, known, event.block, event.log_index - 1)
        after = state_until(connection, known, event.block, ends)
        flagged_at = before.account(account).flagged_at
        since = event.time - HOUR
        repayments = tuple(_repayments(connection, default))
        recovered = sum(each.amount for each in repayments)
        return PostMortem(
            id=default,
            account=account,
            market=market,
            block=event.block,
            time=event.time,
            transaction=event.transaction,
            shortfall=record["shortfall"],
            remainder=arguments["remainder"],
            flagged_at=flagged_at,
            layers=tuple(_layers(after, arguments, before.market(market).coinsurance)),
            charged=tuple(_charged(before, after, arguments, charge)),
            prices=_prices(connection, {market, *before.account(account).positions}, since, event),
            attempts=tuple(_attempts(connection, known, account, min(flagged_at or since, since), event)),
            hour=happenings(connection, known, account, since=since, until=event.time),
            repayments=repayments,
            recovered=recovered,
            open=after.fund.defaults[default - 1].recoverable - recovered,
        )


# ------------------------------------------------------------------ the default


def _defaulted(connection: Connection, default: int) -> Any:
    """Its event: defaults are numbered in order, from 1."""
    found = [] if default < 1 else list(select_events(connection, events.c.name == "Defaulted"))
    if default > len(found) or not found:
        raise LookupError(f"no default {default}: there are {len(found)}")
    return found[default - 1]


def _end_of(connection: Connection, defaulted: Any) -> tuple[int, str]:
    """Where in the block its last event stands, and which one charged a remainder ("": none)."""
    here = select_events(
        connection,
        events.c.block == defaulted.block,
        events.c.transaction == defaulted.transaction,
        events.c.log_index > defaulted.log_index,
    )
    last, charge = defaulted.log_index, ""
    for row in here:
        match row.name:
            case "LossBorne" | "DebtResolved" | "DefaultNoted" | "ClaimsWrittenOff":
                last = row.log_index
            case "RemainderCharged" | "ResidualAdded":
                return row.log_index, row.name
            case "WipedOut" | "LossBudgetOpened" | "SideChanged":
                continue
            case _:
                break
    return last, charge


def _layers(after: State, a: Mapping[str, Any], coinsurance: int) -> Iterator[LayerUse]:
    record, market, fund = a["record"], after.market(a["market"]), after.fund
    own = views.member_balance(after, after.account(a["account"]))
    share = (record["shortfall"] - record["own"]) * coinsurance // MILLION
    budget = market.budget_left
    members, _ = views.loss_budget(after, market, after.time)
    advances = min(
        max(0, after.policy.reserve - fund.advanced_junior - fund.advanced_senior), fund.junior + fund.senior
    )
    left: dict[str, tuple[int, int | None]] = {
        "own": (own, None),
        "coinsurance": (market.claims, max(0, share - record["coinsurance"])),
        "skin": (fund.skin + fund.unvested, budget),
        "junior": (fund.junior, budget),
        "senior": (fund.senior, budget),
        "mutual": (after.guaranty.total - own, members),
        "unpaid_profit": (market.claims, None),
    }
    for layer in LAYERS:
        paid = record[camel_case(layer)]
        yield LayerUse(layer, paid, *left[layer], advances if layer == "skin" else 0)
    yield LayerUse("remainder", a["remainder"], None)


def _charged(before: State, after: State, a: Mapping[str, Any], charge: str) -> Iterator[Bearer]:
    account, number, record = a["account"], a["market"], a["record"]
    if record["own"]:
        yield Bearer(account, "contribution", record["own"])
    for layer in FUND_LAYERS:
        if record[layer]:
            yield Bearer("insurance fund", layer, record[layer])
    if record["mutual"]:
        for address, holder in before.accounts.items():
            now = views.member_balance(after, after.account(address))
            lost = views.member_balance(before, holder) - now
            if lost > 0 and address != account:
                yield Bearer(address, "mutual", lost)
    if record["coinsurance"] + record["unpaidProfit"]:
        for address, holder in before.accounts.items():
            had, _, _ = views.claim_value(before.market(number), holder, number)
            has, _, _ = views.claim_value(after.market(number), after.account(address), number)
            if had > has:
                yield Bearer(
                    "insurance fund" if address == before.fund_address else address, "profit", had - has
                )
    if a["remainder"]:
        position = before.account(account).positions.get(number)
        side = "longs" if position is not None and position.is_short else "shorts"
        who = side if charge == "RemainderCharged" else "profits still to be settled"
        yield Bearer(who, "open interest", a["remainder"])


# ------------------------------------------------------------ before and after


def _prices(connection: Connection, markets: set[int], since: int, defaulted: Any) -> tuple[PricePoint, ...]:
    rows = select_events(
        connection,
        events.c.name == "MarketRefreshed",
        blocks.c.time >= since,
        events.c.block <= defaulted.block,
    )
    last: dict[int, int] = {}
    found: list[PricePoint] = []
    for row in rows:
        market, price = (a := load(row.arguments))["market"], a["price"]
        before = (row.block, row.log_index) < (defaulted.block, defaulted.log_index)
        if before and market in markets and last.get(market) != price:
            last[market] = price
            found.append(PricePoint(row.block, row.time, market, price))
    return tuple(found)


def _attempts(
    connection: Connection, known: About, account: str, since: int, defaulted: Any
) -> Iterator[Attempt]:
    """Liquidations and deleveragings of the account, up to the transaction that found the default."""
    callers: dict[str, str] = {}
    for row in _concerning(connection, account, since, defaulted.block):
        a = load(row.arguments)
        if a.get("account") != account:
            continue
        match row.name:
            case "LiquidationCharged":
                callers[row.transaction] = a["liquidator"]
            case "Liquidated":
                yield Attempt(
                    block=row.block,
                    time=row.time,
                    transaction=row.transaction,
                    kind="liquidated",
                    caller=a["liquidator"],
                    fraction=a["fraction"] / WAD,
                    notional=a["notional"],
                    bounty_from_account=a["bountyFromAccount"],
                    bounty_from_fund=a["bountyFromFund"],
                    penalty=a["penalty"],
                )
            case "Deleveraged":
                yield Attempt(
                    block=row.block,
                    time=row.time,
                    transaction=row.transaction,
                    kind="deleveraged",
                    caller=callers.get(row.transaction),
                    fraction=1.0,
                    notional=a["size"] * a["price"] // 10 ** (36 - known.decimals),
                    bounty_from_account=0,
                    bounty_from_fund=0,
                    penalty=0,
                )


def _concerning(connection: Connection, account: str, since: int, last: int) -> Iterator[Row[Any]]:
    wanted = ("LiquidationCharged", "Liquidated", "Deleveraged")
    here = (
        select(concerns.c.block)
        .where(
            concerns.c.account == account,
            concerns.c.block == events.c.block,
            concerns.c.log_index == events.c.log_index,
        )
        .exists()
    )
    return select_events(
        connection, events.c.name.in_(wanted), here, blocks.c.time >= since, events.c.block <= last
    )


def _repayments(connection: Connection, default: int) -> Iterator[Repayment]:
    for row in select_events(connection, events.c.name == "Recovered"):
        a = load(row.arguments)
        if a["id"] == default:
            yield Repayment(row.block, row.time, row.transaction, a["payer"], dict(a["recovery"]))
