"""The risk engine beside a chain: the book at a block, and a sizing whose target the contract takes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.moves import (
    WAD,
    an_order,
    contribute,
    deployer,
    deposit,
    fill,
    give,
    liquidator,
    market_maker,
    mint_coins,
    poster,
    stake,
    stranger,
    trader,
)
from weir.chain import connect
from weir.client import Weir
from weir.deployment import deploy
from weir.node import Node
from weir.parameters import AssetParameters, FundingParameters, MarketParameters, Parameters
from weir.risk.inputs.book import Book
from weir.risk.inputs.chain import read_book

DAY = 86_400

hedger, member = liquidator, stranger

PARAMETERS = Parameters(
    markets=(
        MarketParameters(symbol="BTC", price=Decimal(60_000), heartbeat=DAY),
        MarketParameters(symbol="ETH", price=Decimal(3_000), heartbeat=DAY),
    ),
    assets=(AssetParameters(symbol="USDC", weight=500_000, collateral_cap=Decimal(1_000_000)),),
    funding=FundingParameters(stop_below=0, member_threshold=Decimal(10**8)),
)


@pytest.fixture(scope="module")
def weir() -> Iterator[Weir]:
    """BTC 20 and ETH -100 of the trader, the rest the market maker's; USDC in margin and in the fund."""
    with Node("anvil", timestamp=1_700_000_000) as node:
        w3 = connect(node.url)
        system = Weir(w3, deploy(w3, deployer, PARAMETERS))
        for account, amount in ((market_maker, 2_000_000), (trader, 90_000), (hedger, 50_000)):
            deposit(system, account, amount)
        stake(system, system.junior, 30_000)
        stake(system, system.senior, 60_000)
        contribute(system, deployer, 40_000)
        system.join(member, give(system, member, system.guaranty, 5_000))
        system.assets.pledge(trader, "USDC", mint_coins(system, trader, "USDC", 20_000))
        system.assets.contribute(deployer, "USDC", mint_coins(system, deployer, "USDC", 10_000))
        fill(system, trader, an_order(system, size=20 * WAD))
        ether = {"market": system.market_id("ETH"), "price": 3_000 * WAD}
        fill(system, trader, an_order(system, is_buy=True, size=100 * WAD, **ether))
        fill(system, hedger, an_order(system, is_buy=True, size=2 * WAD))
        yield system


def test_the_book_is_what_the_lens_says(weir: Weir) -> None:
    book = read_book(weir)
    assert {name: market.price for name, market in book.markets.items()} == {"BTC": 60_000, "ETH": 3_000}
    assert book.markets["BTC"].maintenance_margin == 0.03
    accounts = {account.account: account for account in book.accounts}
    assert accounts[trader.address].positions == {"BTC": 20, "ETH": -100}
    assert accounts[hedger.address].positions == {"BTC": -2}
    assert accounts[market_maker.address].positions == {"BTC": -18, "ETH": 100}
    assert accounts[trader.address].collateral == {"USDC": pytest.approx(19_000)}  # a haircut of 5%
    assert accounts[member.address].guaranty == 5_000
    assert accounts[trader.address].tier is None
    for account in accounts.values():
        assert account.equity == pytest.approx(float(weir.usd(weir.account(account.account).equity)))
    assert book.open_interest() == {"BTC": 1_200_000, "ETH": 300_000}


def test_the_layers_are_the_fund_s_assets(weir: Weir) -> None:
    book, state = read_book(weir), weir.fund_state()
    assert book.fund.assets == pytest.approx(float(weir.usd(state.assets)), abs=1e-6)
    assert (book.fund.junior, book.fund.senior, book.fund.guaranty) == (30_000, 60_000, 5_000)
    assert book.stablecoins["USDC"].reserve == pytest.approx(float(weir.usd(state.reserve)))
    assert 0 < book.stablecoins["USDC"].reserve < book.fund.skin


def test_it_names_its_block_and_what_may_be_posted(weir: Weir) -> None:
    found = read_book(weir).source
    assert found is not None
    assert found.block == int(weir.chain.block()["number"], 16)
    assert (found.chain, found.vault) == (31337, weir.vault.address)
    # The formula's target is 5% of 1.5 million; 25% of it is a step.
    assert (found.target_low, found.target_high) == (56_250, 93_750)


def test_a_block_of_the_past_is_read_as_it_was(weir: Weir) -> None:
    now = read_book(weir)
    assert now.source is not None
    before = read_book(weir, block=now.source.block - 2)
    accounts = {account.account: account for account in before.accounts}
    assert accounts[hedger.address].positions == {}
    assert read_book(weir, block=now.source.block) == now


def test_tiers_that_stand_and_tiers_that_may_not_move(weir: Weir) -> None:
    snapshot = weir.chain.rpc("evm_snapshot")
    block = int(weir.chain.block()["number"], 16)
    evidence = (bytes(32), bytes(32), block)
    post = weir.policy.functions.postTiers
    weir.chain.send(poster, post([trader.address, hedger.address], [3, 2], evidence))
    tiers = {each.account: (each.tier, each.tier_fixed) for each in read_book(weir).accounts}
    # The hedger's was renewed, not moved: it may still move.
    assert tiers[trader.address] == (3, True)
    assert tiers[hedger.address] == (2, False)
    assert tiers[market_maker.address] == (None, False)
    weir.chain.rpc("evm_revert", snapshot)


def test_a_book_from_a_chain_survives_a_file(weir: Weir, tmp_path: Path) -> None:
    book = read_book(weir)
    for name in ("book.json", "book.parquet"):
        book.save(tmp_path / name)
        assert Book.load(tmp_path / name) == book
    assert json.loads((tmp_path / "book.json").read_text())["source"]["chain"] == 31337
