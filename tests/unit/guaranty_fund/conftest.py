"""A guaranty fund in a whole system, in which a test plays the insurance fund.

BTC stands at 10,000, nothing is charged for trading. A contribution is at least 100; an account of the middle
tier needs 2% of its notional beyond 10,000. A market may cost half of what members have in a day.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import ape
import pytest

from tests.system import System
from tests.unit.guaranty_fund.books import (
    FUNDING,
    GUARANTY,
    MARKETS,
)
from weir.parameters import (
    FundParameters,
    LiquidationParameters,
)


@pytest.fixture(scope="module")
def quiet(deploy_system: Any, actors: dict[str, Any]) -> System:
    """Traders have deposited; the fund is empty, nobody has joined."""
    made: System = deploy_system(
        markets=MARKETS,
        liquidation=LiquidationParameters(bounty_start=0, bounty_max=0, penalty=0),
        fund=FundParameters(skin_target=Decimal(0)),
        funding=FUNDING,
        guaranty=GUARANTY,
    )
    made.deposit(actors["market_maker"], 1_000_000)
    for role in ("trader", "other_trader", "liquidator"):
        made.deposit(actors[role], 10_000)
    return made


@pytest.fixture
def guaranty(quiet: System) -> Any:
    return quiet.guaranty


@pytest.fixture
def insurer(quiet: System) -> Any:
    """The insurance fund, which does what a test tells it."""
    ape.chain.provider.set_balance(quiet.fund.address, 10**21)
    return ape.accounts.test_accounts.impersonate_account(quiet.fund.address)


@pytest.fixture
def members(quiet: System, staker: Any, other_staker: Any, trader: Any) -> System:
    """The staker has 100, the other staker 200, the trader 300."""
    for account, amount in ((staker, 100), (other_staker, 200), (trader, 300)):
        quiet.join(account, amount)
    return quiet
