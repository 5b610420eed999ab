"""The specification of the reserve, read for tests; and what they do with one."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import ape

from tests.system import MILLION, WAD, System
from weir.deployment import to_units
from weir.parameters import AssetParameters, FundParameters

ALL = 2**256 - 1
BTC = 0
SALE = 1_800
"""Seconds until an auction's price is off by the whole discount; it runs twice as long."""
ASSETS = (
    AssetParameters(
        symbol="USDX",
        decimals=18,
        haircut=100_000,
        discount=50_000,
        weight=200_000,
        reserve_cap=Decimal(50_000),
    ),
    AssetParameters(symbol="USDY", decimals=6, haircut=50_000, discount=20_000, weight=100_000),
    AssetParameters(symbol="SAVE", share_of="S", haircut=40_000, discount=10_000, weight=100_000),
    AssetParameters(symbol="SUSD", share_of="USDX", haircut=200_000, discount=50_000, max_growth=100_000),
)
USDX, USDY, SAVE, SUSD = range(4)
WIDTH = {"USDX": 18, "USDY": 6, "SAVE": 6, "SUSD": 18}

# ------------------------------------------------------- the specification, read


def scale(symbol: str) -> int:
    """10^(18 + da - d), for a settlement token of 6 decimals."""
    return int(10 ** (18 + WIDTH[symbol] - 6))


def worth(symbol: str, units: int, price: int = WAD) -> int:
    return units * price // scale(symbol)


def value(symbol: str, units: int, price: int = WAD) -> int:
    haircut = next(asset.haircut for asset in ASSETS if asset.symbol == symbol)
    return worth(symbol, units, price) * (MILLION - haircut) // MILLION


def cost(symbol: str, units: int, factor: int, price: int = WAD) -> int:
    return -(-units * price * factor // (scale(symbol) * MILLION))


def units_for(symbol: str, amount: int, factor: int, price: int = WAD) -> int:
    """The fewest that cost so much."""
    return -(-amount * scale(symbol) * MILLION // (price * factor))


def tokens(symbol: str, amount: Any) -> int:
    return to_units(Decimal(str(amount)), WIDTH[symbol])


# ----------------------------------------------------------------------- stage


def deploy_reserve(deploy_system: Any, governor: Any) -> System:
    system: System = deploy_system(assets=ASSETS, fund=FundParameters(skin_target=Decimal(0)))
    system.fund.setMarketCover(BTC, MILLION, 0, sender=governor)
    return system


def the_house(system: System) -> Any:
    """The clearing house, with ether of its own."""
    address = system.clearing_house.address
    ape.chain.provider.set_balance(address, 10**21)
    return ape.accounts.test_accounts.impersonate_account(address)


def lose(system: System, amount: Any) -> Any:
    """A default that costs the fund so much."""
    return system.fund.resolve(system.actors["trader"], BTC, system.usd(amount), 0, sender=the_house(system))


def pay(system: System, buyer: Any, amount: Any = 10**6) -> None:
    """So much S in the wallet, for the reserve to take."""
    system.mint(buyer, amount)
    system.token.approve(system.reserve, ALL, sender=buyer)


def offer(system: System, seller: Any, symbol: str, amount: Any) -> int:
    """So many tokens in the wallet, for the reserve to take."""
    token, units = system.assets[symbol], tokens(symbol, amount)
    token.mint(seller, units, sender=seller)
    token.approve(system.reserve, ALL, sender=seller)
    return units


def skin(system: System) -> int:
    return int(system.fund.layers().skin)


def kill_vault(system: System, symbol: str) -> None:
    """It answers nothing any more, and burns all the gas it is given."""
    ape.chain.provider.set_code(system.assets[symbol].address, "0xfe")


def give_shares(system: System, giver: Any, symbol: str, amount: Any) -> int:
    """Deposits so much in the share's vault, and contributes the shares."""
    shares = system.assets[symbol]
    under = system.token if symbol == "SAVE" else system.assets["USDX"]
    units = tokens(symbol, amount)
    under.mint(giver, units, sender=giver)
    under.approve(shares, units, sender=giver)
    shares.deposit(units, giver, sender=giver)
    shares.approve(system.reserve, units, sender=giver)
    system.reserve.contribute(system.asset_id(symbol), units, sender=giver)
    return units


FEE, SILENT, HOOK = range(3)
