"""Governance from the announcement to the effect: what waits, what does not, and what nobody can do
(SPECIFICATION.md sections 7 and 8).
"""

from decimal import Decimal

import pytest
from ape import chain

from tests.expect import event, reverts
from tests.integration import books
from tests.integration.stage import BTC, DAY, ETH, backing, fill_fund, plain_market, withdraw
from weir.artifacts import artifact
from weir.governance import ADMIN, GOVERNOR, POSTER, ROLES, selector
from weir.parameters import FundingParameters, funding_struct, market_struct

DELAY = 2 * DAY
EXPIRY = 7 * DAY
REVERTING = 1
CASH = {"market_maker": 100_000, "liquidator": 100_000, "trader": 1_000, "other_trader": 20_000}
DEAREST = FundingParameters(
    target_ratio=1_000_000,
    max_target_ratio=1_000_000,
    share_min=1_000_000,
    share_at_target=1_000_000,
    premium_min=500_000,
    premium_max=500_000,
    stress_from=5_000_000,
    stop_below=1_000_000,
    max_scarcity=20_000,
    max_concentration=20_000,
    max_leverage=20_000,
    leverage_from=0,
    leverage_to=1,
    cap_multiple=0,
    cap_floor=Decimal(0),
    tier_rates=(20_000,) * 5,
)
"""As much as a funding policy can ask for."""
DEARER = market_struct(plain_market("BTC", 10_000, initial_margin_ratio=200_000))
"""A change of BTC's parameters: 20% of initial margin instead of 5%."""


@pytest.fixture(scope="module")
def slow(timelocked, actors):
    """Everyone has deposited, and the trader is long 1 BTC of the market maker."""
    for role, amount in CASH.items():
        timelocked.deposit(actors[role], amount)
    timelocked.trade(actors["trader"], actors["market_maker"], 1, 10_000)
    return timelocked


@pytest.fixture
def announce(slow, governor):
    """Schedules a call (a method and its arguments) for the first moment it may be made; gives what makes
    it.
    """

    def schedule(method, *arguments):
        data = method.encode_input(*arguments)
        slow.authority.schedule(method.contract, data, 0, sender=governor)
        return lambda: method(*arguments, sender=governor)

    return schedule


def wait_for(system, seconds):
    """Time passes, and the feeds go on."""
    system.wait(seconds)
    system.renew_prices()


# ---- the delay


def test_a_change_is_announced_waits_and_comes_once(slow, announce, governor):
    house, change = slow.clearing_house, (BTC, tuple(DEARER.values()))
    with reverts("AccessManagerNotScheduled"):
        house.setMarketParameters(*change, sender=governor)
    make = announce(house.setMarketParameters, *change)
    wait_for(slow, DELAY - 60)
    with reverts("AccessManagerNotReady"):
        make()
    wait_for(slow, 60)
    make()
    assert house.marketParameters(BTC).initialMarginRatio == 200_000
    with reverts("AccessManagerNotScheduled"):
        make()


def test_what_is_made_is_what_was_announced(slow, announce, governor):
    announce(slow.clearing_house.setMarketParameters, BTC, tuple(DEARER.values()))
    wait_for(slow, DELAY)
    harsher = tuple((DEARER | {"initialMarginRatio": 1_000_000}).values())
    for market, parameters in ((ETH, tuple(DEARER.values())), (BTC, harsher)):
        with reverts("AccessManagerNotScheduled"):
            slow.clearing_house.setMarketParameters(market, parameters, sender=governor)


def test_an_announcement_lapses_after_a_week(slow, announce):
    make = announce(slow.clearing_house.setMarketParameters, BTC, tuple(DEARER.values()))
    wait_for(slow, DELAY + EXPIRY + 1)
    with reverts("AccessManagerExpired"):
        make()


def test_an_announcement_can_be_taken_back(slow, announce, governor, stranger):
    house, change = slow.clearing_house, (BTC, tuple(DEARER.values()))
    make = announce(house.setMarketParameters, *change)
    data = house.setMarketParameters.encode_input(*change)
    with reverts("AccessManagerUnauthorizedCancel", msgsender=stranger):
        slow.authority.cancel(governor, house, data, sender=stranger)
    slow.authority.cancel(governor, house, data, sender=governor)
    wait_for(slow, DELAY)
    with reverts("AccessManagerNotScheduled"):
        make()


def test_whoever_dislikes_it_has_left_before(slow, announce, trader, market_maker):
    """The trader's 1,000 are too little for 20%: it sells and goes while the change waits."""
    make = announce(slow.clearing_house.setMarketParameters, BTC, tuple(DEARER.values()))
    slow.trade(market_maker, trader, 1, 10_000)
    assert withdraw(slow, trader) == slow.usd(1_000)
    wait_for(slow, DELAY)
    make()
    with reverts("NothingToFlag", account=trader):
        slow.flag(trader)


def test_who_governs_changes_no_faster(slow, announce, governor, stranger):
    authority = slow.authority
    with reverts("AccessManagerNotScheduled"):
        authority.grantRole(GOVERNOR.id, stranger, 0, sender=governor)
    make = announce(authority.grantRole, GOVERNOR.id, stranger, 0)
    wait_for(slow, DELAY - 60)
    with reverts("AccessManagerNotReady"):
        make()
    wait_for(slow, 60)
    make()
    assert tuple(authority.hasRole(GOVERNOR.id, stranger)) == (True, 0)


# ---- the guardian


def test_the_guardian_stops_new_risk_and_nothing_else(
    slow, guardian, trader, other_trader, market_maker, liquidator
):
    receipt = slow.clearing_house.pauseNewRisk(3 * DAY, sender=guardian)
    until = receipt.timestamp + 3 * DAY
    with reverts("NewRiskIsPaused", until=until):
        slow.trade(other_trader, market_maker, 1, 10_000)
    # Leaving, reducing, staking, settling, flagging and liquidating go on.
    slow.trade(market_maker, trader, "0.5", 10_000)
    slow.deposit(other_trader, 1)
    assert withdraw(slow, other_trader) == slow.usd(20_001)
    slow.stake(slow.junior, slow.actors["staker"], 100)
    slow.set_price(BTC, 8_000)
    slow.flag(trader)
    slow.liquidate(trader, liquidator)
    assert slow.size(trader) == 0
    # It ends by itself, and nobody can make it last.
    with reverts("PauseTooSoon", allowedFrom=receipt.timestamp + 7 * DAY):
        slow.clearing_house.pauseNewRisk(1, sender=guardian)
    wait_for(slow, 3 * DAY)
    slow.deposit(other_trader, 20_000)
    slow.trade(other_trader, market_maker, 1, 8_000)
    wait_for(slow, 4 * DAY)
    slow.clearing_house.pauseNewRisk(1, sender=guardian)


@pytest.mark.parametrize("role", ["guardian", "poster"])
def test_who_acts_at_once_announces_nothing(slow, actors, governor, role):
    """It holds one role, and with it the functions of that."""
    holder = actors[role]
    for name, signatures in GOVERNOR.functions.items():
        target = slow.deployment.address(name)
        for signature in signatures:
            data = selector(signature) + bytes(32 * 30)
            with reverts("AccessManagerUnauthorizedCall", caller=holder, target=target):
                slow.authority.schedule(target, data, 0, sender=holder)
    with reverts("AccessManagerUnauthorizedAccount", msgsender=holder):
        slow.authority.grantRole(GOVERNOR.id, holder, 0, sender=holder)
    assert slow.authority.hasRole(ADMIN.id, governor)[0]


# ---- the poster


def test_the_poster_posts_and_moves_nothing(slow, poster, guardian, trader, market_maker):
    """At once; within its bounds neither a balance nor anybody's margin is other than before."""
    fill_fund(slow, skin=100)
    before, equity = books.read(slow), [slow.equity(account) for account in (trader, market_maker)]
    evidence = b"\1" * 32, b"\2" * 32, chain.blocks.head.number
    target = slow.policy.target() * 5 // 4
    slow.policy.postTarget(target, evidence, sender=poster)
    slow.policy.postTiers([trader, market_maker], [1, 3], evidence, sender=poster)
    assert slow.policy.target() == target
    assert [slow.policy.tierOf(account)[0] for account in (trader, market_maker)] == [1, 3]
    assert books.read(slow) == before
    assert [slow.equity(account) for account in (trader, market_maker)] == equity
    with reverts("TargetStepTooLarge"):
        slow.policy.postTarget(target * 2, evidence, sender=poster)
    for other in (guardian, slow.actors["governor"], trader):
        with reverts("AccessManagedUnauthorized", caller=other):
            slow.policy.postTarget(target, evidence, sender=other)


def test_a_poster_is_taken_away_like_any_other(slow, announce, poster):
    """And nobody misses it: what it said expires."""
    evidence = b"\1" * 32, b"\2" * 32, chain.blocks.head.number
    formula = slow.policy.target()
    slow.policy.postTarget(formula * 5 // 4, evidence, sender=poster)
    revoke = announce(slow.authority.revokeRole, POSTER.id, poster)
    wait_for(slow, DELAY)
    revoke()
    assert slow.policy.target() == formula
    with reverts("AccessManagedUnauthorized", caller=poster):
        slow.policy.postTarget(formula, evidence, sender=poster)
    slow.trade(slow.actors["market_maker"], slow.actors["trader"], "0.5", 10_000)


# ---- what nobody can do

FOR_THE_HOUSE = {
    "Vault": {
        "settle",
        "convert",
        "creditCash",
        "exchange",
        "chargeContribution",
        "chargeLiquidation",
        "resolveDebt",
        "addResidual",
    },
    "InsuranceFund": {"payBounty", "resolve"},
    "FundingPolicy": {"admit", "admitWithdrawal", "observe"},
}
FOR_ANOTHER = {
    "Vault": {"collect", "setPledging", "authorizeCollateral"},
    "InsuranceFund": {"stake", "unstake", "fromReserve", "payForReserve"},
    "GuarantyFund": {"bear", "earn", "restore"},
    "ClearingHouse": {"authorizeWithdrawal"},
}
FOR_ANYONE = {
    "Vault": {"deposit", "withdraw"},
    "InsuranceFund": {"collect", "contribute", "recover"},
    "GuarantyFund": {"join", "requestExit", "release"},
    "FundingPolicy": set(),
    # Run by the house on its storage; on its own there is nothing that they could move.
    "Liquidations": {"settle", "refresh", "flag", "liquidate", "deleverage"},
    "ClearingHouse": {"trade", "cancel", "cancelAll", "settle", "refresh", "flag", "liquidate", "deleverage"},
    "Tranche": {
        *("deposit", "mint", "redeem", "withdraw", "requestRedeem", "roll", "setOperator"),
        *("approve", "transfer", "transferFrom"),
    },
    "PriceOracle": set(),
}


@pytest.mark.parametrize("contract", FOR_ANYONE)
def test_every_function_is_for_anyone_for_governance_or_for_a_contract(contract):
    """So the tests below have seen them all."""
    functions = (entry for entry in artifact(contract).abi if entry["type"] == "function")
    methods = {entry["name"] for entry in functions if entry["stateMutability"] == "nonpayable"}
    in_table = {"Tranche": "JuniorTranche", "Liquidations": "ClearingHouse"}.get(contract, contract)
    signatures = (signature for role in ROLES for signature in role.functions.get(in_table, ()))
    governed = {signature.split("(")[0] for signature in signatures}
    internal = FOR_THE_HOUSE.get(contract, set()) | FOR_ANOTHER.get(contract, set())
    assert methods == FOR_ANYONE[contract] | governed | internal | {"setAuthority"}


@pytest.mark.parametrize("contract", FOR_THE_HOUSE)
def test_nobody_plays_the_clearing_house(slow, actors, contract):
    target = {"Vault": slow.vault, "InsuranceFund": slow.fund, "FundingPolicy": slow.policy}[contract]

    def value(field):
        if field["type"] == "tuple":
            return tuple(map(value, field["components"]))
        return {"address": actors["trader"], "bool": True}.get(field["type"], 1)

    for name in FOR_THE_HOUSE[contract]:
        inputs = next(entry for entry in artifact(contract).abi if entry.get("name") == name)["inputs"]
        arguments = [value(field) for field in inputs]
        for role in ("deployer", "governor", "guardian", "poster", "treasury", "attacker"):
            with reverts("OnlyClearingHouse"):
                getattr(target, name)(*arguments, sender=actors[role])


def test_nobody_plays_another_contract(slow, governor, trader):
    for call, error in (
        (lambda: slow.vault.collect(sender=governor), "OnlyFund"),
        (lambda: slow.vault.setPledging(trader, True, sender=governor), "OnlyCollateral"),
        (lambda: slow.vault.authorizeCollateral(trader, 1, [], sender=governor), "OnlyCollateral"),
        (lambda: slow.fund.stake(1, sender=governor), "OnlyTranche"),
        (lambda: slow.fund.unstake(1, False, sender=governor), "OnlyTranche"),
        (lambda: slow.fund.fromReserve(1, False, sender=governor), "OnlyReserve"),
        (lambda: slow.fund.payForReserve(governor, 1, sender=governor), "OnlyReserve"),
        (lambda: slow.guaranty.bear(trader, BTC, 0, 1, sender=governor), "OnlyFund"),
        (lambda: slow.guaranty.earn(1, sender=governor), "OnlyFund"),
        (lambda: slow.guaranty.restore(governor, 1, 0, sender=governor), "OnlyFund"),
        (lambda: slow.clearing_house.authorizeWithdrawal(trader, 1, [], sender=governor), "OnlyVault"),
    ):
        with reverts(error):
            call()


def test_the_admin_gives_itself_nothing_by_moving_roles(slow, announce, governor, trader):
    """A role for a function that asks for no role is worth nothing; a target shut stops no withdrawal; the
    Authority owns no account.
    """
    vault, authority = slow.vault, slow.authority
    seize = vault.creditCash.encode_input(governor, slow.usd(1_000))
    makes = [
        announce(authority.setTargetFunctionRole, vault, [seize[:4]], GOVERNOR.id),
        announce(authority.setTargetClosed, vault, True),
        announce(authority.setTargetClosed, slow.clearing_house, True),
        announce(authority.setTargetClosed, slow.fund, True),
        announce(authority.setTargetClosed, slow.guaranty, True),
    ]
    wait_for(slow, DELAY)
    for make in makes:
        make()
    with reverts("OnlyClearingHouse"):
        vault.creditCash(governor, slow.usd(1_000), sender=governor)
    slow.trade(slow.actors["market_maker"], trader, 1, 10_000)
    assert withdraw(slow, trader) == slow.usd(1_000)
    assert vault.cashOf(authority) == vault.cashOf(governor) == 0


def test_what_the_governor_may_set_moves_no_balance(
    plain, governor, deployer, trader, other_trader, market_maker
):
    """Every restricted function there is, made with a governor that need not wait, on a protocol in full
    swing.
    """
    fill_fund(plain, skin=100, junior=200, senior=300)
    plain.join(trader, 150)
    for account, amount in ((trader, 1_000), (other_trader, 1_000), (market_maker, 100_000)):
        plain.deposit(account, amount)
    plain.trade(trader, market_maker, 1, 10_000)
    plain.trade(other_trader, market_maker, 1, 500, market=ETH)
    plain.set_price(BTC, 9_500)
    plain.settle(market_maker, trader)
    plain.feeds[ETH].setMode(REVERTING, sender=deployer)
    plain.wait(DAY)
    plain.set_price(BTC, 9_500)
    before, equity = books.read(plain), [plain.equity(a) for a in (trader, other_trader, market_maker)]

    house, fund = plain.clearing_house, plain.fund
    set_ones = {
        house.addMarket: (b"SOL".ljust(32, b"\0"), tuple(DEARER.values())),
        house.setMarketParameters: (BTC, tuple(DEARER.values())),
        house.setLiquidationParameters: ((1, 2, 3, 60, 5, 6),),
        house.closeMarket: (ETH, plain.wad(500)),
        plain.oracle.setSequencerFeed: ("0x" + "00" * 20, 60),
        plain.vault.setMaturity: (BTC, 7 * DAY),
        fund.setMarketCover: (BTC, 0, 1_000_000),
        fund.setParameters: ((1, 4, DAY, 3_600, 1_000_000),),
        plain.stablecoins.setConversionParameters: ((60, 0, 10**18 // 2),),
        plain.stablecoins.setAsset: (0, plain.senior, False, (1_000, 1_000, 1_000_000, 0, 1, 1)),
        plain.guaranty.setParameters: ((1, DAY, DAY, 3_600, 0),),
        plain.junior.setEpochDuration: (DAY,),
        plain.senior.setEpochDuration: (DAY,),
        plain.policy.setParameters: (funding_struct(DEAREST, plain.deployment.decimals),),
    }
    plain.oracle.setFeed(2, plain.feeds[BTC], 3_600, 1, 10**30, sender=governor)
    for call, arguments in set_ones.items():
        call(*arguments, sender=governor)
    # What an advance backs only a write-off ends; without one there is nothing that it could take.
    with reverts("NoAdvance"):
        fund.writeOffAdvances(sender=governor)
    made = {method.abis[0].name for method in set_ones} | {"setFeed", "writeOffAdvances"}
    assert made == {s.split("(")[0] for signatures in GOVERNOR.functions.values() for s in signatures}

    after = books.read(plain)
    assert (after.held, after.cash, after.wallets) == (before.held, before.cash, before.wallets)
    assert (after.fund_held, after.layers, after.tranches) == (
        before.fund_held,
        before.layers,
        before.tranches,
    )
    assert (after.guaranty_held, after.guaranty) == (before.guaranty_held, before.guaranty)
    for old, new in zip(before.markets, after.markets, strict=True):
        assert (new.pool, new.claims, new.debts) == (old.pool, old.claims, old.debts)
    assert [plain.equity(a) for a in (trader, other_trader, market_maker)] == equity


# ---- a dead feed


@pytest.fixture
def dead(slow, deployer, trader, other_trader, market_maker, liquidator):
    """Four are in BTC, one of them also in ETH, when the feed of BTC falls silent at 9,400."""
    slow.trade(other_trader, liquidator, 2, 10_000)
    slow.trade(other_trader, market_maker, 10, 500, market=ETH)
    slow.set_price(BTC, 9_400)
    slow.settle(trader, other_trader)
    slow.feeds[BTC].setMode(REVERTING, sender=deployer)
    return slow


def test_a_market_with_a_live_feed_is_not_closed(slow, announce):
    close = announce(slow.clearing_house.closeMarket, BTC, slow.wad(10_000))
    wait_for(slow, DELAY)
    with reverts("PriceStillLive", market=BTC):
        close()


def test_while_a_feed_is_dead_positions_stand_still_and_free_cash_moves(
    dead, trader, other_trader, keeper, staker
):
    for attempt in (
        lambda: dead.settle(trader),
        lambda: dead.flag(trader),
        lambda: dead.clearing_house.refresh(BTC, sender=keeper),
        lambda: dead.vault.withdraw(1, other_trader, [], sender=other_trader),
    ):
        with reverts("PriceUnavailable", market=BTC):
            attempt()
    dead.deposit(staker, 50)
    assert withdraw(dead, staker) == dead.usd(50)
    dead.deposit(trader, 1)


def test_governance_closes_a_dead_market_and_everyone_gets_out(dead, announce, actors, trader, other_trader):
    """At 9,300, close to the last 9,400: within two days each unit that came in goes out again, to whom it
    belongs.
    """
    out_of_band = announce(dead.clearing_house.closeMarket, BTC, dead.wad(8_400))
    close = announce(dead.clearing_house.closeMarket, BTC, dead.wad(9_300))
    dead.wait(DELAY)
    dead.set_price(ETH, 500)
    with reverts("PriceOutsideBand", price=dead.wad(8_400), mark=dead.wad(9_400), band=100_000):
        out_of_band()
    assert event(close(), "MarketClosed") == {"market": BTC, "price": dead.wad(9_300)}
    with reverts("MarketNotOpen", market=BTC):
        dead.trade(trader, other_trader, 1, 9_300)

    everybody = [actors[role] for role in CASH]
    dead.trade(actors["market_maker"], other_trader, 10, 500, market=ETH)
    dead.settle(*everybody)
    # Losers have paid when winners settle once more.
    taken = {role: withdraw(dead, actors[role]) for role in CASH}
    assert taken == {
        "market_maker": dead.usd(100_700),
        "liquidator": dead.usd(101_400),
        "trader": dead.usd(300),
        "other_trader": dead.usd(18_600),
    }
    assert dead.token.balanceOf(dead.vault) == backing(dead, everybody) == 0


def test_a_default_in_a_market_that_closed_is_resolved(
    dead, announce, actors, trader, market_maker, stranger
):
    """At 8,700 the trader misses 300; it was never flagged, and nobody could liquidate it."""
    close = announce(dead.clearing_house.closeMarket, BTC, dead.wad(8_700))
    dead.wait(DELAY)
    dead.set_price(ETH, 500)
    close()
    dead.clearing_house.settle([trader, actors["other_trader"]], sender=stranger)
    assert dead.default_record(1)["shortfall"] == dead.default_record(1)["remainder"] == dead.usd(300)
    # No side lives that could be charged: profits settled from now on bear it, first come.
    assert dead.vault.marketLedger(BTC).residual == dead.usd(300)
    dead.settle(market_maker, actors["liquidator"])
    assert dead.vault.cashOf(market_maker) == dead.usd(100_000 + 1_300 - 300)
    assert dead.vault.marketLedger(BTC).residual == 0
    assert dead.vault.marketLedger(BTC).pool == dead.vault.totalClaims(BTC) == 0
    assert dead.clearing_house.insolvencies() == 0
