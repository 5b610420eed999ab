"""Each market: its price and feed, open interest and in whose hands it is, its pool, and what may be paid."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from weir.decoding import PRICE_STATUS
from weir.monitor.concentration import Concentration, concentration
from weir.monitor.metrics.metric import Figure, Number, Sample, by_market, size, states, usd
from weir.monitor.watch import Reading
from weir.states import MarketState
from weir.units import MILLION

__all__ = ["FIGURES"]

MARKET = ("market",)


def _amount(name: str) -> Callable[[Reading, MarketState], Number]:
    return lambda reading, market: usd(reading, getattr(market, name))


def _ratio(name: str) -> Callable[[Reading, MarketState], Number]:
    return lambda _, market: getattr(market, name) / MILLION


def _price(_: Reading, market: MarketState) -> Number:
    return size(market.price)


def _feed_age(reading: Reading, market: MarketState) -> Number | None:
    return reading.time - market.feed_updated_at if market.feed_updated_at else None


def _members_may_pay(reading: Reading, market: MarketState) -> Number:
    left = next(budget.left for budget in reading.seen.budgets if budget.market == market.id)
    return usd(reading, min(left, reading.fund.guaranty.total))


def _heartbeat(reading: Reading, market: MarketState) -> Number | None:
    return dict(zip((each.id for each in reading.markets), reading.seen.heartbeats, strict=True))[market.id]


def _sides(measure: Callable[[Concentration], float]) -> Callable[[Reading], Iterator[Sample]]:
    """Of each side of each market; nothing of one that nobody holds."""

    def read(reading: Reading) -> Iterator[Sample]:
        for market in reading.markets:
            found = concentration(reading.accounts, market.id)
            for side, held in zip(("long", "short"), found, strict=True):
                if held.accounts:
                    yield (market.symbol, side), measure(held)

    return read


FIGURES = (
    Figure(
        "weir_market_open",
        "1 while a market trades, 0 once governance has closed it.",
        by_market(lambda _, market: int(market.status == "open")),
        MARKET,
    ),
    Figure("weir_market_price_usd", "The mark at which positions are valued now.", by_market(_price), MARKET),
    Figure(
        "weir_market_feed_status",
        "1 for the state that the market's price feed is in, 0 for the others. In any but ok nobody can "
        "trade or be liquidated there.",
        lambda reading: states(((m.symbol, m.feed_status) for m in reading.markets), PRICE_STATUS),
        (*MARKET, "state"),
    ),
    Figure(
        "weir_market_feed_age_seconds",
        "Time since the feed's last answer, by the chain's clock; absent where it has none.",
        by_market(_feed_age),
        MARKET,
    ),
    Figure(
        "weir_market_feed_heartbeat_seconds",
        "Age at which the feed's answer counts as stale.",
        by_market(_heartbeat),
        MARKET,
    ),
    Figure(
        "weir_market_open_interest_size",
        "Size of all long positions, which is that of all short ones, in units of the underlying.",
        by_market(lambda _, market: size(market.open_interest)),
        MARKET,
    ),
    Figure(
        "weir_market_max_open_interest_size",
        "Most that open interest may reach by the market's own limit, in units of the underlying.",
        by_market(lambda _, market: size(market.max_open_interest)),
        MARKET,
    ),
    Figure(
        "weir_market_notional_usd",
        "Open interest at the mark, of one side.",
        by_market(_amount("notional")),
        MARKET,
    ),
    Figure(
        "weir_market_pool_usd",
        "Cash that losers have paid in and winners have not been paid yet.",
        by_market(_amount("pool")),
        MARKET,
    ),
    Figure(
        "weir_market_unpaid_profit_usd",
        "Claims of winners on the pool: profit that is booked and not paid.",
        by_market(_amount("claims")),
        MARKET,
    ),
    Figure(
        "weir_market_residual_usd",
        "What roundings have left in the pool beyond all claims.",
        by_market(_amount("residual")),
        MARKET,
    ),
    Figure(
        "weir_market_funding_ratio",
        "Funding that longs pay to shorts (below zero: shorts to longs), of the price, per funding period.",
        by_market(_ratio("funding_rate")),
        MARKET,
    ),
    Figure(
        "weir_market_premium_ratio",
        "Premium that each side pays to the fund now, of its notional a year.",
        by_market(_ratio("premium_rate")),
        MARKET,
    ),
    Figure(
        "weir_market_budget_left_usd",
        "What is left of the fund's budget for this market in the window of now.",
        by_market(_amount("budget_left")),
        MARKET,
    ),
    Figure(
        "weir_market_fund_may_pay_usd",
        "What the insurance fund would pay for a default in this market now: no more than its budget, and no "
        "more than it has.",
        by_market(_amount("available")),
        MARKET,
    ),
    Figure(
        "weir_market_members_may_pay_usd",
        "What the guaranty fund's members would pay for a default in this market now.",
        by_market(_members_may_pay),
        MARKET,
    ),
    Figure(
        "weir_market_largest_share_ratio",
        "The largest account's share of a side's open interest; absent while there is none.",
        _sides(lambda held: held.largest),
        (*MARKET, "side"),
    ),
    Figure(
        "weir_market_herfindahl_ratio",
        "Concentration of a side (Herfindahl index): the sum of squared shares of its accounts, 1 where one "
        "account is all of it; absent while there is none.",
        _sides(lambda held: held.hhi),
        (*MARKET, "side"),
    ),
)
