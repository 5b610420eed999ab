"""P1 to P10 (SPECIFICATION.md section 9) over the whole of a hard day: after every step, from the books of
everybody.
"""

from collections import Counter
from dataclasses import replace
from decimal import Decimal

import pytest

from tests.expect import reverts
from tests.integration.books import Books, Record, read
from tests.integration.day import BTC, ETH, FAMILY, FUNDING, MARKETS, YFI, Day
from tests.integration.properties import (
    Payments,
    Step,
    Trail,
    backing_gaps,
    check_contributions,
    check_outsiders,
    check_shares,
    check_terms,
    check_waterfall,
    holds_p2,
    holds_p3,
)
from tests.integration.stage import cover, resolve_everyone, withdraw
from weir.layers import FUND_LAYERS, GUARANTY_LAYERS

EVERYONE = ("market_maker", "liquidator", "trader", "other_trader", "keeper", *FAMILY)


@pytest.fixture(scope="module")
def day(stormy) -> Day:
    played = Day(stormy)
    played.play()
    return played


def test_the_day_has_seen_everything(day):
    """Or else the properties below would hold for too little."""
    seen = {event.name for step in day.steps for event in step.events}
    assert seen >= {
        *(
            "Settled",
            "ClaimsMinted",
            "ClaimsBurned",
            "ClaimsConverted",
            "ClaimsWrittenOff",
            "DebtIncurred",
            "DebtResolved",
        ),
        *(
            "Exchanged",
            "LiquidationCharged",
            "CashCredited",
            "Deposited",
            "Withdrawn",
            "Liquidated",
            "Deleveraged",
        ),
        *(
            "RemainderCharged",
            "EpochEnded",
            "SideChanged",
            "Flagged",
            "InsolvencyMarked",
            "BountyPaid",
            "BudgetOpened",
        ),
        *("TrancheWiped", "Staked", "Unstaked", "BatchPriced", "Vested", "IncomeCollected", "OrderCancelled"),
        *(
            "ContributionPaid",
            "ContributionCharged",
            "LeverageCharged",
            "PremiumCharged",
            "MarketObserved",
            "TargetPosted",
            "TierPosted",
        ),
        *(
            "ResidualAdded",
            "DebtRepaid",
            "MarketClosed",
            "InsolvencyCleared",
            "AllOrdersCancelled",
            "RedeemRequest",
        ),
        *(
            "Joined",
            "ExitRequested",
            "Released",
            "Earned",
            "LossBorne",
            "LossBudgetOpened",
            "Recovered",
            "Restored",
        ),
    }
    defaults = [event["record"] for step in day.steps for event in step.named("Defaulted")]
    for layer in ("coinsurance", *FUND_LAYERS, *GUARANTY_LAYERS, "unpaidProfit"):
        assert any(record[layer] for record in defaults)
    assert {record["market"] for record in defaults} == {BTC, ETH, YFI}
    assert any(step.after.insolvencies for step in day.steps)
    assert any(event["absorbed"] for step in day.steps for event in step.named("Settled"))
    contributions = [event for step in day.steps for event in step.named("ContributionCharged")]
    for factor in ("scarcity", "concentration", "leverage", "tierRate"):
        assert len({event[factor] for event in contributions}) > 1, factor
    premiums = [event for step in day.steps for event in step.named("PremiumCharged")]
    assert {event["market"] for event in premiums} == {BTC, ETH, YFI}
    rates = {event["premiumRate"] for step in day.steps for event in step.named("MarketObserved")}
    assert min(rates) == FUNDING.premium_min < max(rates)
    assert any(event["premium"] for step in day.steps for event in step.named("IncomeCollected"))


# ---- P1


def test_p1_what_is_booked_is_there(day):
    for step in day.steps:
        assert backing_gaps(step) == (0, 0, 0), step.name
        assert 0 <= step.after.guaranty.total - sum(step.after.guaranty.balances.values()) < 10, step.name


# ---- P2, P3


def followed(day):
    """Each step with the trail of each market up to it."""
    trails = [Trail() for _ in MARKETS]
    for step in day.steps:
        for market, trail in enumerate(trails):
            trail.follow(step, market)
        yield step, trails


def test_p2_nobody_is_promised_what_is_not_there(day):
    for step, trails in followed(day):
        for market, trail in enumerate(trails):
            assert holds_p2(step, market, trail), (
                step.name,
                market,
                step.after.markets[market].surplus,
                trail,
            )
    # The slack is tiny: cents of a cent, for a day on which 200,000 dollars changed hands.
    assert max(trail.kept for trail in trails) < 300
    assert max(trail.drift for trail in trails) < 1


def test_p3_both_sides_are_open_interest(day):
    for step, trails in followed(day):
        for market, trail in enumerate(trails):
            assert holds_p3(step, market, trail), (step.name, market)


# ---- P4


def test_p4_layers_pay_in_order_and_the_sum_is_exact(day):
    coinsurance = [market.coinsurance for market in MARKETS]
    count = sum(check_waterfall(step, coinsurance) for step in day.steps)
    assert count == day.steps[-1].after.defaults >= 5


# ---- P5


def test_p5_outsiders_pay_nothing_and_claims_come_before_open_interest(day):
    for step in day.steps:
        check_outsiders(step, day.system.fund.address)


# ---- P6


def test_p6_whatever_comes_everybody_can_be_resolved(day, actors, guardian):
    """After the day: another crash, and not a cent of the fund. Nobody who resolves them has any money."""
    system, everybody = day.system, [actors[role] for role in EVERYONE]
    for market, price in ((BTC, 1_000), (ETH, 2_000)):
        cover(system, market, budget_share=0, coinsurance=0)
        system.set_price(market, price)
    system.wait(86_400)
    system.renew_prices()
    assets = system.fund.totalAssets()
    resolve_everyone(system, everybody, guardian)
    assert system.fund.totalAssets() == assets

    # Who has no position left leaves with all that is its own.
    system.wait(3_601)
    system.renew_prices()
    system.settle(*everybody, *everybody)
    flat = [account for account in everybody if not system.clearing_house.positionMarkets(account)]
    assert {actors["trader"], actors["other_trader"], actors["market_maker"]} <= set(flat)
    for account in flat:
        withdraw(system, account)
        assert system.vault.net(account) == system.equity(account) == 0
    now = read(system)
    assert now.donated == 0
    for market in now.markets:
        assert not market.debts
        # What the pools keep beyond it all was rounded in their favour.
        assert 0 <= market.surplus < 100


# ---- P7


def test_p7_a_share_loses_value_only_by_a_loss(day):
    assert sum(check_shares(step) for step in day.steps) >= 2


def test_p7_a_unit_of_the_guaranty_fund_loses_value_only_by_a_loss(day):
    falls, rises = zip(*map(check_contributions, day.steps), strict=True)
    assert min(sum(falls), sum(rises)) >= 1


# ---- P8


def test_p8_a_family_gains_what_the_fund_pays_and_takes_nothing_from_others(day, actors):
    """Twice they let one of them default to another, alone in their market. Their gain is the fund's part,
    less what all of it cost them.
    """
    steps = [step for step in day.steps if step.part == "the_family_pushes_yfi"]
    first, last = steps[0].before, steps[-1].after
    family = [actors[role].address for role in FAMILY]
    assert all(
        account not in market.records
        for books in (first, last)
        for market in books.markets
        for account in family
    )

    def wealth(books: Books) -> int:
        return sum(books.wallets[account] + books.net(account) for account in family)

    brought = sum(step.total("Deposited", "amount") for step in steps)
    gain = wealth(last) - wealth(first) - brought
    paid = sum(
        event["record"][layer]
        for step in steps
        for event in step.named("Defaulted")
        for layer in (*FUND_LAYERS, *GUARANTY_LAYERS)
    )
    paid += sum(step.total("BountyPaid", "amount") for step in steps)
    cost = sum(
        step.total("Exchanged", "payerFee", "payeeFee")
        + step.total("LiquidationCharged", "penalty")
        + step.total("ContributionPaid", "amount")
        for step in steps
    )
    assert sum(step.total("ContributionPaid", "amount") for step in steps) > 0
    assert not any(step.named("PremiumCharged") for step in steps), "all of it happens within an hour"
    assert 0 <= paid - cost - gain <= sum(len(step.named("Settled")) for step in steps)
    assert 0 < paid <= first.markets[YFI].available + first.markets[YFI].members_left + 1

    for account in first.cash.keys() - set(family):
        assert last.cash[account] == first.cash[account]
    for market in (BTC, ETH):
        assert last.markets[market].pool == first.markets[market].pool


# ---- P9


def test_p9_no_order_is_filled_beyond_its_terms(day, stormy):
    filled: Counter[bytes] = Counter()
    for step in day.steps:
        check_terms(step, day.orders, filled)
    # Three were ended when a quarter of them was filled.
    for error, (_, found) in day.refused.items():
        assert found == error
    cancelled, _ = day.refused["OrderOverfilled"]
    for order_hash, order in day.orders.items():
        recorded = order.size if order is cancelled else filled[order_hash]
        assert stormy.clearing_house.filled(order_hash) == recorded


@pytest.mark.parametrize(
    "change", [{"price": 1}, {"size": 1}, {"expiry": 10**6}, {"is_buy": True}, {"salt": 1}]
)
def test_p9_other_terms_are_another_order(day, stormy, market_maker, trader, change):
    order = stormy.order(
        market_maker, market=BTC, is_buy=False, size=4, price=Decimal(day.mark(BTC)) / 10**18
    )
    signature = stormy.sign(order)
    altered = {
        name: value if name == "is_buy" else getattr(order, name) + value for name, value in change.items()
    }
    other = replace(order, **altered)
    with reverts("OrderSignatureInvalid", maker=market_maker):
        stormy.clearing_house.trade(other.as_tuple(), signature, other.size, sender=trader)


# ---- P10


def test_p10_what_accounts_pay_arrives(day):
    paid = Payments(day.system.fund.address)
    for step in day.steps:
        paid.follow(step)
    assert min(paid.to_treasury, paid.penalties, paid.contributions, paid.premium_collected) > 0


# ---- the checks themselves


def _another_unit_of_cash(books: Books) -> Books:
    account = next(iter(books.cash))
    return replace(books, cash=books.cash | {account: books.cash[account] + 1})


def _a_short_forgotten(books: Books) -> Books:
    market = books.markets[BTC]
    shorts = [account for account, record in market.records.items() if record.is_short]
    records: dict[str, Record] = {a: r for a, r in market.records.items() if a != shorts[0]}
    return replace(books, markets=(replace(market, records=records), *books.markets[1:]))


def _a_pool_a_cent_short(books: Books) -> Books:
    market = books.markets[ETH]
    return replace(
        books, markets=(books.markets[0], replace(market, pool=market.pool - 10**4), books.markets[2])
    )


@pytest.mark.parametrize("damage", [_another_unit_of_cash, _a_short_forgotten, _a_pool_a_cent_short])
def test_damage_to_the_books_is_seen(day, damage):
    (step, trails) = list(followed(day))[-1]

    def sound(step: Step) -> bool:
        markets = enumerate(trails)
        return backing_gaps(step) == (0, 0, 0) and all(
            holds_p2(step, m, t) and holds_p3(step, m, t) for m, t in markets
        )

    assert sound(step)
    assert not sound(replace(step, after=damage(step.after)))
