"""What the tests of the guaranty fund read and do."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.expect import event
from tests.system import System
from tests.unit.fund_helpers import wait_until
from weir.parameters import FREE_FUNDING as FREE
from weir.parameters import (
    GuarantyParameters,
    MarketParameters,
    guaranty_struct,
)

BTC, ETH = 0, 1
MILLION = 10**6
HOUR, DAY = 3_600, 86_400
NOTICE, WINDOW = 14 * DAY, 3 * DAY
REVERTING = 1
"""Mode of a development feed."""
UNITS = 10**6
"""Of the guaranty fund, for each unit of S that the first to come brings."""
GUARANTY = GuarantyParameters(
    min_contribution=Decimal(100),
    notice_period=NOTICE,
    exit_window=WINDOW,
    loss_window=DAY,
    loss_share=500_000,
)
FUNDING = FREE.model_copy(
    update={
        "share_min": 800_000,
        "share_slope": 0,
        "member_threshold": Decimal(10_000),
        "member_ratio": 10_000,
        "member_step": 5_000,
    }
)
MARKETS = tuple(
    MarketParameters(
        symbol=symbol,
        price=Decimal(price),
        maker_fee=0,
        taker_fee=0,
        max_funding_rate=0,
        budget_share=1_000_000,
        coinsurance=0,
    )
    for symbol, price in (("BTC", 10_000), ("ETH", 500))
)


def balances(system: System, *accounts: Any) -> list[int]:
    return [system.guaranty.balanceOf(account) for account in accounts]


def usd(system: System, *amounts: Any) -> list[int]:
    return [system.usd(amount) for amount in amounts]


def book(system: System) -> tuple[int, int, int]:
    return tuple(system.guaranty.book())


def at_rest(system: System) -> bool:
    """What is booked is there."""
    held: int = system.token.balanceOf(system.guaranty)
    return held == system.guaranty.totalAssets() == book(system)[0]


def give_notice(system: System, account: Any, amount: Any = 10**9) -> int:
    """Of all by default; when it may first be released."""
    receipt = system.guaranty.requestExit(system.usd(amount), sender=account)
    return int(event(receipt, "ExitRequested")["from"])


def leave(system: System, account: Any, amount: Any = 10**9) -> Any:
    """Notice, wait, release; the receipt."""
    wait_until(give_notice(system, account, amount))
    system.renew_prices()
    return system.guaranty.release(account, sender=account)


def set_guaranty(system: System, **changes: Any) -> Any:
    values = guaranty_struct(GUARANTY.model_copy(update=changes), system.deployment.decimals)
    return system.guaranty.setParameters(tuple(values.values()), sender=system.actors["governor"])


def give_index(system: System, insurer: Any, earned: int) -> None:
    """Members earn `earned` units of S, so that a unit is worth more than one."""
    system.token.mint(system.guaranty, earned, sender=insurer)
    system.guaranty.earn(earned, sender=insurer)


def shut_gate(system: System) -> None:
    """The accomplice is known to be insolvent."""
    accomplice = system.actors["accomplice"]
    system.deposit(accomplice, 1_000)
    system.trade(accomplice, system.actors["market_maker"], 1, 10_000)
    system.set_price(BTC, 8_000)
    system.flag(accomplice)
    assert system.clearing_house.insolvencies() == 1
