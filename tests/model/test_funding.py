"""Section 6.1: target, coverage, what traders pay, stop and cap, posting; the premium on open interest."""

from dataclasses import replace
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.model.stage import DOLLAR, UNIT, UNPAID, Stage, units, wei
from weir.model import (
    FundingParameters,
    FundParameters,
    GuarantyParameters,
    MarketParameters,
    Revert,
    World,
    dump,
    errors,
)
from weir.model.environment import Clock
from weir.model.fund import Fund
from weir.model.funding import Contribution, Exposure, FundingPolicy
from weir.model.guaranty import GuarantyFund
from weir.model.house import Flag
from weir.model.markets import Market
from weir.model.numbers import ONE_A, size_scale
from weir.model.tranche import Tranche

HOUR, DAY = 3_600, 86_400
START = 20_000 * DAY
MILLION = 10**6
NOTIONAL = 20 * MILLION  # at a target ratio of 5% the target is a million units: coverage = assets


def new_policy(assets: int = 0, **parameters: object) -> FundingPolicy:
    clock = Clock(START, 100)
    tranches = (Tranche(name, DAY, START) for name in ("junior", "senior"))
    guaranty = GuarantyFund(clock, GuarantyParameters())
    fund = Fund(clock, FundParameters(), *tranches, guaranty, skin=assets, since=START)
    return FundingPolicy(clock, fund, replace(FundingParameters(), **parameters))  # type: ignore[arg-type]


def new_market(dollars: int = 100) -> Market:
    price = dollars * UNIT
    return Market(
        MarketParameters(), size_scale(6), price, updated_at=START, updated_block=1, value_index=price
    )


def exposure(
    size: float = 1, *, new: float | None = None, oi: float = 100, equity: float = 1_000, notional: float = 0
) -> Exposure:
    """Sizes in the underlying, amounts in dollars; all of the size is new risk unless told."""
    risk = size if new is None else new
    return Exposure("trader", wei(risk), wei(size), wei(oi), units(equity), units(notional))


# ---- target and coverage


@pytest.mark.parametrize(
    ("posted", "target"), [(None, 49_999), (30_000, 49_999), (80_000, 80_000), (500_000, 199_999)]
)
def test_a_posted_target_raises_the_formulas_and_only_so_far(posted: int | None, target: int) -> None:
    policy = new_policy()
    if posted is not None:
        policy.posted, policy.posted_at = posted, START
    assert policy.target(999_999) == target  # 5% is 49,999.95, 20% is 199,999.8
    policy.clock.time += DAY
    assert policy.target(999_999) == 49_999


def test_a_posted_target_is_fresh_for_its_lifetime() -> None:
    policy = new_policy(target_lifetime=100)
    policy.posted, policy.posted_at = 60_000, START
    policy.clock.time = START + 99
    assert policy.target(MILLION) == 60_000
    policy.clock.time = START + 100
    assert policy.target(MILLION) == 50_000


@pytest.mark.parametrize(
    ("assets", "notional", "coverage"),
    [(40, 1_000, 800_000), (100, 60, 33_333_333), (0, 1_000, 0), (5, 19, None), (5, 0, None)],
)
def test_coverage_is_assets_over_target(assets: int, notional: int, coverage: int | None) -> None:
    assert new_policy(assets).coverage(notional) == coverage


@pytest.mark.parametrize(
    ("coverage", "stress"),
    [
        (None, 0),
        (1_000_001, 0),
        (1_000_000, 0),
        (999_999, 2),  # 1.25
        (600_000, 500_000),
        (200_000, MILLION),
        (0, MILLION),
    ],
)
def test_stress_rises_from_none_to_all(coverage: int | None, stress: int) -> None:
    assert new_policy(stop_below=200_000).stress(coverage) == stress


def test_stress_may_begin_where_it_ends() -> None:
    policy = new_policy(stress_from=200_000, stop_below=200_000)
    assert [policy.stress(coverage) for coverage in (199_999, 200_000)] == [MILLION, 0]


@pytest.mark.parametrize(
    ("assets", "share"),
    [
        (0, MILLION),  # 1,200,000 is more than there is
        (500_000, MILLION),
        (750_000, 900_000),
        (MILLION, 800_000),
        (MILLION + 1, 799_999),  # 799,999.6
        (1_500_000, 600_000),
        (1_750_000, 500_000),
        (9_000_000, 500_000),
    ],
)
def test_the_funds_share_of_fees_falls_with_coverage(assets: int, share: int) -> None:
    assert new_policy(assets).fund_share(NOTIONAL) == share


def test_without_a_target_the_fund_takes_its_least_share() -> None:
    assert new_policy().fund_share(0) == 500_000


@pytest.mark.parametrize(
    ("assets", "rate"), [(MILLION, 10_000), (999_999, 10_001), (600_000, 60_000), (0, 110_000)]
)
def test_the_premium_rises_with_stress(assets: int, rate: int) -> None:
    policy = new_policy(assets, premium_min=10_000, premium_max=110_000, stop_below=200_000)
    policy.observe(0, NOTIONAL // 2)
    policy.observe(1, NOTIONAL // 2)
    assert policy.premium_rate() == rate


# ---- contributions: the rates


def test_a_contribution_by_hand() -> None:
    policy = new_policy(
        125 * DOLLAR,  # against 5% of 50 x 100 dollars: half
        max_scarcity=4_000,
        max_concentration=8_000,
        max_leverage=9_000,
        tier_rates=(0, 0, 700, 0, 0),
    )
    after = exposure(20, new=10, oi=50, notional=3_000, equity=300)
    assert policy.contribution(0, new_market(), after) == Contribution(
        amount=7_700_000,  # 7,700 ppm of 10 x 100 dollars
        scarcity=2_000,  # half
        concentration=2_000,  # a share of 40%: a quarter of the way from 20%
        leverage=3_000,  # 10x: a third of the way from 5x to 20x
        tier_rate=700,
        coverage=500_000,
        tier=2,
    )


def test_a_contribution_rounds_up() -> None:
    policy = new_policy(tier_rates=(0, 0, 1, 0, 0))
    one_wei = Exposure("trader", 1, 1, UNIT, DOLLAR, 0)
    assert policy.contribution(0, new_market(), one_wei).amount == 1
    assert policy.contribution(0, new_market(), replace(one_wei, new_risk=0)).amount == 0
    assert policy.contribution(0, new_market(), replace(one_wei, new_risk=-UNIT)).amount == 0


def test_an_observation_is_bounded_so_that_none_is_refused() -> None:
    policy = new_policy()
    most = 2**104 - 1
    policy.observe(0, 10**40)
    policy.observe(1, most)
    assert policy.observed == {0: most, 1: most}


def test_a_trade_sees_other_markets_as_observed() -> None:
    policy = new_policy(700 * DOLLAR)
    policy.observe(0, 9_000 * DOLLAR)
    policy.observe(1, 4_000 * DOLLAR)
    # 4,000 of the other and 100 x 100 here: 5% of 14,000
    assert policy.contribution(0, new_market(), exposure(1, oi=100)).coverage == MILLION


@pytest.mark.parametrize(
    ("size", "oi", "floor", "rate"),
    [
        (20, 100, 0, 0),  # 20%, where it begins
        (20.0001, 100, 0, 2),  # 1 ppm beyond: 1.25
        (60, 100, 0, 500_000),
        (100, 100, 0, MILLION),
        (60, 100, 30_000 * DOLLAR, 0),  # 20% of the floor
        (60, 100, 20_000 * DOLLAR, 125_000),
        (0.0001, 0, 0, MILLION),
        (0, 0, 0, MILLION),
    ],
)
def test_concentration(size: float, oi: float, floor: int, rate: int) -> None:
    policy = new_policy(max_concentration=MILLION, concentration_floor=floor)
    assert policy.contribution(0, new_market(), exposure(size, oi=oi)).concentration == rate


@pytest.mark.parametrize(
    ("notional", "equity", "rate"),
    [
        (500, 100, 0),
        (500_001, 100_000, 1),  # 10 ppm of 15,000,000 x 9,000: 0.006
        (1_000, 100, 3_000),
        (2_000, 100, 9_000),
        (5_000, 100, 9_000),
        (100, 0, 9_000),
        (0, 0, 9_000),
        (100, -1, 9_000),
        (0, 1, 0),
    ],
)
def test_leverage(notional: int, equity: int, rate: int) -> None:
    assert new_policy(max_leverage=9_000).leverage(notional, equity) == rate


@pytest.mark.parametrize(("tier", "rate"), [(0, 1), (1, 10), (2, 100), (3, 1_000), (4, 10_000)])
def test_each_tier_has_its_rate(tier: int, rate: int) -> None:
    policy = new_policy(tier_rates=(1, 10, 100, 1_000, 10_000))
    step = 1 if tier > 2 else -1
    for to in range(2 + step, tier + step, step) if tier != 2 else ():
        policy.post_tiers(["trader"], [to], 100)
        policy.clock.time += DAY
    cost = policy.contribution(0, new_market(), exposure())
    assert (cost.tier, cost.tier_rate, cost.amount) == (tier, rate, 100 * rate)
    policy.clock.time += 30 * DAY
    assert policy.contribution(0, new_market(), exposure()).tier == 2


# ---- monotonicity, splitting

EVERYTHING = FundingParameters(
    max_scarcity=5_000,
    max_concentration=10_000,
    max_leverage=20_000,
    leverage_from=1_500_000,
    tier_rates=(0, 100, 500, 2_000, 10_000),
)
SIZES = st.integers(1, 1_000 * UNIT)
DOLLARS = st.integers(1, 10**6 * DOLLAR)


def cost(assets: int, tier: int, after: Exposure) -> int:
    policy = new_policy(assets)
    policy.parameters = EVERYTHING
    if tier != 2:
        policy.parameters = replace(EVERYTHING, tier_rates=(0, 0, EVERYTHING.tier_rates[tier], 0, 0))
    return policy.contribution(0, new_market(), after).amount


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_worse_is_never_cheaper(data: st.DataObject) -> None:
    """In size, share of the market, leverage, tier, and the fund's assets, each alone and all together."""

    def pair(strategy: st.SearchStrategy[int]) -> list[int]:
        return sorted((data.draw(strategy), data.draw(strategy)))

    size, equity, notional, assets = pair(SIZES), pair(DOLLARS), pair(DOLLARS), pair(st.integers(0, 10**12))
    tier, oi = pair(st.integers(0, 4)), data.draw(SIZES) + size[1]
    good = Exposure("trader", size[0], size[0], oi, equity[1], notional[0])
    bad = Exposure("trader", size[1], size[1], oi, equity[0], notional[1])
    least, most = cost(assets[1], tier[0], good), cost(assets[0], tier[1], bad)
    one_worse = [
        cost(assets[1], tier[0], replace(good, size=bad.size)),
        cost(assets[1], tier[0], replace(good, new_risk=bad.new_risk)),
        cost(assets[1], tier[0], replace(good, equity=bad.equity)),
        cost(assets[1], tier[0], replace(good, notional=bad.notional)),
        cost(assets[1], tier[1], good),
        cost(assets[0], tier[0], good),
    ]
    assert all(least <= one <= most for one in one_worse)


def test_more_open_interest_is_scarcer() -> None:
    policy = new_policy(500 * DOLLAR, max_scarcity=5_000)
    rates = [policy.contribution(0, new_market(), exposure(1, oi=oi)).scarcity for oi in (100, 150, 200, 300)]
    assert rates == [0, 1_667, 2_500, 3_334]  # coverage 1, 2/3, 1/2, 1/3


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_splitting_an_account_saves_at_most_concentration_and_tier(data: st.DataObject) -> None:
    """At the same open interest, so that scarcity is the same; at most the leverage of a 5% margin.

    Slack: each rate is rounded up to a ppm, and the steps of leverage are at most 20,000 ppm over 18.5x.
    """
    margin = EVERYTHING.leverage_to // MILLION
    shares = st.lists(st.integers(1, 1_000), min_size=2, max_size=5)
    sizes = [share * UNIT // 100 for share in data.draw(shares)]
    equities = [100 * size // UNIT * DOLLAR // margin + data.draw(st.integers(1, 10**9)) for size in sizes]
    tier, whole = data.draw(st.integers(0, 4)), sum(sizes)
    oi, assets = whole + data.draw(st.integers(0, 10**22)), data.draw(st.integers(0, 10**11))

    def pays(size: int, equity: int, tier: int) -> int:
        return cost(assets, tier, Exposure("trader", size, size, oi, equity, size * 100 * DOLLAR // UNIT))

    alone = pays(whole, sum(equities), tier)
    split = sum(pays(*part, 2) for part in zip(sizes, equities, strict=True))
    new_risk = whole * 100 * DOLLAR // UNIT
    rates = EVERYTHING.tier_rates
    saved = EVERYTHING.max_concentration + max(0, rates[tier] - rates[2])
    assert alone - split <= new_risk * (saved + 2) // MILLION + len(sizes) + 1


@settings(deadline=None, max_examples=200)
@given(st.lists(st.integers(1, 100), min_size=1, max_size=20))
def test_a_trade_in_pieces_pays_at_least_the_integral_and_at_most_the_whole(parts: list[int]) -> None:
    """Each piece pays the rates at its end, so no less than at its start."""

    def at(size: int, new: int) -> int:
        return cost(0, 2, exposure(size, new=new, oi=2_500, equity=10_000, notional=100 * size))

    paid, least, size = 0, 0, 0
    for part in parts:
        least += at(size, part)
        size += part
        paid += at(size, part)
    assert least <= paid <= at(size, size) + len(parts)


# ---- contributions: trades

SCARCE = FundingParameters(max_scarcity=2_000)  # of an empty fund: 0.2%


@pytest.fixture
def scarce() -> Stage:
    stage = Stage(100, funding=SCARCE)
    stage.fund_account(trader=1_000, market_maker=1_000, other_trader=1_000)
    return stage


def test_both_sides_of_new_risk_contribute(scarce: Stage) -> None:
    scarce.trade("trader", "market_maker", 5)
    assert (scarce.cash("trader"), scarce.cash("market_maker")) == (999, 999)
    assert scarce.world.ledger.levies == 2 * DOLLAR
    assert scarce.world.house.tally.contributions == 2 * DOLLAR


def test_only_what_is_new_is_charged(scarce: Stage) -> None:
    scarce.trade("trader", "market_maker", 5)
    scarce.trade("other_trader", "trader", 8)  # the trader is short 3 now
    assert scarce.cash("trader") == 999 - 0.6
    assert scarce.cash("other_trader") == 1_000 - 1.6
    scarce.trade("market_maker", "other_trader", 5)  # both reduce
    assert (scarce.cash("market_maker"), scarce.cash("other_trader")) == (999, 1_000 - 1.6)
    scarce.trade("trader", "market_maker", 2)
    assert (scarce.cash("trader"), scarce.cash("market_maker")) == (999 - 0.6, 999 - 0.4)


def test_initial_margin_is_due_after_the_contribution(scarce: Stage) -> None:
    with pytest.raises(errors.InitialMarginNotMet):
        scarce.trade("trader", "market_maker", 200)  # 20x, which leaves nothing for 40 dollars
    scarce.trade("trader", "market_maker", 192)  # margin 960, contribution 38.4


def test_a_contribution_is_cash() -> None:
    stage = Stage(100, funding=SCARCE, maturity=HOUR)
    stage.fund_account(trader=10, market_maker=1_000)
    stage.trade("trader", "market_maker", 1)
    stage.price(300)
    stage.settle("trader")
    assert (stage.cash("trader"), stage.claims("trader")) == (9.8, 200)
    with pytest.raises(errors.InsufficientCash):
        stage.trade("trader", "market_maker", 17)  # 10.2
    stage.trade("trader", "market_maker", 1)
    assert stage.cash("trader") == pytest.approx(9.2)


def test_liquidators_do_not_contribute(scarce: Stage) -> None:
    scarce.trade("trader", "market_maker", 150)
    scarce.price(95)
    scarce.call("flag", "trader")
    before = scarce.world.house.tally.contributions
    scarce.call("liquidate", "other_trader", "trader", 10**18)
    assert scarce.world.house.tally.contributions == before
    assert scarce.size("other_trader") > 0


def test_a_flag_is_lost_only_with_margin_after_the_contribution(scarce: Stage) -> None:
    scarce.trade("trader", "market_maker", 150)
    scarce.price(94)  # equity 70, margin 705
    scarce.call("flag", "trader")
    scarce.trade("market_maker", "trader", 149)  # equity 70 against 4.7
    assert "trader" not in scarce.world.house.flags


def test_preview_is_what_the_trade_costs() -> None:
    """For either side, fees and price difference paid, against whatever counterparty there is."""
    random, stage = Random(7), Stage(100, 20, parameters=MarketParameters(), funding=EVERYTHING)
    accounts = ["trader", "market_maker", "other_trader"]
    stage.fund_account(**dict.fromkeys(accounts, 5_000))
    stage.call("contribute", "founder", 300 * DOLLAR)
    tried = done = 0
    for _ in range(150):
        market = random.randrange(2)
        stage.price((100, 20)[market] * random.uniform(0.97, 1.03), market, random.choice((12, HOUR)))
        stage.settle(*accounts)
        if random.random() < 0.2:
            stage.call("post_tiers", [accounts[0]], [min(4, stage.world.tier(accounts[0]))], 1)
        maker, taker = random.sample(accounts, 2)
        is_buy, sign = random.choice(((True, 1), (False, -1)))
        price = stage.world.house.markets[market].price / UNIT * random.uniform(0.98, 1.02)
        order = stage.order(maker, is_buy, random.uniform(1, 400) / (1, 0.2)[market], price, market=market)
        legs = ((maker, taker, True, sign), (taker, maker, False, -sign))
        expected = {
            who: stage.world.preview_contribution(
                who, other, market, is_maker, side * order.size, order.price
            ).amount
            for who, other, is_maker, side in legs
        }
        levies = stage.world.ledger.levies
        tried += 1
        try:
            stage.call("trade", taker, order, order.size)
        except Revert:
            continue
        done += 1
        assert stage.world.ledger.levies - levies == sum(expected.values())
    assert done > tried // 4


def test_preview_tells_the_rates_and_changes_nothing() -> None:
    stage = Stage(100, parameters=MarketParameters(maker_fee=0, taker_fee=10_000), funding=EVERYTHING)
    stage.fund_account(trader=100)
    before = dump(stage.world)
    preview = stage.world.preview_contribution("trader", None, 0, False, wei(-5), 98 * UNIT)
    # sells 5 at 98 instead of 100, fee 1% of 490: equity 85.1 for a notional of 500, 5.875442x
    assert preview.leverage == 4_731  # 20,000 x (5.875442 - 1.5) / 18.5, up
    assert (preview.scarcity, preview.concentration, preview.tier_rate) == (5_000, 10_000, 500)
    assert (preview.coverage, preview.tier) == (0, 2)
    assert preview.amount == 500 * (5_000 + 10_000 + 4_731 + 500)
    assert stage.world.preview_contribution("trader", None, 0, True, wei(5), 98 * UNIT).leverage < 4_731
    assert dump(stage.world) == before
    with pytest.raises(errors.UnknownMarket):
        stage.world.preview_contribution("trader", None, 1, True, 1, UNIT)


def test_a_preview_of_passing_on_adds_no_open_interest() -> None:
    stage = Stage(100, funding=FundingParameters())
    stage.fund_account(trader=1_000, market_maker=1_000, other_trader=1_000)
    stage.call("contribute", "founder", 25 * DOLLAR)
    stage.trade("trader", "market_maker", 5)
    preview = stage.world.preview_contribution
    assert preview("other_trader", "trader", 0, True, wei(5), 100 * UNIT).coverage == MILLION
    assert preview("other_trader", None, 0, True, wei(5), 100 * UNIT).coverage == MILLION // 2
    assert preview("trader", "market_maker", 0, True, wei(-5), 100 * UNIT).coverage is None
    assert preview("trader", "market_maker", 0, True, wei(-5), 100 * UNIT).amount == 0


# ---- withdrawals

LEVERAGED = FundingParameters(max_leverage=9_000)  # from 5x to 20x


@pytest.fixture
def leveraged() -> Stage:
    stage = Stage(100, funding=LEVERAGED)
    stage.fund_account(trader=1_000, market_maker=1_000)
    stage.trade("trader", "market_maker", 10)
    return stage


def withdraw(stage: Stage, dollars: float, account: str = "trader") -> None:
    stage.call("withdraw", account, units(dollars), account)


def test_a_withdrawal_pays_for_the_leverage_it_leaves(leveraged: Stage) -> None:
    assert leveraged.world.ledger.levies == 0
    withdraw(leveraged, 800)  # 5x: still free
    assert leveraged.cash("trader") == 200
    withdraw(leveraged, 100)  # 10x: 3,000 ppm of 1,000 dollars
    assert (leveraged.cash("trader"), leveraged.world.ledger.levies) == (97, 3 * DOLLAR)
    assert leveraged.world.house.tally.contributions == 3 * DOLLAR
    withdraw(leveraged, 17)  # from 1,000/97 (3,186 ppm) to 12.5x (4,500)
    assert leveraged.world.ledger.levies == 3 * DOLLAR + 1_000 * (4_500 - 3_186)


def test_margin_is_due_after_a_withdrawals_contribution(leveraged: Stage) -> None:
    with pytest.raises(errors.InitialMarginNotMet):
        withdraw(leveraged, 945)  # leaves 55 of which 7.9 go: less than 50
    withdraw(leveraged, 942)
    assert leveraged.cash("trader") > 50


def test_a_withdrawals_contribution_is_cash(leveraged: Stage) -> None:
    leveraged.world.set_maturity(0, DAY)
    leveraged.price(110)
    leveraged.settle("trader")
    withdraw(leveraged, 780)  # equity 320 for 1,100
    with pytest.raises(errors.InsufficientCash):
        withdraw(leveraged, 220)  # 100 of claims for 1,100
    withdraw(leveraged, 100)


def test_without_positions_a_withdrawal_is_free(leveraged: Stage) -> None:
    leveraged.trade("market_maker", "trader", 10)
    withdraw(leveraged, 1_000)
    assert leveraged.world.ledger.levies == 0


@pytest.mark.parametrize("equity", [60.0, 80.0, 100.0, 150.0])
def test_depositing_for_the_trade_and_withdrawing_behind_it_saves_nothing(equity: float) -> None:
    paid = []
    for borrowed in (0, 900):
        stage = Stage(100, funding=LEVERAGED)
        stage.fund_account(trader=equity + borrowed, market_maker=10_000)
        stage.trade("trader", "market_maker", 10)
        if borrowed:
            withdraw(stage, borrowed)
        paid.append(stage.world.ledger.levies)
    direct, roundabout = paid
    assert 0 < direct <= roundabout


# ---- stop and cap


def capped(**parameters: int) -> Stage:
    """125 dollars in the fund; a target of 5%, which 2,500 dollars of open interest make."""
    stage = Stage(100, 10, funding=FundingParameters(**parameters))
    stage.fund_account(trader=2_000, market_maker=2_000, other_trader=2_000)
    stage.call("contribute", "founder", 125 * DOLLAR)
    return stage


def test_below_the_stop_nobody_adds_open_interest() -> None:
    stage = capped(stop_below=500_000)
    stage.trade("trader", "market_maker", 50)  # coverage exactly 50%
    with pytest.raises(errors.NewRiskStopped):
        stage.trade("trader", "market_maker", 0.001)
    stage.world.set_funding_parameters(FundingParameters(stop_below=MILLION))
    stage.trade("other_trader", "trader", 20)  # passes risk on
    stage.trade("trader", "other_trader", 20)
    stage.trade("market_maker", "trader", 40)
    assert stage.size("trader") == 10


def test_turning_round_is_new_risk_when_open_interest_rises() -> None:
    stage = capped()
    stage.trade("trader", "market_maker", 5)
    stage.world.set_funding_parameters(FundingParameters(stop_below=MILLION, target_ratio=MILLION))
    with pytest.raises(errors.NewRiskStopped):
        stage.trade("other_trader", "trader", 6)  # other traders' 6 long against shorts of 5 and 1
    stage.trade("other_trader", "trader", 5)
    stage.trade("market_maker", "other_trader", 5)
    assert stage.world.house.markets[0].open_interest == 0


def test_the_stop_sees_other_markets_once_an_hour() -> None:
    stage = capped(stop_below=500_000)
    stage.trade("trader", "market_maker", 40)
    stage.trade("trader", "market_maker", 200, market=1)  # 4,000 are not observed yet
    stage.price(100, seconds=HOUR)
    assert (stage.world.observed(0), stage.world.observed(1)) == (4_000 * DOLLAR, 0)
    with pytest.raises(errors.NewRiskStopped):
        stage.trade("trader", "market_maker", 1, market=1)
    stage.price(10, market=1)
    assert stage.world.observed(1) == 2_000 * DOLLAR


def test_a_markets_open_interest_is_capped_by_the_fund() -> None:
    stage = capped(cap_floor=1_000 * DOLLAR, cap_multiple=16_000_000)
    stage.trade("trader", "market_maker", 20)  # 2,000 = 16 x 125
    with pytest.raises(errors.OpenInterestAboveFundCap):
        stage.trade("trader", "market_maker", 0.001)
    stage.trade("other_trader", "trader", 20)
    stage.trade("other_trader", "market_maker", 200, market=1)  # each market has its own
    stage.world.set_funding_parameters(FundingParameters(cap_floor=0, cap_multiple=0))
    stage.trade("market_maker", "other_trader", 10)
    with pytest.raises(errors.OpenInterestAboveFundCap):
        stage.trade("trader", "market_maker", 1, market=1)


def test_the_floor_of_the_cap_needs_no_fund() -> None:
    stage = Stage(100, funding=FundingParameters(cap_floor=500 * DOLLAR))
    stage.fund_account(trader=1_000, market_maker=1_000)
    stage.trade("trader", "market_maker", 5)
    with pytest.raises(errors.OpenInterestAboveFundCap):
        stage.trade("trader", "market_maker", 0.001)


# ---- posting


@pytest.fixture
def posted() -> Stage:
    """10,000 dollars of open interest: the formula's target is 500."""
    stage = Stage(100)
    stage.fund_account(trader=5_000, market_maker=5_000)
    stage.trade("trader", "market_maker", 100)
    return stage


def post(stage: Stage, dollars: float) -> None:
    stage.call("post_target", units(dollars), stage.world.clock.block)


def test_a_post_lies_within_a_step_of_its_anchor(posted: Stage) -> None:
    for refused in (399.999999, 600.000001):
        with pytest.raises(errors.TargetStepTooLarge):
            post(posted, refused)
    post(posted, 600)
    assert posted.world.target() == 600 * DOLLAR
    with pytest.raises(errors.TargetStepTooLarge):
        post(posted, 601)  # the anchor stands for a day
    post(posted, 400)
    assert posted.world.target() == 500 * DOLLAR


def test_after_a_day_the_last_post_is_the_anchor_when_larger(posted: Stage) -> None:
    post(posted, 600)
    posted.world.advance(DAY - 1)
    with pytest.raises(errors.TargetStepTooLarge):
        post(posted, 601)
    post(posted, 600)
    posted.world.advance(1)
    post(posted, 720)
    posted.world.advance(DAY - 1)
    post(posted, 480)
    posted.world.advance(1)
    with pytest.raises(errors.TargetStepTooLarge):
        post(posted, 601)  # 480 is less than the formula's 500
    post(posted, 600)


def test_a_stale_post_is_no_anchor(posted: Stage) -> None:
    posted.world.set_funding_parameters(FundingParameters(target_lifetime=HOUR))
    post(posted, 600)
    posted.world.advance(HOUR)
    assert posted.world.target() == 500 * DOLLAR
    with pytest.raises(errors.TargetStepTooLarge):
        post(posted, 601)
    post(posted, 400)
    post(posted, 600)


def test_evidence_is_neither_of_the_future_nor_older_than_the_last(posted: Stage) -> None:
    world = posted.world
    world.at(world.clock.time + 1, 10)
    with pytest.raises(errors.EvidenceOutOfOrder):
        world.post_target(500 * DOLLAR, 11)
    world.post_target(500 * DOLLAR, 9)
    world.post_target(500 * DOLLAR, 9)
    with pytest.raises(errors.EvidenceOutOfOrder):
        world.post_target(500 * DOLLAR, 8)
    world.post_tiers(["trader"], [2], 5)  # tiers have their own
    with pytest.raises(errors.EvidenceOutOfOrder):
        world.post_tiers([], [], 4)
    assert (world.funding.target_evidence, world.funding.tier_evidence) == (9, 5)


def test_a_tier_moves_by_one_and_once_a_day(posted: Stage) -> None:
    world = posted.world
    for refused in (0, 4):
        with pytest.raises(errors.TierOutOfBounds):
            world.post_tiers(["trader"], [refused], 1)
    world.post_tiers(["trader"], [3], 1)
    with pytest.raises(errors.TierTooSoon):
        world.post_tiers(["trader"], [4], 1)
    world.advance(DAY - 1)
    world.post_tiers(["trader"], [3], 1)  # kept
    with pytest.raises(errors.TierTooSoon):
        world.post_tiers(["trader"], [2], 1)
    world.advance(1)
    world.post_tiers(["trader"], [4], 1)
    world.advance(DAY)
    with pytest.raises(errors.TierOutOfBounds):
        world.post_tiers(["trader"], [5], 1)
    assert world.tier("trader") == 4


def test_a_tier_goes_stale(posted: Stage) -> None:
    world = posted.world
    world.post_tiers(["trader"], [1], 1)
    world.advance(DAY)
    world.post_tiers(["trader"], [0], 1)
    world.advance(30 * DAY - 1)
    assert world.tier("trader") == 0
    world.advance(1)
    assert world.tier("trader") == 2
    with pytest.raises(errors.TierOutOfBounds):
        world.post_tiers(["trader"], [0], 1)
    world.post_tiers(["trader"], [3], 1)


def test_posts_of_one_call_apply_in_order_or_not_at_all(posted: Stage) -> None:
    world = posted.world
    world.at(world.clock.time, 7)
    with pytest.raises(errors.TierTooSoon):
        world.post_tiers(["market_maker", "trader", "trader"], [1, 3, 4], 6)
    assert (world.tier("market_maker"), world.tier("trader"), world.funding.tier_evidence) == (2, 2, 0)
    world.post_tiers(["trader", "trader"], [3, 3], 6)
    with pytest.raises(errors.TargetStepTooLarge):
        world.post_target(0, 6)
    assert (world.funding.posted_at, world.funding.anchored_at, world.funding.target_evidence) == (None, 0, 0)


@pytest.mark.parametrize("seed", range(8))
def test_a_hostile_poster_stays_within_the_bounds(seed: int) -> None:
    """Never cheaper than the formula and the best tier, never dearer than the largest ratio and the worst.

    And by steps: the target by 20% a day, a tier by one.
    """
    random, parameters = Random(seed), replace(EVERYTHING, max_target_ratio=200_000)
    if seed % 2:
        parameters = replace(parameters, target_lifetime=HOUR, tier_lifetime=2 * DAY)
    stage = Stage(100, funding=parameters)
    stage.fund_account(trader=5_000, market_maker=5_000)
    stage.call("contribute", "founder", 300 * DOLLAR)
    stage.trade("trader", "market_maker", 50)
    world, notional = stage.world, 5_000 * DOLLAR
    best = replace(EVERYTHING, tier_rates=(0,) * 5)
    worst = replace(EVERYTHING, tier_rates=(10_000,) * 5, target_ratio=200_000)
    start, moves = world.clock.time, [0]
    for _ in range(400):
        world.advance(random.choice((1, 600, HOUR, DAY // 2, DAY)))
        high = world.funding.posted * 1_200_000 // MILLION + random.choice((-1, 0, 1))
        target = random.choice((0, high, high, 10**15, 200 * DOLLAR, random.randint(0, 2_000 * DOLLAR)))
        before = world.tier("trader")
        for call in (
            lambda target=target: world.post_target(target, world.clock.block),
            lambda: world.post_tiers(["trader"], [random.randint(0, 4)], world.clock.block),
        ):
            try:
                call()
            except Revert:
                continue
        now, target, tier = world.clock.time, world.target(), world.tier("trader")
        assert 250 * DOLLAR <= target <= notional * 200_000 // MILLION
        assert target <= 250 * DOLLAR * Fraction(12, 10) ** ((now - start) // DAY + 1)
        if tier != before:
            assert abs(tier - before) == 1
            assert now >= moves[-1] + DAY
            moves.append(now)
        size = wei(random.uniform(-40, 40))
        paid = world.preview_contribution("trader", None, 0, False, size, 100 * UNIT).amount
        trial = world.clone()
        trial.funding.posted_at, trial.funding.parameters = None, best
        assert trial.preview_contribution("trader", None, 0, False, size, 100 * UNIT).amount <= paid
        trial.funding.parameters = worst
        assert paid <= trial.preview_contribution("trader", None, 0, False, size, 100 * UNIT).amount
    assert len(moves) > (2 if seed % 2 else 10)


def test_posting_touches_no_balance(posted: Stage) -> None:
    before = dump(posted.world)
    post(posted, 600)
    posted.call("post_tiers", ["trader"], [3], 1)
    after = dump(posted.world)
    assert {key for key in before if before[key] != after.get(key)} <= {"policy.target", "policy.coverage"}
    assert all(key.startswith("policy.") for key in after.keys() - before.keys())


# ---- the premium

YEARLY = FundingParameters(premium_min=87_600, premium_max=87_600)  # 10 ppm an hour, of each side
FIRST_HOUR = HOUR - 1_600_000_000 % HOUR  # seconds to the first full hour of a new world


def test_open_interest_pays_by_the_clock_hour() -> None:
    stage = Stage(100, funding=YEARLY)
    stage.fund_account(trader=1_000, market_maker=1_000)
    stage.trade("trader", "market_maker", 5)
    stage.price(100, seconds=FIRST_HOUR - 1)
    assert (stage.equity("trader"), stage.equity("market_maker")) == (1_000, 1_000)
    stage.price(100, seconds=1)  # 0.001 dollars for each of 5
    assert (stage.equity("trader"), stage.equity("market_maker")) == (999.995, 999.995)
    assert stage.claims("fund") == 0.01
    stage.price(100, seconds=3 * HOUR - 1)
    assert (stage.equity("trader"), stage.claims("fund")) == (999.985, 0.03)
    stage.price(100, seconds=1)
    assert stage.claims("fund") == 0.04
    assert stage.world.house.tally.premiums == units(0.04)


def test_the_premium_is_of_the_price_before() -> None:
    stage = Stage(100, funding=YEARLY)
    stage.fund_account(trader=1_000, market_maker=1_000)
    stage.trade("trader", "market_maker", 5)
    stage.price(150, seconds=HOUR)
    assert stage.claims("fund") == 0.01
    assert (stage.equity("trader"), stage.equity("market_maker")) == (1_249.995, 749.995)
    assert stage.world.observed(0) == 500 * DOLLAR


def test_the_premium_follows_the_coverage_observed() -> None:
    stage = Stage(100, 10, funding=replace(YEARLY, premium_min=0))
    stage.fund_account(trader=1_000, market_maker=1_000)
    stage.call("contribute", "founder", 25 * DOLLAR)
    stage.trade("trader", "market_maker", 5)
    stage.trade("trader", "market_maker", 50, market=1)
    stage.price(100, seconds=HOUR)  # 500 observed: a coverage of 1
    assert (stage.world.house.tally.premiums, stage.world.coverage()) == (0, 500_000)
    stage.price(10, market=1)  # 1,000: half
    assert stage.claims("fund", 1) == 0.005
    stage.price(100, seconds=HOUR)
    assert stage.claims("fund", 0) == 0.005


def test_the_fund_collects_what_was_paid_into_the_pool() -> None:
    stage = Stage(100, funding=YEARLY)
    stage.fund_account(trader=1_000, market_maker=1_000)
    stage.trade("trader", "market_maker", 5)
    stage.price(100, seconds=HOUR)
    assert stage.world.collect() == 0  # nobody has paid in yet
    stage.settle("trader")
    assert stage.call("collect") == units(0.005)
    stage.settle("market_maker")
    assert stage.cash("market_maker") == 999.995
    assert stage.call("collect") == units(0.005)
    assert (stage.world.fund.assets, stage.claims("fund"), stage.cash("fund")) == (units(0.01), 0, 0)
    assert stage.world.token.balances["treasury"] == 0  # it has no part in it


def test_the_funds_claims_bear_a_residual_and_mature() -> None:
    stage = Stage(100, funding=YEARLY, maturity=DAY)
    stage.fund_account(trader=1_000, market_maker=1_000)
    stage.trade("trader", "market_maker", 5)
    stage.world.ledger.markets[0].residual = 4_000
    stage.world.advance(HOUR)
    stage.world.refresh(0)
    assert (stage.claims("fund"), stage.world.ledger.markets[0].residual) == (0.006, 0)
    stage.world.settle(["trader", "market_maker"])
    stage.world.collect()
    assert (stage.world.fund.assets, stage.claims("fund")) == (0, 0.006)
    stage.world.advance(DAY)
    stage.world.collect()
    assert (stage.world.fund.assets, stage.claims("fund")) == (6_000, 0)


def test_whoever_comes_within_the_hour_pays_at_its_end() -> None:
    stage = Stage(100, funding=YEARLY)
    stage.fund_account(trader=1_000, market_maker=1_000, other_trader=1_000)
    stage.trade("trader", "market_maker", 5)
    stage.price(100, seconds=FIRST_HOUR - 1)
    stage.trade("other_trader", "trader", 5)
    stage.price(100, seconds=1)
    assert (stage.equity("trader"), stage.equity("other_trader")) == (1_000, 999.995)


def test_a_closed_market_counts_for_nothing() -> None:
    stage = Stage(100, 10, funding=YEARLY)
    stage.fund_account(trader=1_000, market_maker=1_000)
    stage.trade("trader", "market_maker", 50, market=1)
    stage.price(10, market=1, seconds=HOUR)
    assert stage.world.observed(1) == 500 * DOLLAR
    premiums = stage.world.house.tally.premiums
    stage.world.set_price(1, None)
    stage.world.advance(DAY)
    stage.call("close_market", 1, 10 * UNIT)
    assert stage.world.observed(1) == 0
    stage.call("refresh", 1)
    assert stage.world.house.tally.premiums == premiums


@pytest.mark.parametrize(("size", "premium"), [(10**9 - 1, 0), (10**9, 2), (1_600_000_000, 2)])
def test_dust_owes_nothing_and_each_side_is_rounded(size: int, premium: int) -> None:
    """A unit of S for each gwei of size."""
    market = Market(MarketParameters(), 10**24, 100 * UNIT, 0, 0, 100 * UNIT, open_interest=size)
    assert market.refresh(HOUR, 1, market.price, 87_600) == premium
    assert market.long.base == market.short.base == (-ONE_A * 10**15 if premium else 0)


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.integers(10**9, 10**21), min_size=1, max_size=5),
    st.integers(10**12, 10**24),
    st.integers(1, 500_000),
    st.integers(1, 100),
    st.integers(0, 999_999),
)
def test_positions_pay_what_the_fund_is_promised(
    sizes: list[int], price: int, rate: int, hours: int, closed_ppm: int
) -> None:
    """Σ paid >= what the fund's account gets, up to what size a deleveraging has dropped."""
    market = Market(MarketParameters(), size_scale(6), price, 0, 0, price, open_interest=sum(sizes))
    records = [market.record(sign * size) for sign in (1, -1) for size in sizes]
    market.long.positions = market.short.positions = len(sizes)
    market.deleverage(-1, sum(sizes) * closed_ppm // MILLION)
    if market.long.epoch:  # too little was left, and all are closed
        return
    # on the long side somebody has closed as much
    rest = Fraction(market.open_interest, sum(sizes))
    owed = price * rate * hours // (MILLION * 8_760)
    earned = market.refresh(hours * HOUR, 1, price, rate)
    longs, shorts = records[: len(sizes)], records[len(sizes) :]
    paid_by_longs = -rest * sum(market.unsettled(record) for record in longs)
    paid_by_shorts = -sum(market.unsettled(record) for record in shorts)
    dropped = market.short.dropped * owed / market.scale
    assert paid_by_longs >= Fraction(earned, 2)
    assert paid_by_shorts >= Fraction(earned, 2) - dropped
    assert dropped <= market.trail.drift
    assert paid_by_longs + paid_by_shorts <= earned + 2 + 2 * len(sizes)


def test_the_premium_survives_a_scaled_multiplier() -> None:
    market = new_market()
    record = market.record(-3 * UNIT)
    market.open_interest = 3 * UNIT
    market.deleverage(-1, 2 * UNIT)
    assert market.short.multiplier == ONE_A // 3
    market.refresh(START + HOUR, 2, market.price, 87_600)
    assert market.unsettled(record) == -1_000  # one is left of three


# ---- income


def test_the_treasury_takes_what_the_policy_leaves_it() -> None:
    stage = Stage(100, parameters=MarketParameters(maker_fee=0, taker_fee=10_000))
    stage.fund_account(trader=1_000, market_maker=1_000)
    stage.trade("trader", "market_maker", 20)  # a fee of 20
    stage.call("contribute", "founder", 125 * DOLLAR)  # against a target of 100: the fund takes 70%
    assert (stage.world.coverage(), stage.world.fund_share()) == (1_250_000, 700_000)
    assert stage.call("collect") == 14 * DOLLAR
    assert stage.world.token.balances["treasury"] == 6 * DOLLAR
    # now 139 dollars: 800,000 - 0.4 x 390,000 = 644,000 of two fees of 10 dollars
    stage.trade("market_maker", "trader", 10)
    assert stage.world.target() == 50 * DOLLAR
    stage.trade("trader", "market_maker", 10)
    assert stage.world.fund_share() == 644_000
    assert stage.call("collect") == units(2 * 10 * 0.644)


def test_while_an_insolvency_is_known_the_treasury_gets_nothing() -> None:
    stage = Stage(100, parameters=MarketParameters(maker_fee=0, taker_fee=10_000))
    stage.fund_account(trader=1_000, market_maker=1_000)
    stage.trade("trader", "market_maker", 20)
    stage.trade("market_maker", "trader", 20)
    assert stage.world.fund_share() == 500_000
    stage.world.house.flags["other_trader"] = Flag(0, insolvent=True)
    assert stage.world.collect() == 40 * DOLLAR


def test_levies_are_the_funds_alone(scarce: Stage) -> None:
    scarce.trade("trader", "market_maker", 5)
    scarce.trade("market_maker", "trader", 5)
    assert scarce.world.fund_share() == 500_000
    assert scarce.call("collect") == 2 * DOLLAR
    assert scarce.world.fund.assets == 2 * DOLLAR


def test_a_deposit_for_the_funds_account_is_income(scarce: Stage) -> None:
    scarce.call("deposit", "trader", "fund", 5)
    assert scarce.call("collect") == 5
    assert scarce.world.fund.assets == 5


# ---- the world's copies


def test_copies_share_nothing(posted: Stage) -> None:
    copy = posted.world.clone()
    post(posted, 600)
    posted.call("post_tiers", ["trader"], [3], 1)
    posted.price(100, seconds=HOUR)
    assert (copy.target(), copy.tier("trader"), copy.observed(0)) == (500 * DOLLAR, 2, 0)
    assert copy.funding is copy.house.funding
    assert copy.funding.fund is copy.fund


def test_the_dump_shows_the_policy(posted: Stage) -> None:
    post(posted, 600)
    posted.call("post_tiers", ["trader"], [3], 1)
    posted.price(100, seconds=HOUR)
    state = dump(posted.world)
    assert state["policy.target"] == state["policy.posted"] == 600 * DOLLAR
    assert (state["policy.observed[0]"], state["policy.observed"]) == (10_000 * DOLLAR, 10_000 * DOLLAR)
    assert (state["policy.tier[trader].tier"], state["policy.tier[trader].now"]) == (3, 3)
    assert state["policy.fundShare"] == MILLION
    assert "policy.coverage" not in state


def test_nothing_is_asked_by_default() -> None:
    world = World()
    assert (world.target(), world.coverage(), world.fund_share()) == (0, None, 500_000)
    stage = Stage(100, liquidation=UNPAID)
    stage.fund_account(trader=1_000, market_maker=1_000)
    stage.trade("trader", "market_maker", 200)
    stage.price(100, seconds=30 * DAY)
    assert stage.world.house.tally.premiums == stage.world.ledger.levies == 0
