"""What the tests of collateral do again and again."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import ape
from ape import chain

from tests.system import System
from weir.parameters import AssetParameters, asset_struct

ASSETS = (
    AssetParameters(symbol="USDX", decimals=18, haircut=100_000, discount=50_000),
    AssetParameters(
        symbol="SAVE", share_of="S", haircut=50_000, discount=20_000, collateral_cap=Decimal(1_000)
    ),
)

BTC, ETH = range(2)
USDX, SAVE = range(2)
ONE_USDX, ONE_SAVE = 10**18, 10**6
LIVE, REVERTING = range(2)
"""Of a feed (TestFeed.Mode)."""
DURATION = 1_800
"""Of a sale: the price falls for so long, and stays as long again."""
ANY = 2**256 - 1


def pledge_share(system: System, account: Any, amount: Any) -> Any:
    """Puts `amount` USD into the vault of SAVE, whose rate is still 1, and pledges the shares."""
    share, units = system.assets["SAVE"], system.usd(amount)
    system.mint(account, amount)
    system.token.approve(share, units, sender=account)
    share.deposit(units, account, sender=account)
    share.approve(system.collateral, units, sender=account)
    return system.collateral.deposit(SAVE, units, sender=account)


def list_asset(system: System, asset: int, token: Any, price: float = 1, **changes: int) -> None:
    """The governor lists a token with the parameters of USDX, but for `changes`, and a feed of its own."""
    governor = system.actors["governor"]
    feed = governor.deploy(ape.project.TestFeed, 8, round(price * 10**8))
    system.oracle.setFeed(32_768 + asset, feed, 86_400, 10**17, 2 * 10**18, sender=governor)
    set_asset(system, asset, token, **changes)


def set_asset(system: System, asset: int, token: Any, **changes: int) -> Any:
    values = asset_struct(ASSETS[USDX], 18) | changes
    return system.stablecoins.setAsset(asset, token, False, values, sender=system.actors["governor"])


def ruin(system: System, account: Any, price: Any, market: int = BTC) -> Any:
    """The price comes, and the account is deleveraged when nobody has taken it over in time."""
    system.set_price(market, price)
    system.flag(account)
    system.pass_auction()
    return system.deleverage(account)


def start_sale(system: System, account: Any) -> int:
    """When it started."""
    return system.collateral.startSale(account, sender=system.actors["keeper"]).timestamp


def fund_buyer(system: System, buyer: Any, amount: Any) -> None:
    """So much in its wallet, for Collateral to take."""
    system.mint(buyer, amount)
    system.token.approve(system.collateral, ANY, sender=buyer)


def buy(
    system: System,
    account: Any,
    buyer: Any,
    amount: int = ANY,
    *,
    asset: int = USDX,
    at: int | None = None,
    to: Any = None,
    max_cost: int = ANY,
) -> Any:
    """At a time, if one is given."""
    if at is not None:
        chain.pending_timestamp = at
    receipt = system.collateral.buy(account, asset, amount, to or buyer, max_cost, sender=buyer)
    assert at is None or receipt.timestamp == at
    return receipt


def cash(system: System, *accounts: Any) -> list[int]:
    return [system.vault.cashOf(account) for account in accounts]


def held(system: System, *accounts: Any, asset: int = USDX) -> list[int]:
    return [system.collateral.heldOf(account, asset) for account in accounts]
