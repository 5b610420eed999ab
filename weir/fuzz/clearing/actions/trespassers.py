"""Calls that nobody may make: others' functions, nothing at all, nobody at all, parameters out of bounds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from weir.fuzz.clearing.actions.moves import TRANCHES, soon
from weir.fuzz.clearing.scene import Scene
from weir.fuzz.clearing.setting import ACCOUNTS, ASSETS, STAKERS, TRADERS
from weir.fuzz.draw import Draw
from weir.fuzz.steps import Step
from weir.fuzz.subject import Plan

HOUSE, FUND, TRANCHE, VAULT = "OnlyClearingHouse", "OnlyFund", "OnlyTranche", "OnlyVault"
COLLATERAL, RESERVE = "OnlyCollateral", "OnlyReserve"
GOVERNED = "AccessManagedUnauthorized"
MILLION, HOUR, DAY = 10**6, 3_600, 86_400
NOBODY = "nobody"
EVIDENCE = b"\1" * 32, b"\2" * 32, 0
FUNDING = (
    *(50_000, 200_000, 800_000, 400_000, 500_000, MILLION),  # target, fund's share
    *(0, 100_000, MILLION, 0),  # premium, stress
    *(0, 0, 0, 0, 5 * MILLION, 20 * MILLION),  # surcharges
    *(0, DAY, DAY, (0, 0, 0, 0, 0), 0, 0, 250_000),
    *(0, 0, 0),  # membership
)
"""A good `IFundingPolicy.Parameters`."""
FUND_RULES = (0, 0, DAY, DAY, 0)
"""A good `IInsuranceFund.Parameters`."""
GUARANTY_RULES = (1, DAY, DAY, DAY, 0)
"""A good `IGuarantyFund.Parameters`."""


ASSET_RULES = (100_000, 50_000, 0, 0, 10**12, 10**12)
"""A good `IStablecoins.AssetParameters`, whatever the weights of others."""
CONVERSION_RULES = (1_800, 20_000, 10**18)
"""A good `IStablecoins.ConversionParameters`."""


Forbidden = tuple[str, str, tuple[Any, ...], tuple[str, ...]]
"""Who may not call which function with which arguments, and the errors that say so."""


def others(s: Scene, draw: Draw) -> list[Forbidden]:
    """Functions that belong to another contract or to governance, by somebody else."""
    account, other = draw.choice(ACCOUNTS), draw.choice(ACCOUNTS)
    market, amount = draw.integer(0, s.setting.thin), draw.magnitude(1, 10 ** (s.setting.decimals + 6))
    liquidation = (0, 10, 10, 600, 1, 0)
    market_parameters = (50_000, 30_000, 0, 0, 50_000, 0, HOUR, 10**30)
    calls: tuple[tuple[str, tuple[Any, ...], str], ...] = (
        ("vault.settle", (account, market, draw.choice((amount, -amount))), HOUSE),
        ("vault.convert", (account,), HOUSE),
        ("vault.creditCash", (account, amount), HOUSE),
        ("vault.exchange", (account, other, amount, 0, 0), HOUSE),
        ("vault.chargeLiquidation", (account, other, 10**18, amount, amount), HOUSE),
        ("vault.chargeContribution", (account, amount), HOUSE),
        ("vault.resolveDebt", (account, market, amount, 0, 0), HOUSE),
        ("vault.addResidual", (market, amount), HOUSE),
        ("vault.collect", (), FUND),
        ("vault.authorizeCollateral", (account, amount, ()), COLLATERAL),
        ("vault.setPledging", (account, True), COLLATERAL),
        ("collateral.take", (account, other, 10**18), VAULT),
        ("collateral.noteDefault", (account,), VAULT),
        ("fund.fromReserve", (amount, True), RESERVE),
        ("fund.payForReserve", (account, amount), RESERVE),
        ("fund.writeOffAdvances", (), GOVERNED),
        ("stablecoins.setAsset", (0, "COIN", False, ASSET_RULES), GOVERNED),
        ("stablecoins.setConversionParameters", (CONVERSION_RULES,), GOVERNED),
        ("vault.setMaturity", (market, 0), GOVERNED),
        ("fund.payBounty", (market, amount), HOUSE),
        ("fund.resolve", (account, market, amount, 0), HOUSE),
        ("fund.stake", (amount,), TRANCHE),
        ("fund.unstake", (amount, True), TRANCHE),
        ("fund.setMarketCover", (market, MILLION, 0), GOVERNED),
        ("fund.setParameters", (FUND_RULES,), GOVERNED),
        ("guaranty.bear", (account, market, amount, amount), FUND),
        ("guaranty.earn", (amount,), FUND),
        ("guaranty.restore", (account, amount, amount), FUND),
        ("guaranty.setParameters", (GUARANTY_RULES,), GOVERNED),
        ("policy.admit", ((account, market, True, 1, 1, 1, 1, 1, 1),), HOUSE),
        ("policy.admitWithdrawal", (account, amount, 0, amount), HOUSE),
        ("policy.observe", (market, amount), HOUSE),
        ("policy.postTarget", (amount, EVIDENCE), GOVERNED),
        ("policy.postTiers", ((account,), (2,), EVIDENCE), GOVERNED),
        ("policy.setParameters", (FUNDING,), GOVERNED),
        ("house.authorizeWithdrawal", (account, amount, ()), VAULT),
        ("house.setMarketParameters", (market, market_parameters), GOVERNED),
        ("house.setLiquidationParameters", (liquidation,), GOVERNED),
        ("house.closeMarket", (market, amount), GOVERNED),
        ("house.pauseNewRisk", (1,), GOVERNED),
        ("oracle.setFeed", (market, "feed", HOUR, 1, 2), GOVERNED),
        ("oracle.setSequencerFeed", (NOBODY, 0), GOVERNED),
        ("junior.setEpochDuration", (DAY,), GOVERNED),
        ("senior.setEpochDuration", (DAY,), GOVERNED),
    )
    sender = draw.choice((account, *STAKERS))
    return [(sender, function, arguments, (error,)) for function, arguments, error in calls]


def nothings(s: Scene, draw: Draw) -> list[Forbidden]:
    """Amounts of nothing, addresses of nobody, things that are not there."""
    name, staker, tranche = draw.choice(TRADERS), draw.choice(STAKERS), draw.choice(TRANCHES)
    shares = s.world.tranche(tranche).shares.get(staker, 0)
    by_trader: tuple[tuple[str, tuple[Any, ...], tuple[str, ...]], ...] = (
        ("vault.deposit", (name, 0), ("ZeroAmount",)),
        ("vault.deposit", (NOBODY, 5), ("ZeroAddress",)),
        ("vault.withdraw", (0, name, ()), ("ZeroAmount",)),
        ("vault.withdraw", (1, NOBODY, ()), ("ZeroAddress",)),
        ("fund.contribute", (0,), ("ZeroAmount",)),
        ("fund.recover", (1, 0), ("ZeroAmount",)),
        ("fund.recover", (0, 1), ("UnknownDefault",)),
        ("fund.recover", (len(s.world.fund.defaults) + 1, 1), ("UnknownDefault",)),
        ("fund.recovered", (0,), ("UnknownDefault",)),
        ("guaranty.join", (name, 0), ("ZeroAmount", "GateClosed")),
        ("guaranty.release", (NOBODY,), ("NoNotice", "GateClosed")),
        ("fund.defaultRecord", (0,), ("UnknownDefault",)),
        ("fund.defaultRecord", (len(s.world.fund.defaults) + 1,), ("UnknownDefault",)),
        ("fund.trancheState", ("vault",), ("OnlyTranche",)),
        ("fund.shareEpochOf", ("vault",), ("OnlyTranche",)),
        ("house.refresh", (len(s.setting.prices),), ("UnknownMarket",)),
        ("collateral.deposit", (0, 0), ("ZeroAmount",)),
        ("collateral.deposit", (len(ASSETS), 1), ("UnknownAsset",)),
        ("collateral.withdraw", (0, 0, name, ()), ("ZeroAmount",)),
        ("collateral.withdraw", (0, 1, NOBODY, ()), ("ZeroAddress",)),
        ("collateral.withdraw", (len(ASSETS), 1, name, ()), ("UnknownAsset",)),
        ("collateral.buy", (name, 0, 1, name, 0), ("OwnCollateral",)),
        ("collateral.buy", ("vault", len(ASSETS), 1, name, 0), ("UnknownAsset",)),
        ("collateral.buy", ("vault", 0, 0, name, 0), ("ZeroAmount",)),
        ("collateral.buy", ("vault", 0, 1, NOBODY, 0), ("ZeroAddress",)),
        ("collateral.buy", ("vault", 0, 1, name, 0), ("SaleNotRunning",)),
        ("reserve.contribute", (0, 0), ("ZeroAmount",)),
        ("reserve.contribute", (len(ASSETS), 1), ("UnknownAsset",)),
        ("reserve.start", (len(ASSETS),), ("UnknownAsset",)),
        ("reserve.buy", (0, 0, name, 0), ("ZeroAmount",)),
        ("reserve.buy", (0, 1, NOBODY, 0), ("ZeroAddress",)),
        ("reserve.sell", (0, 0, name, 0), ("ZeroAmount",)),
        ("reserve.sell", (0, 1, NOBODY, 0), ("ZeroAddress",)),
    )
    by_staker: tuple[tuple[str, tuple[Any, ...], tuple[str, ...]], ...] = (
        ("deposit", (0, staker), ("ZeroShares", "GateClosed")),
        ("mint", (0, staker), ("ZeroShares", "GateClosed")),
        (
            "deposit",
            (10**6, NOBODY),
            ("ERC20InvalidReceiver", "GateClosed", "SupplyCapExceeded", "ZeroShares"),
        ),
        ("requestRedeem", (0, staker, staker), ("ZeroShares",)),
        ("requestRedeem", (max(shares, 1), NOBODY, staker), ("ZeroAddress",)),
        ("transfer", (NOBODY, shares), ("ERC20InvalidReceiver",)),
        ("approve", (NOBODY, 1), ("ERC20InvalidSpender",)),
        ("redeem", (0, NOBODY, staker), ("ZeroAddress",)),
        ("withdraw", (0, NOBODY, staker), ("ZeroAddress",)),
        ("previewRedeem", (1,), ("AsynchronousRedemption",)),
        ("previewWithdraw", (1,), ("AsynchronousRedemption",)),
    )
    return [(name, *call) for call in by_trader] + [
        (staker, f"{tranche}.{function}", arguments, errors) for function, arguments, errors in by_staker
    ]


FUND_BOUNDS = (
    (1, MILLION + 1),
    (2, DAY - 1),
    (2, 90 * DAY + 1),
    (3, HOUR - 1),
    (3, 30 * DAY + 1),
    (4, MILLION + 1),
)
GUARANTY_BOUNDS = (
    (0, 0),
    (1, DAY - 1),
    (1, 90 * DAY + 1),
    (2, DAY - 1),
    (2, 30 * DAY + 1),
    (3, HOUR - 1),
    (3, 30 * DAY + 1),
    (4, MILLION + 1),
)
ASSET_BOUNDS = (
    (0, 999),
    (0, 900_001),
    (1, 999),
    (1, 100_001),  # above the haircut
    (2, MILLION + 1),
    (3, MILLION + 1),
)
CONVERSION_BOUNDS = ((0, 59), (0, DAY + 1), (1, MILLION + 1), (2, 5 * 10**17 - 1), (2, 10**18 + 1))
FUNDING_BOUNDS = (
    (0, MILLION + 1),
    (1, 49_999),  # below the target ratio
    (1, MILLION + 1),
    (2, 499_999),  # below the least share
    (2, MILLION + 1),
    (3, 10 * MILLION + 1),
    (4, 499_999),
    (5, MILLION + 1),
    (6, 100_001),  # above the largest premium
    (7, 500_001),
    (8, 5 * MILLION + 1),
    (9, MILLION + 1),
    (10, 20_001),
    (11, MILLION),
    (12, 20_001),
    (13, 20_001),
    (15, 5 * MILLION),  # not above where it begins
    (15, 1_000 * MILLION + 1),
    (17, HOUR - 1),
    (17, 30 * DAY + 1),
    (18, DAY - 1),
    (18, 365 * DAY + 1),
    (19, (0, 0, 0, 0, 20_001)),
    (19, (0, 2, 1, 2, 2)),
    (22, 9_999),
    (22, MILLION + 1),
    (24, 200_001),
    (25, 50_001),
)
MARKET_BOUNDS = (
    (0, 9_999),
    (0, MILLION + 1),
    (1, 4_999),
    (1, 50_000),  # not below the initial ratio
    (2, 10_001),
    (3, 10_001),
    (4, 99),
    (4, 200_001),
    (5, 100_001),
    (6, HOUR - 1),
    (6, 7 * DAY + 1),
)
LIQUIDATION_BOUNDS = ((0, 11), (1, 100_001), (2, 50_001), (3, 59), (3, DAY + 1), (4, 0), (5, 500_001))
"""A field of the struct, and a value just beyond what it may be."""


def _beyond(struct: tuple[Any, ...], bounds: tuple[tuple[int, Any], ...]) -> list[tuple[Any, ...]]:
    return [(*struct[:field], value, *struct[field + 1 :]) for field, value in bounds]


def oversteps(s: Scene, draw: Draw) -> list[Forbidden]:
    """Governance beyond its bounds, by one."""
    market, tranche = draw.integer(0, s.setting.thin), draw.choice(TRANCHES)
    funds = _beyond(FUND_RULES, FUND_BOUNDS)
    guaranties = _beyond(GUARANTY_RULES, GUARANTY_BOUNDS)
    policies = _beyond(FUNDING, FUNDING_BOUNDS)
    liquidations = _beyond((0, 10, 10, 600, 1, 0), LIQUIDATION_BOUNDS)
    markets = _beyond((50_000, 30_000, 0, 0, 50_000, 0, HOUR, 10**30), MARKET_BOUNDS)
    calls: list[tuple[str, tuple[Any, ...], str]] = [
        *(("fund.setParameters", (struct,), "ParameterOutOfBounds") for struct in funds),
        *(("guaranty.setParameters", (struct,), "ParameterOutOfBounds") for struct in guaranties),
        *(("policy.setParameters", (struct,), "ParameterOutOfBounds") for struct in policies),
        *(
            ("stablecoins.setAsset", (0, "COIN", False, struct), "ParameterOutOfBounds")
            for struct in _beyond(ASSET_RULES, ASSET_BOUNDS)
        ),
        *(
            ("stablecoins.setConversionParameters", (struct,), "ParameterOutOfBounds")
            for struct in _beyond(CONVERSION_RULES, CONVERSION_BOUNDS)
        ),
        ("stablecoins.setAsset", (0, "SHARE", False, ASSET_RULES), "TokenFixed"),
        ("stablecoins.setAsset", (0, "COIN", True, ASSET_RULES), "TokenFixed"),
        ("stablecoins.setAsset", (3, "COIN", False, ASSET_RULES), "TokenListed"),
        ("stablecoins.setAsset", (3, "S", False, ASSET_RULES), "TokenListed"),
        ("stablecoins.setAsset", (4, "S", False, ASSET_RULES), "UnknownAsset"),
        ("policy.postTarget", (0, EVIDENCE), GOVERNED),  # the poster's
        *(("house.setLiquidationParameters", (struct,), "ParameterOutOfBounds") for struct in liquidations),
        *(("house.setMarketParameters", (market, struct), "ParameterOutOfBounds") for struct in markets),
        ("house.setMarketParameters", (len(s.setting.prices), markets[0]), "UnknownMarket"),
        ("house.pauseNewRisk", (1,), GOVERNED),  # the guardian's
        ("fund.setMarketCover", (market, MILLION + 1, 0), "ParameterOutOfBounds"),
        ("fund.setMarketCover", (market, 0, MILLION + 1), "ParameterOutOfBounds"),
        ("vault.setMaturity", (market, 7 * DAY + 1), "MaturityOutOfBounds"),
        (f"{tranche}.setEpochDuration", (DAY - 1,), "EpochDurationOutOfBounds"),
        (f"{tranche}.setEpochDuration", (30 * DAY + 1,), "EpochDurationOutOfBounds"),
        ("oracle.setFeed", (market, NOBODY, HOUR, 1, 2), "ZeroAddress"),
        ("oracle.setFeed", (market, "feed", 59, 1, 2), "HeartbeatOutOfBounds"),
        ("oracle.setFeed", (market, "feed", 2 * DAY + 1, 1, 2), "HeartbeatOutOfBounds"),
        ("oracle.setFeed", (market, "feed", HOUR, 0, 2), "BoundsOutOfOrder"),
        ("oracle.setFeed", (market, "feed", HOUR, 2, 2), "BoundsOutOfOrder"),
        ("oracle.setSequencerFeed", ("feed", DAY + 1), "GracePeriodOutOfBounds"),
    ]
    return [("governor", function, arguments, (error,)) for function, arguments, error in calls]


def trespass(s: Scene, draw: Draw) -> Plan:
    """One of all these, by chance."""
    kind = draw.choice((others, nothings, oversteps))
    sender, function, arguments, errors = draw.choice(kind(s, draw))
    yield soon(sender, "forbidden", function, arguments, errors)


def everything_forbidden(s: Scene, draw: Draw) -> Iterator[Step]:
    """All of these; the end of a sequence is a good time."""
    for sender, function, arguments, errors in (*others(s, draw), *nothings(s, draw), *oversteps(s, draw)):
        yield Step(sender, "forbidden", (function, arguments, errors), 0, 0)


def on_behalf(s: Scene, draw: Draw) -> Plan:
    """Shares moved, redeemed and claimed for others: with an allowance, as operator, or without leave."""
    tranche, owner = draw.choice(TRANCHES), draw.choice(STAKERS)
    other, third = draw.choice([name for name in STAKERS if name != owner]), draw.choice(STAKERS)
    shares = s.world.tranche(tranche).shares.get(owner, 0)
    part = draw.choice((shares, shares // 2, 1))
    if draw.chance(60):
        allowed = draw.choice((part, part - 1 if part else 0, 2**256 - 1, 2 * part))
        yield soon(owner, "approve", tranche, other, allowed)
    if draw.chance(40):
        yield soon(owner, "set_operator", tranche, other, draw.chance(70))
    for _ in range(draw.integer(1, 3)):
        how = draw.choice(("move", "request", "claim"))
        if how == "move":
            yield soon(other, "transfer_from", tranche, owner, third, part, draw=draw)
        elif how == "request":
            yield soon(other, "request_redeem_for", tranche, max(part, 1), draw.choice((owner, third)), owner)
        else:
            state = s.world.tranche(tranche)
            ready = sum(
                n for (b, name), n in state.requests.items() if name == owner and state.batches[b].priced
            )
            yield soon(other, "claim_for", tranche, draw.choice((ready, ready // 2)), third, owner)
