"""The whole protocol, with a stablecoin (18 decimals) and a share of the settlement token to pledge."""

import ape
import pytest

from tests.unit.collateral.moves import ASSETS


@pytest.fixture(scope="module")
def pledged_system(deploy_system, deployer, market_maker, trader, liquidator, staker, other_staker):
    """The trader has 1,000 of cash and 10,000 USDX, which count for 9,000; it is long 5 BTC at 10,000."""
    system = deploy_system(assets=ASSETS)
    for account, amount in ((market_maker, 1_000_000), (trader, 1_025), (liquidator, 200_000)):
        system.deposit(account, amount)
    system.contribute(deployer, 10_000)
    system.stake(system.junior, staker, 20_000)
    system.stake(system.senior, other_staker, 40_000)
    system.pledge(trader, "USDX", 10_000)
    system.trade(trader, market_maker, 5, 10_000)
    return system


@pytest.fixture
def impersonated():
    """A contract as an account that sends."""

    def account(contract):
        ape.chain.provider.set_balance(contract.address, 10**21)
        return ape.accounts.test_accounts.impersonate_account(contract.address)

    return account


@pytest.fixture(autouse=True)
def answering_feeds(pledged_system, deployer):
    """Prices of now: time that other tests have let pass is not always undone, and feeds go stale."""
    pledged_system.renew_prices()
    for feed in pledged_system.asset_feeds.values():
        feed.setAnswer(10**8, sender=deployer)
