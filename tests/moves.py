"""People, and what they do with a client on a node of their own: get money, put it in, trade.

Money in USD; what these return is in units of the token.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from eth_account.signers.local import LocalAccount
from web3.contract import Contract

from weir.accounts import development_account
from weir.chain import Receipt
from weir.client import Weir
from weir.orders import Order

WAD = 10**18

deployer = development_account(0)
poster = development_account(4)
market_maker = development_account(5)
trader = development_account(6)
liquidator = development_account(7)
staker = development_account(8)
stranger = development_account(9)

Usd = Decimal | int


def mint(weir: Weir, account: LocalAccount, usd: Usd) -> int:
    units = weir.units(Decimal(usd))
    weir.chain.send(account, weir.token.functions.mint(account.address, units))
    return units


def mint_coins(weir: Weir, account: LocalAccount, symbol: str, amount: Usd) -> int:
    """Of another stablecoin."""
    units = weir.assets.units(symbol, Decimal(amount))
    weir.chain.send(account, weir.assets.token(symbol).functions.mint(account.address, units))
    return units


def give(weir: Weir, account: LocalAccount, spender: Contract, usd: Usd) -> int:
    """Money that the spender may take from the account."""
    units = mint(weir, account, usd)
    weir.chain.send(account, weir.token.functions.approve(spender.address, units))
    return units


def deposit(weir: Weir, account: LocalAccount, usd: Usd) -> None:
    units = give(weir, account, weir.vault, usd)
    weir.chain.send(account, weir.vault.functions.deposit(account.address, units))


def stake(weir: Weir, tranche: Contract, usd: Usd) -> None:
    units = give(weir, staker, tranche, usd)
    weir.chain.send(staker, tranche.functions.deposit(units, staker.address))


def contribute(weir: Weir, account: LocalAccount, usd: Usd) -> None:
    """To the insurance fund, as skin."""
    weir.chain.send(account, weir.fund.functions.contribute(give(weir, account, weir.fund, usd)))


def an_order(weir: Weir, **changes: Any) -> Order:
    """Unless it is changed, the market maker sells 3 BTC at 60,000 within an hour."""
    fields = {
        "maker": market_maker.address,
        "market": 0,
        "is_buy": False,
        "reduce_only": False,
        "size": 3 * WAD,
        "price": 60_000 * WAD,
        "expiry": weir.chain.timestamp() + 3_600,
    }
    return Order(**(fields | changes))


def fill(weir: Weir, taker: LocalAccount, order: Order, size: int | None = None) -> Receipt:
    """Takes an order of the market maker's, by default all of it."""
    signature = weir.sign(order, market_maker)
    call = weir.clearing_house.functions.trade(order.as_tuple(), signature, size or order.size)
    return weir.chain.send(taker, call)


def set_price(weir: Weir, feed: Contract, price: Decimal | int | str) -> None:
    """What a development feed answers from now on, USD."""
    weir.chain.send(deployer, feed.functions.setAnswer(int(Decimal(price) * 10**8)))
