"""Orders, and typed reads through a crash and under a policy that charges."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from tests.moves import WAD, an_order, liquidator, market_maker, stranger, trader
from tests.unit.client.moves import as_printed, crash, post_target, trade
from weir import client as client_module
from weir.chain import ContractError
from weir.client import Weir
from weir.formatting import exact_json
from weir.node import Node
from weir.orders import sign_order
from weir.status import collect

# -------------------------------------------------------------------- orders


@pytest.mark.parametrize(
    "changes", [{}, {"is_buy": True, "reduce_only": True, "market": 1, "salt": 2**64 - 1}]
)
def test_order_hashes_are_the_clearing_house_s(weir: Weir, changes: dict[str, Any]) -> None:
    order = an_order(weir, **changes)
    assert weir.chain.call(weir.clearing_house.functions.hashOrder(order.as_tuple())) == weir.order_hash(
        order
    )


def test_a_signed_order_is_filled(weir: Weir) -> None:
    receipt = trade(weir, size=WAD)
    traded = receipt.event("Traded")
    assert (traded["maker"], traded["taker"]) == (market_maker.address, trader.address)
    assert (traded["size"], traded["price"], traded["makerBuys"]) == (WAD, 60_000 * WAD, False)
    assert weir.chain.call(weir.clearing_house.functions.filled(traded["orderHash"])) == WAD


def test_an_order_signed_for_another_chain_is_not(weir: Weir) -> None:
    order = an_order(weir)
    elsewhere = sign_order(order, market_maker, 1, weir.deployment.address("ClearingHouse"))
    with pytest.raises(ContractError, match="OrderSignatureInvalid"):
        weir.chain.send(trader, weir.clearing_house.functions.trade(order.as_tuple(), elsewhere, WAD))


# ---------------------------------------------------------------- typed reads


def test_a_crash_as_the_client_tells_it(weir: Weir) -> None:
    trade(weir)
    position = weir.account(trader.address).positions[0]
    assert (position.market, position.size, position.live) == (0, 3 * WAD, True)
    assert weir.usd(position.notional) == 180_000
    assert weir.account(market_maker.address).positions[0].size == -3 * WAD

    crash(weir)
    account = weir.account(trader.address)
    assert weir.usd(account.unsettled) == -30_000
    assert account.equity == account.cash + account.unsettled
    assert account.margin_used is None
    assert weir.markets()[0].price == 50_000 * WAD
    assert weir.markets()[0].stored_price == 60_000 * WAD
    assert [(found.address, found.flag) for found in weir.actionable()] == [(trader.address, True)]

    weir.chain.send(stranger, weir.clearing_house.functions.flag(trader.address))
    (found,) = weir.actionable()
    assert (found.liquidate, found.flagged_at) == (True, weir.chain.timestamp())
    assert weir.account(trader.address).insolvent
    assert not weir.fund_state().gate_open
    assert weir.fund_state().insolvencies == 1

    weir.chain.send(liquidator, weir.clearing_house.functions.liquidate(trader.address, WAD, []))
    (default,) = weir.defaults()
    assert (default.id, default.account, default.market) == (1, trader.address, 0)
    paid = default.coinsurance + default.skin + default.junior + default.senior + default.unpaid_profit
    assert default.shortfall == paid + default.remainder > 0
    assert (default.own, default.mutual, default.recovered) == (0, 0, 0)
    fund = weir.fund_state()
    assert (fund.defaults, fund.gate_open) == (1, True)
    assert fund.assets == fund.skin + fund.unvested + fund.junior + fund.senior
    assert fund.junior_tranche.assets == fund.junior < weir.units(Decimal(1_000))
    assert weir.account(liquidator.address).positions[0].size == 3 * WAD
    assert weir.actionable() == ()


def test_the_books_balance_through_a_crash(weir: Weir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "ACCOUNTS_PER_CALL", 2)
    trade(weir)
    crash(weir, 58_000)
    found = weir.identities()
    assert (found.accounts, found.donations) == (3, 0)
    bitcoin, ether = found.markets
    assert bitcoin.surplus == 0 == bitcoin.mismatch
    assert bitcoin.long_size == bitcoin.short_size == bitcoin.open_interest == 3 * WAD
    assert (ether.surplus, ether.open_interest) == (0, 0)
    weir.chain.send(stranger, weir.clearing_house.functions.settle([trader.address]))
    after = weir.identities()
    assert weir.usd(after.pools) == 6_000
    assert (after.donations, after.markets[0].surplus) == (0, 0)
    weir.chain.send(stranger, weir.token.functions.mint(weir.vault.address, 9))
    assert weir.identities().donations == 9


def test_accounts_are_paged_and_picked(weir: Weir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "ACCOUNTS_PER_CALL", 2)
    everyone = [account.address for account in (market_maker, trader, liquidator)]
    assert [found.address for found in weir.accounts()] == everyone
    picked = [liquidator.address, stranger.address, trader.address]
    found = weir.accounts(picked)
    assert [account.address for account in found] == picked
    assert [weir.usd(account.cash) for account in found] == [500_000, 0, 10_000]
    assert weir.accounts([]) == ()


def test_defaults_are_read_from_any_number_on(weir: Weir) -> None:
    assert weir.defaults() == ()
    trade(weir)
    crash(weir)
    weir.chain.send(stranger, weir.clearing_house.functions.flag(trader.address))
    weir.chain.send(liquidator, weir.clearing_house.functions.liquidate(trader.address, WAD, []))
    assert len(weir.defaults(1)) == 1
    assert weir.defaults(2) == ()


def test_status_shows_who_is_at_risk_and_who_defaulted(weir: Weir) -> None:
    trade(weir)
    assert collect(weir)["accounts"]["at_risk"] == []
    crash(weir, 58_500)
    (near,) = collect(weir)["accounts"]["at_risk"]
    assert (near["address"], near["flagged_at"], near["insolvent"]) == (trader.address, None, False)
    assert 0.8 < near["margin_used"] < 1
    assert near["positions"] == {"BTC": Decimal(3)}

    crash(weir)
    weir.chain.send(stranger, weir.clearing_house.functions.flag(trader.address))
    before = collect(weir)
    (lost,) = before["accounts"]["at_risk"]
    assert (lost["margin_used"], lost["insolvent"]) == (None, True)
    assert lost["flagged_at"] == before["time"]
    assert "closed: 1 insolvent" in as_printed(before)

    weir.chain.send(liquidator, weir.clearing_house.functions.liquidate(trader.address, WAD, []))
    after = json.loads(exact_json(collect(weir)))
    assert after["accounts"] == {"count": 3, "at_risk": []}
    (default,) = after["defaults"]
    assert (default["account"], default["market"]) == (trader.address, "BTC")
    assert Decimal(default["shortfall"]) == weir.usd(weir.defaults()[0].shortfall)
    assert all(line["holds"] for line in after["identities"])
    assert "Defaults (the last 1 of 1)" in as_printed(collect(weir))


def test_nothing_at_risk_means_no_coverage(weir: Weir) -> None:
    assert weir.fund_state().coverage is None
    trade(weir)
    fund = weir.fund_state()
    assert fund.coverage == fund.assets * 10**6 // fund.target


def test_the_funding_policy_as_the_client_tells_it(charging: Weir) -> None:
    """The fund has 2,000; 180,000 of open interest asks for 9,000, so it has 22.2% of its target."""
    weir, read = charging, charging.policy.functions
    trade(weir)
    fund = weir.fund_state()
    assert weir.usd(fund.target) == 9_000
    assert fund.coverage == 222_222
    for name, view in (
        ("stress", read.stressAt(222_222)),
        ("fund_share", read.fundShare()),
        ("premium_rate", read.premiumRateAt(222_222)),
        ("scarcity", read.scarcityAt(222_222)),
        ("open_interest_cap", read.openInterestCap()),
    ):
        assert getattr(fund, name) == weir.chain.call(view) > 0, name
    assert (fund.posted_target, fund.posted_at, fund.fresh) == (0, 0, False)
    at = post_target(weir, 9_500)
    fund = weir.fund_state()
    assert (weir.usd(fund.posted_target), fund.posted_at, fund.fresh) == (9_500, at, True)
    assert weir.usd(fund.target) == 9_500


def test_what_a_trade_costs_is_known_before_and_after(charging: Weir) -> None:
    weir = charging
    foreseen = weir.preview_contribution(
        trader.address, 0, 3 * WAD, 60_000 * WAD, counterparty=market_maker.address
    )
    block = trade(weir).block
    made, taken = weir.contributions()
    assert [(charge.account, charge.market, charge.block) for charge in (made, taken)] == [
        (market_maker.address, 0, block),
        (trader.address, 0, block),
    ]
    assert (taken.amount, taken.scarcity, taken.concentration, taken.leverage, taken.tier_rate) == (
        foreseen.amount,
        foreseen.scarcity,
        foreseen.concentration,
        foreseen.leverage,
        foreseen.tier_rate,
    )
    assert taken.amount * 10**6 == weir.units(Decimal(180_000)) * foreseen.rate
    assert (foreseen.tier, foreseen.tier_rate, foreseen.coverage) == (2, 100, 222_222)
    assert weir.contributions(trader.address) == (taken,)
    assert weir.contributions(first=block + 1) == ()
    levies = weir.chain.call(weir.vault.functions.uncollected())[1]
    assert levies == made.amount + taken.amount

    # At such leverage a withdrawal costs, too.
    weir.chain.send(trader, weir.vault.functions.withdraw(weir.units(Decimal(100)), trader.address, []))
    (charge,) = weir.contributions(trader.address, block + 1)
    assert (charge.market, charge.scarcity, charge.concentration, charge.tier_rate) == (None, 0, 0, 0)
    assert charge.amount == weir.chain.call(weir.vault.functions.uncollected())[1] - levies > 0


def test_a_trade_that_the_policy_stops_is_named(charging: Weir) -> None:
    with pytest.raises(ContractError) as refused:
        charging.preview_contribution(trader.address, 0, 4 * WAD)
    assert refused.value.name == "NewRiskStopped"


def test_the_books_hold_while_a_premium_accrues(charging: Weir, node: Node) -> None:
    weir = charging
    trade(weir)
    node.increase_time(5 * 3_600)
    node.mine()
    found = weir.identities()
    bitcoin = found.markets[0]
    assert bitcoin.accrued > 0 == found.donations
    assert 0 <= bitcoin.surplus <= 4
    assert weir.markets()[0].premium_rate > 0
    weir.chain.send(stranger, weir.clearing_house.functions.refresh(0))
    after = weir.identities().markets[0]
    assert (after.accrued, 0 <= after.surplus <= 4) == (0, True)
    assert after.claims >= bitcoin.accrued


def test_status_shows_the_funding_policy(charging: Weir, node: Node) -> None:
    weir = charging
    trade(weir)
    fund = json.loads(exact_json(collect(weir)))["fund"]
    assert Decimal(fund["target"]) == 9_000
    assert (fund["coverage"], fund["fund_share"]) == (0.222222, 1.0)
    assert (fund["premium_rate"], fund["scarcity"]) == (0.096482, 0.000963)
    assert Decimal(fund["open_interest_cap"]) == 1_000_000
    assert fund["posted_target"] is None
    shown = as_printed(collect(weir))
    for text in ("Share of fees", "100.0%", "9.65%", "0.096%", "$1,000,000.00", "none"):
        assert text in shown

    post_target(weir, 9_500)
    node.increase_time(7_200)
    node.mine()
    posted = json.loads(exact_json(collect(weir)))["fund"]["posted_target"]
    assert (Decimal(posted["amount"]), posted["fresh"]) == (9_500, True)
    assert 7_200 <= posted["age"] < 7_300
    assert "$9,500.00, 2.0 h ago" in as_printed(collect(weir))
    node.increase_time(2 * 86_400)
    node.mine()
    assert collect(weir)["fund"]["posted_target"]["fresh"] is False
    assert "h ago, expired" in as_printed(collect(weir))


def test_without_a_target_status_has_no_coverage(weir: Weir) -> None:
    assert collect(weir)["fund"]["coverage"] is None
    assert "Funding policy" in as_printed(collect(weir))


def test_markets_are_found_by_symbol(weir: Weir) -> None:
    assert [weir.market_id(symbol) for symbol in ("BTC", "ETH")] == [0, 1]
    with pytest.raises(LookupError, match="no market 'DOGE'; the markets are BTC, ETH"):
        weir.market_id("DOGE")
