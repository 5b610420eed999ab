"""Protocols without friction, where every number of a test can be had by hand, and what tests of the whole
do with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from ape import chain
from ape.api import AccountAPI, ReceiptAPI

from tests.system import System
from weir.parameters import FREE_FUNDING as ASKING_NOTHING
from weir.parameters import FundParameters, LiquidationParameters, MarketParameters, from_units

BTC, ETH = 0, 1
DAY = 86_400

FREE = LiquidationParameters(bounty_start=0, bounty_max=0, penalty=0)
"""No bounty, no penalty: what an account loses is what the market takes."""

SKINLESS = FundParameters(skin_target=0)
"""The fund keeps no income back for its skin."""

FLAT = ASKING_NOTHING.model_copy(update={"share_min": 800_000, "share_slope": 0})
"""A funding policy that asks nothing of traders, and leaves the treasury a fifth of fees at any coverage."""


def plain_market(symbol: str, price: int, **changes: Any) -> MarketParameters:
    """A market without fees, funding or coinsurance, which the whole fund stands behind."""
    fields: dict[str, Any] = {
        "symbol": symbol,
        "price": Decimal(price),
        "max_open_interest": Decimal(1_000_000),
        "maker_fee": 0,
        "taker_fee": 0,
        "max_funding_rate": 0,
        "budget_share": 1_000_000,
        "coinsurance": 0,
    }
    return MarketParameters(**(fields | changes))


# ---- the fund


def fill_fund(system: System, *, skin: Any = 0, junior: Any = 0, senior: Any = 0) -> None:
    """USD for each layer, from the deployer and the two stakers."""
    if skin:
        system.contribute(system.actors["deployer"], skin)
    if junior:
        system.stake(system.junior, system.actors["staker"], junior)
    if senior:
        system.stake(system.senior, system.actors["other_staker"], senior)


def cover(system: System, market: int, *, budget_share: int, coinsurance: int) -> None:
    system.fund.setMarketCover(market, budget_share, coinsurance, sender=system.actors["governor"])


def layers(system: System) -> tuple[int, int, int, int]:
    """Skin, unvested, junior and senior, units of S."""
    now = system.fund.layers()
    return now.skin, now.unvested, now.junior, now.senior


def borne(system: System, number: int) -> dict[str, Decimal]:
    """USD: the shortfall of a default and what each layer bore of it, but for those that bore nothing."""
    parts = (
        *("shortfall", "own", "coinsurance", "skin", "junior", "senior"),
        *("mutual", "unpaidProfit", "remainder"),
    )
    record, decimals = system.default_record(number), system.deployment.decimals
    return {part: from_units(record[part], decimals) for part in parts if record[part]}


def begin_budget_window(system: System) -> None:
    """Goes to the first seconds of a budget window, so that what follows within hours lies in it."""
    window = system.fund.parameters()["budgetWindow"]
    chain.mine(timestamp=(chain.blocks.head.timestamp // window + 1) * window)
    system.renew_prices()


# ---- accounts


def fall_below(system: System, account: AccountAPI) -> ReceiptAPI:
    """Flags the account and lets its auction run out."""
    receipt = system.flag(account)
    system.pass_auction()
    return receipt


def withdraw(system: System, account: AccountAPI) -> int:
    """Takes all cash out, if there is any; returns units of S."""
    system.settle(account)
    amount: int = system.vault.cashOf(account)
    if amount:
        system.vault.withdraw(amount, account, [], sender=account)
    return amount


def wealth(system: System, accounts: Iterable[AccountAPI]) -> int:
    """What they own: tokens, and what they are worth to the clearing house, units of S."""
    return sum(system.token.balanceOf(account) + system.equity(account) for account in accounts)


def backing(system: System, accounts: Iterable[AccountAPI]) -> int:
    """S in the vault beyond what P1 accounts for: 0 but for donations. `accounts`: everybody."""
    markets = range(system.clearing_house.marketCount())
    pools = sum(system.vault.marketLedger(market).pool for market in markets)
    cash = sum(system.vault.cashOf(account) for account in accounts)
    return int(system.token.balanceOf(system.vault) - cash - pools - sum(system.vault.uncollected()))


# ---- whoever is below


def refresh_all(system: System) -> None:
    for market in range(system.clearing_house.marketCount()):
        system.clearing_house.refresh(market, sender=system.actors["keeper"])


def is_below(system: System, account: AccountAPI) -> bool:
    """Whether it has something to close, and less than it takes; at the marks of the last refresh."""
    equity, initial, maintenance, _ = system.clearing_house.health(account)
    return bool(initial) and equity < maintenance


def resolve_everyone(system: System, accounts: Sequence[AccountAPI], caller: AccountAPI) -> list[ReceiptAPI]:
    """Closes whoever is below maintenance margin by flag and deleveraging, in rounds, since what one can't
    pay may bring down others.

    Gives the receipts. Fails when it does not come to an end, or when a loss is left with nobody to bear it.
    """
    house, receipts = system.clearing_house, []
    for _ in range(len(accounts)):
        refresh_all(system)
        below = [account for account in accounts if is_below(system, account)]
        if not below:
            break
        receipts += [house.flag(a, sender=caller) for a in below if not house.flagOf(a)[0]]
        system.pass_auction()
        for account in below:
            # One before it may have ended the epochs of its markets: then settling is all that is left.
            if house.health(account)[1]:
                receipts.append(house.deleverage(account, [], sender=caller))
    else:
        raise AssertionError("somebody is always below")
    receipts += [house.settle([account], sender=caller) for account in accounts]
    assert house.insolvencies() == 0
    assert [
        account for account in accounts if system.vault.net(account) < 0 == house.health(account)[1]
    ] == []
    return receipts
