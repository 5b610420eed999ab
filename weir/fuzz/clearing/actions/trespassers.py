"""Calls that nobody may make: others' functions, nothing at all, nobody at all, parameters out of bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from weir.fuzz.clearing.actions.moves import TRANCHES, logarithmic, soon
from weir.fuzz.clearing.setting import ACCOUNTS, LIQUIDATORS, STAKERS, TRADERS
from weir.fuzz.draw import Draw
from weir.fuzz.subject import Plan

if TYPE_CHECKING:
    from weir.fuzz.clearing.subject import Clearing

HOUSE, FUND, TRANCHE, VAULT = "OnlyClearingHouse", "OnlyFund", "OnlyTranche", "OnlyVault"
GOVERNED = "AccessManagedUnauthorized"
MILLION, DAY = 10**6, 86_400
NOBODY = "nobody"


def _forbid(sender: str, function: str, arguments: tuple[Any, ...], *errors: str) -> Any:
    return soon(sender, "forbidden", function, arguments, errors)


def trespass(s: Clearing, draw: Draw) -> Plan:
    """A function that belongs to another contract or to governance, by somebody else."""
    account, other = draw.choice(ACCOUNTS), draw.choice(ACCOUNTS)
    market, amount = draw.integer(0, s.setting.thin), logarithmic(draw, 1, 10 ** (s.setting.decimals + 6))
    liquidation = (0, 10, 10, 600, 1, 0)
    market_parameters = (50_000, 30_000, 0, 0, 50_000, 0, 3_600, 10**30)
    function, arguments, error = draw.choice(
        (
            ("vault.settle", (account, market, draw.choice((amount, -amount))), HOUSE),
            ("vault.convert", (account,), HOUSE),
            ("vault.creditCash", (account, amount), HOUSE),
            ("vault.exchange", (account, other, amount, 0, 0), HOUSE),
            ("vault.chargeLiquidation", (account, other, amount, amount), HOUSE),
            ("vault.resolveDebt", (account, market, amount, 0, 0), HOUSE),
            ("vault.addResidual", (market, amount), HOUSE),
            ("vault.collect", (), FUND),
            ("vault.setMaturity", (market, 0), GOVERNED),
            ("fund.payBounty", (market, amount), HOUSE),
            ("fund.resolve", (account, market, amount, 0), HOUSE),
            ("fund.stake", (amount,), TRANCHE),
            ("fund.unstake", (amount, True), TRANCHE),
            ("fund.setMarketCover", (market, MILLION, 0), GOVERNED),
            ("fund.setParameters", ((0, 0, 0, 0, DAY, DAY),), GOVERNED),
            ("house.authorizeWithdrawal", (account, amount, ()), VAULT),
            ("house.setMarketParameters", (market, market_parameters), GOVERNED),
            ("house.setLiquidationParameters", (liquidation,), GOVERNED),
            ("house.closeMarket", (market, amount), GOVERNED),
            ("house.pauseNewRisk", (1,), GOVERNED),
            ("junior.setEpochDuration", (DAY,), GOVERNED),
            ("senior.setEpochDuration", (DAY,), GOVERNED),
        )
    )
    yield _forbid(draw.choice((account, *STAKERS)), function, arguments, error)


def nothing(s: Clearing, draw: Draw) -> Plan:
    """Amounts of nothing, and addresses of nobody."""
    name, staker, tranche = draw.choice(TRADERS), draw.choice(STAKERS), draw.choice(TRANCHES)
    shares = s.world.tranche(tranche).shares.get(staker, 0)
    function, arguments, errors = draw.choice(
        (
            ("vault.deposit", (name, 0), ("ZeroAmount",)),
            ("vault.deposit", (NOBODY, 5), ("ZeroAddress",)),
            ("vault.withdraw", (0, name, ()), ("ZeroAmount",)),
            ("vault.withdraw", (1, NOBODY, ()), ("ZeroAddress",)),
            ("fund.contribute", (0,), ("ZeroAmount",)),
            (f"{tranche}.deposit", (0, staker), ("ZeroShares", "GateClosed")),
            (f"{tranche}.mint", (0, staker), ("ZeroShares", "GateClosed")),
            (f"{tranche}.deposit", (10**6, NOBODY), ("ERC20InvalidReceiver", "GateClosed", "ZeroShares")),
            (f"{tranche}.requestRedeem", (0, staker, staker), ("ZeroShares",)),
            (f"{tranche}.requestRedeem", (max(shares, 1), NOBODY, staker), ("ZeroAddress",)),
            (f"{tranche}.transfer", (NOBODY, shares), ("ERC20InvalidReceiver",)),
            (f"{tranche}.approve", (NOBODY, 1), ("ERC20InvalidSpender",)),
            (f"{tranche}.redeem", (0, NOBODY, staker), ("ZeroAddress",)),
            (f"{tranche}.withdraw", (0, NOBODY, staker), ("ZeroAddress",)),
            (f"{tranche}.previewRedeem", (1,), ("AsynchronousRedemption",)),
            (f"{tranche}.previewWithdraw", (1,), ("AsynchronousRedemption",)),
            ("fund.defaultRecord", (0,), ("UnknownDefault",)),
            ("fund.defaultRecord", (len(s.world.fund.defaults) + 1,), ("UnknownDefault",)),
            ("fund.trancheState", ("vault",), ("OnlyTranche",)),
            ("fund.shareEpochOf", ("vault",), ("OnlyTranche",)),
            ("house.refresh", (len(s.setting.prices),), ("UnknownMarket",)),
        )
    )
    sender = staker if function.startswith(TRANCHES) else draw.choice((name, *LIQUIDATORS))
    yield _forbid(sender, function, arguments, *errors)


def overstep(s: Clearing, draw: Draw) -> Plan:
    """Governance beyond its bounds, by one."""
    market = draw.integer(0, s.setting.thin)
    fund = [0, 0, 0, 0, DAY, DAY]
    field, value = draw.choice(
        (
            (1, MILLION + 1),
            (2, MILLION // 2 + 1),
            (3, MILLION + 1),
            (4, DAY - 1),
            (4, 90 * DAY + 1),
            (5, 3_599),
            (5, 30 * DAY + 1),
        )
    )
    fund[field] = value
    tranche = draw.choice(TRANCHES)
    function, arguments, error = draw.choice(
        (
            ("fund.setParameters", (tuple(fund),), "ParameterOutOfBounds"),
            ("fund.setParameters", (tuple(fund),), "ParameterOutOfBounds"),
            ("fund.setMarketCover", (market, MILLION + 1, 0), "ParameterOutOfBounds"),
            ("fund.setMarketCover", (market, 0, MILLION + 1), "ParameterOutOfBounds"),
            ("vault.setMaturity", (market, 7 * DAY + 1), "MaturityOutOfBounds"),
            (f"{tranche}.setEpochDuration", (DAY - 1,), "EpochDurationOutOfBounds"),
            (f"{tranche}.setEpochDuration", (30 * DAY + 1,), "EpochDurationOutOfBounds"),
        )
    )
    yield _forbid("governor", function, arguments, error)


def on_behalf(s: Clearing, draw: Draw) -> Plan:
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
