"""The guaranty fund as the client tells it: who joins, who leaves, and who pays."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from tests.moves import WAD, give, liquidator, market_maker, staker, stranger, trader
from tests.unit.client.moves import as_printed, crash, trade
from weir import client as client_module
from weir.chain import ContractError
from weir.client import Weir
from weir.formatting import exact_json, utc
from weir.layers import LAYERS
from weir.node import Node
from weir.parameters import Parameters
from weir.states import MemberState, Recovered
from weir.status import collect

# ------------------------------------------------------------ the guaranty fund


def _join(weir: Weir, account: Any, amount: int) -> None:
    """A contribution of the account's own, in USD."""
    give(weir, account, weir.guaranty, amount)
    weir.join(account, weir.units(Decimal(amount)))


def _members(weir: Weir) -> dict[str, MemberState]:
    return {member.address: member for member in weir.members()}


def _pass(node: Node, seconds: int) -> None:
    node.increase_time(seconds)
    node.mine()


def _bad_debt(weir: Weir) -> int:
    """Long 3 BTC from 60,000, the trader has 800 beside its 10,000; the maker has 900, the staker 500.

    What the fund paid of the bounty.
    """
    for account, amount in ((market_maker, 900), (trader, 800), (staker, 500)):
        _join(weir, account, amount)
    trade(weir)
    crash(weir)
    weir.chain.send(stranger, weir.clearing_house.functions.flag(trader.address))
    liquidate = weir.clearing_house.functions.liquidate(trader.address, WAD, [])
    return int(weir.chain.send(liquidator, liquidate).event("BountyPaid")["amount"])


def test_who_must_be_a_member_and_what_it_owes(mutual: Weir) -> None:
    weir = mutual
    assert weir.members() == ()
    _join(weir, market_maker, 900)
    with pytest.raises(ContractError) as refused:
        trade(weir)
    assert (refused.value.name, refused.value.arguments["account"]) == ("MembershipRequired", trader.address)
    assert refused.value.arguments["requirement"] == weir.units(Decimal(800))

    # Anyone joins for anyone, and who joins approves no more than once.
    give(weir, stranger, weir.vault, 800)
    receipt = weir.join(stranger, weir.units(Decimal(800)), trader.address)
    joined = receipt.event("Joined")
    assert (joined["account"], joined["payer"]) == (trader.address, stranger.address)
    trade(weir)
    found = _members(weir)
    assert list(found) == [market_maker.address, trader.address]
    assert {weir.usd(member.requirement) for member in found.values()} == {800}
    for address, balance in ((market_maker.address, 900), (trader.address, 800)):
        member = found[address]
        assert (weir.usd(member.balance), member.owed, member.tier) == (balance, 0, 2)
        assert (weir.usd(member.notional), member.noticed, member.opens_at) == (180_000, 0, 0)

    # Chosen ones come as they are asked for, also those that are none.
    asked = [stranger.address, trader.address]
    none, member = weir.members(asked)
    assert [none.address, member.address] == asked
    assert (none.balance, none.requirement, member) == (0, 0, found[trader.address])
    assert weir.members([]) == ()
    fund = weir.fund_state().guaranty
    parameters = Parameters().guaranty
    assert (weir.usd(fund.total), fund.units, fund.epoch) == (1_700, fund.total * 10**6, 0)
    assert weir.usd(fund.min_contribution) == parameters.min_contribution
    for name in ("notice_period", "exit_window", "loss_window", "loss_share"):
        assert getattr(fund, name) == getattr(parameters, name), name


def test_a_member_outside_the_vault_is_found_and_pages_are_joined(
    mutual: Weir, monkeypatch: pytest.MonkeyPatch
) -> None:
    weir = mutual
    monkeypatch.setattr(client_module, "ACCOUNTS_PER_CALL", 1)
    monkeypatch.setattr(client_module, "ADDRESSES_PER_CALL", 2)
    before = weir.chain.w3.eth.block_number
    for account, amount in ((staker, 300), (liquidator, 200), (staker, 100)):
        _join(weir, account, amount)
    assert staker.address not in {account.address for account in weir.accounts()}
    assert [(m.address, weir.usd(m.balance)) for m in weir.members()] == [
        (liquidator.address, 200),
        (staker.address, 400),
    ]
    assert weir.members(block=before) == ()


def test_a_member_leaves_within_its_window(mutual: Weir, node: Node) -> None:
    weir = mutual
    _join(weir, staker, 500)
    weir.request_exit(staker, weir.units(Decimal(200)))
    weir.request_exit(staker, 0)
    assert _members(weir)[staker.address].noticed == 0
    weir.request_exit(staker, weir.units(Decimal(300)))
    member = _members(weir)[staker.address]
    period, window = (getattr(Parameters().guaranty, name) for name in ("notice_period", "exit_window"))
    assert weir.usd(member.noticed) == 300
    assert (member.opens_at, member.closes_at) == (
        weir.chain.timestamp() + period,
        weir.chain.timestamp() + period + window,
    )
    with pytest.raises(ContractError, match="NotReleasable"):
        weir.release(stranger, staker.address)
    _pass(node, period)
    released = weir.release(stranger, staker.address).event("Released")
    assert (released["account"], weir.usd(released["amount"])) == (staker.address, 300)
    assert weir.usd(weir.chain.call(weir.token.functions.balanceOf(staker.address))) == 300
    assert weir.usd(_members(weir)[staker.address].balance) == 200

    # A rest of 50 would be below the minimum: it comes along.
    weir.request_exit(staker, weir.units(Decimal(150)))
    _pass(node, period)
    assert weir.usd(weir.release(staker, staker.address).event("Released")["amount"]) == 200
    assert weir.members() == ()


def test_a_default_goes_through_both_funds_and_comes_back(mutual: Weir) -> None:
    """Half of the tranches' 2,000, bounty included, and half of the other members' 1,400 may be spent."""
    weir = mutual
    total = weir.units(Decimal(2_200))
    assert weir.loss_budget(0).left == 0
    bounty = weir.usd(_bad_debt(weir))
    (default,) = weir.defaults()
    junior = 1_000 - bounty
    assert 0 < bounty < 400
    assert [weir.usd(getattr(default, layer)) for layer in LAYERS] == [800, 0, 0, junior, 0, 700, 0]
    assert default.shortfall == sum(getattr(default, layer) for layer in LAYERS) + default.remainder
    assert default.remainder > 0 == default.recovered
    assert weir.fund_state().guaranty.total == total - default.own - default.mutual
    assert {address: weir.usd(m.balance) for address, m in _members(weir).items()} == {
        market_maker.address: 450,
        liquidator.address: 0,  # it should, with what it took over
        staker.address: 250,
    }
    spent, untouched = weir.loss_budget(0), weir.loss_budget(1)
    assert (spent.market, spent.left) == (0, 0)
    assert weir.usd(untouched.left) == 350
    assert spent.window == untouched.window == weir.chain.timestamp() // 86_400

    # 700 for the members, 300 of what a junior tranche paid that is gone, so to skin.
    named = default.own + default.junior + default.mutual
    assert weir.recovered(1) == Recovered(0, named)
    give(weir, stranger, weir.vault, 3_000)
    back = weir.recover(stranger, 1, weir.units(Decimal(1_000))).event("Recovered")["recovery"]
    assert {name: weir.usd(amount) for name, amount in back.items()} == {
        "mutual": 700,
        "senior": 0,
        "junior": 0,
        "skin": 300,
        "own": 0,
    }
    thousand = weir.units(Decimal(1_000))
    assert weir.recovered(1) == Recovered(thousand, named - thousand)
    assert weir.defaults()[0].recovered == weir.units(Decimal(1_000))
    assert weir.usd(_members(weir)[market_maker.address].balance) == 900
    # More than is open is not taken; the defaulter's own comes last.
    weir.recover(stranger, 1, weir.units(Decimal(2_000)))
    left = weir.chain.call(weir.token.functions.balanceOf(stranger.address))
    assert left == 3 * thousand - named
    assert weir.usd(_members(weir)[trader.address].balance) == 800
    with pytest.raises(ContractError, match="NothingToRecover"):
        weir.recover(stranger, 1, 1)
    with pytest.raises(ContractError, match="UnknownDefault"):
        weir.recovered(2)


def test_status_shows_members_and_what_they_owe(mutual: Weir, node: Node) -> None:
    weir = mutual
    assert "Members: none" in as_printed(collect(weir))
    assert json.loads(exact_json(collect(weir)))["members"] == []
    _bad_debt(weir)
    status = json.loads(exact_json(collect(weir)))
    members = {member["address"]: member for member in status["members"]}
    # 1% of 150,000 less 100,000, and the loss of half has left 450.
    maker = members[market_maker.address]
    assert (Decimal(maker["balance"]), Decimal(maker["requirement"])) == (450, 500)
    assert (Decimal(maker["owed"]), maker["tier"], maker["opens_at"]) == (50, 2, None)
    # Who took the position over need be no member for that.
    assert Decimal(members[liquidator.address]["owed"]) == 500
    fund = status["guaranty"]
    assert (Decimal(fund["total"]), fund["members"], Decimal(fund["owed"])) == (700, 2, 550)
    assert (fund["loss_share"], fund["loss_window"], fund["wipe_outs"]) == (0.5, 86_400, 0)
    assert [Decimal(market["members_may_pay"]) for market in status["markets"]] == [0, 350]
    (default,) = status["defaults"]
    assert (Decimal(default["own"]), Decimal(default["mutual"])) == (800, 700)
    printed = as_printed(collect(weir))
    for text in ("Guaranty fund", "Members (3)", "$450.00", "$50.00", "owes: no new risk"):
        assert text in printed

    # Who paid stands in the order of the waterfall, and who did not pay is not named.
    junior, left = (f"${Decimal(default[name]):,.2f}" for name in ("junior", "remainder"))
    assert f"own $800.00, junior {junior}, mutual $700.00, open interest {left}" in printed

    weir.request_exit(staker, weir.units(Decimal(100)))
    member = _members(weir)[staker.address]
    assert f"leaves from {utc(member.opens_at)}" in as_printed(collect(weir))
    _pass(node, Parameters().guaranty.notice_period)
    assert f"may leave until {utc(member.closes_at)}" in as_printed(collect(weir))
    assert Decimal(json.loads(exact_json(collect(weir)))["guaranty"]["noticed"]) == 100
    _pass(node, Parameters().guaranty.exit_window)
    lapsed = as_printed(collect(weir))
    assert "may leave until" not in lapsed
    assert "leaves from" not in lapsed
