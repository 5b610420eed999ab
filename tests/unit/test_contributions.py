"""`weir contribution` against the contracts: what it says a trade costs is what the trade then pays, and why.

The stage is the worked example of docs/funding.md: a fund of 70,000, 1,000,000 of open interest in ETH and
800,000 in BTC, the default policy, and a trader with 20,000.
"""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import ape
import pytest
from eth_utils import to_checksum_address
from rich.console import Console

from tests.expect import events
from tests.system import System
from weir.cli import main
from weir.client import Weir
from weir.contributions import (
    FACTORS,
    ContributionError,
    ContributionRefusedError,
    paid,
    paid_json,
    preview,
    preview_json,
    render_paid,
    render_preview,
)
from weir.parameters import FundingParameters
from weir.toolchain import ROOT

BTC, ETH = 0, 1
MILLION = 10**6
HOUR, DAY = 3_600, 86_400
GUIDE = (ROOT / "docs" / "funding.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def exposed(deploy_system: Any, actors: Any) -> System:
    made: System = deploy_system(funding=FundingParameters())
    for role in ("market_maker", "liquidator"):
        made.deposit(actors[role], 1_000_000)
        made.join(actors[role], 10_000)
    for role in ("trader", "other_trader"):
        made.deposit(actors[role], 20_000)
    made.contribute(actors["deployer"], 10_000)
    made.stake(made.junior, actors["staker"], 20_000)
    made.stake(made.senior, actors["other_staker"], 40_000)
    made.trade(actors["liquidator"], actors["market_maker"], 80, 10_000, market=BTC)
    made.trade(actors["liquidator"], actors["market_maker"], 2_000, 500, market=ETH)
    now = ape.chain.blocks.head.timestamp
    ape.chain.mine(timestamp=(now // HOUR + 1) * HOUR + 30)
    made.renew_prices()
    for market in (BTC, ETH):
        made.clearing_house.refresh(market, sender=actors["keeper"])
    return made


@pytest.fixture
def weir(exposed: System) -> Weir:
    return Weir(ape.chain.provider.web3, exposed.deployment)


@pytest.fixture
def command(exposed: System, tmp_path: Path, capsys: Any, monkeypatch: Any) -> Any:
    """Exit code, output and errors of `weir contribution …` on this chain."""
    for name in ("WEIR_RPC", "WEIR_PRIVATE_KEY", "WEIR_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "160")
    file = tmp_path / "deployment.json"
    exposed.deployment.save(file)
    where = ["--rpc", ape.chain.provider.web3.provider.endpoint_uri, "--deployment", str(file)]

    def run(verb: str, *arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["contribution", verb, *where, *map(str, arguments)])
        output = capsys.readouterr()
        return ended.value.code, output.out, output.err  # type: ignore[return-value]

    return run


def text(renderable: object) -> str:
    console = Console(width=160)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


def by_name(found: Any) -> dict[str, Any]:
    return {factor.name: factor for factor in found.factors}


# --------------------------------------------------------------------- preview


def test_the_worked_example(weir: Weir, trader: Any) -> None:
    found = preview(weir, trader.address, "BTC", Decimal(20))
    factors = by_name(found)
    assert [(f.name, f.ppm, f.amount) for f in found.factors] == [
        ("scarcity", 167, Decimal("33.4")),
        ("concentration", 223, Decimal("44.6")),
        ("leverage", 102, Decimal("20.4")),
        ("tier", 100, Decimal(20)),
    ]
    assert (found.rate, found.amount) == (592, Decimal("118.4"))
    assert (found.new_risk, found.new_notional, found.coverage) == (20, 200_000, 700_000)
    assert factors["scarcity"].reason == "coverage after the trade 70% (stress 16.67%)"
    assert factors["concentration"].reason == "20% of the market's open interest"
    assert factors["leverage"].reason == "leverage 10.05x"
    assert factors["tier"].reason == "tier 2, as none is posted for the account"


def test_the_guide_shows_the_worked_example(weir: Weir, trader: Any) -> None:
    lines = {line.strip() for line in GUIDE.splitlines()}
    for line in text(render_preview(preview(weir, trader.address, "BTC", Decimal(20)))).splitlines():
        if line.strip():
            assert line.strip() in lines


@pytest.mark.parametrize(
    ("before", "size", "price", "is_maker", "against"),
    [
        (0, "20", "10000", False, "market_maker"),
        (0, "-3.000000000000000001", "9987.654321", False, "liquidator"),
        (4, "2.5", "10033", True, "stranger"),
        (4, "-9", "10100", False, "market_maker"),  # through zero
        (-4, "-1", "9900", True, "liquidator"),
        (-4, "7.123456789", "9999.5", True, None),
    ],
)
def test_it_is_the_contract_s_answer_and_the_reasons_are_its_own(
    exposed: System, weir: Weir, actors: Any, before: int, size: str, price: str, is_maker: bool, against: Any
) -> None:
    trader = actors["trader"]
    if before > 0:
        exposed.trade(trader, actors["other_trader"], before, 10_050)
    elif before:
        exposed.trade(actors["other_trader"], trader, -before, 9_950)
    other = actors[against].address if against else None
    found = preview(
        weir, trader.address, "BTC", Decimal(size), Decimal(price), is_maker=is_maker, counterparty=other
    )
    answer = weir.preview_contribution(
        trader.address,
        BTC,
        exposed.wad(size),
        exposed.wad(price),
        is_maker=is_maker,
        counterparty=other,
    )
    assert answer.amount > 0
    assert found.amount == sum(factor.amount for factor in found.factors) == weir.usd(answer.amount)
    rates = (answer.scarcity, answer.concentration, answer.leverage, answer.tier_rate)
    assert tuple(factor.ppm for factor in found.factors) == rates
    assert (found.rate, found.coverage) == (answer.rate, answer.coverage)
    # Rounded up once, to a unit.
    assert 0 <= found.amount - found.new_notional * answer.rate / MILLION < Decimal("0.000001")
    # What is said of share and leverage is what the contract's curves make the rates of.
    factors = by_name(found)
    share = Decimal(factors["concentration"].reason.split("%")[0]) * 10_000
    leverage = Decimal(factors["leverage"].reason.split()[1].rstrip("x")) * MILLION
    assert abs(exposed.policy.concentrationAt(int(share)) - answer.concentration) <= 1
    assert abs(exposed.policy.leverageAt(int(leverage)) - answer.leverage) <= 1


def test_what_it_says_is_what_the_trade_pays(
    exposed: System, weir: Weir, trader: Any, market_maker: Any
) -> None:
    taker = preview(weir, trader.address, "BTC", Decimal(5), counterparty=market_maker.address)
    maker = preview(
        weir, market_maker.address, "BTC", Decimal(-5), is_maker=True, counterparty=trader.address
    )
    charged = events(exposed.trade(trader, market_maker, 5, 10_000), "ContributionCharged")
    assert [weir.usd(log["amount"]) for log in charged] == [maker.amount, taker.amount]
    [payer] = paid(weir, trader.address)
    assert payer.factors == {factor.name: factor.amount for factor in taker.factors}


def test_less_risk_costs_nothing(exposed: System, weir: Weir, trader: Any, market_maker: Any) -> None:
    exposed.trade(trader, market_maker, 5, 10_000)
    found = preview(weir, trader.address, "BTC", Decimal(-5))
    assert (found.amount, found.new_risk, found.factors, found.coverage) == (0, 0, (), None)
    assert "nothing beyond the fee" in text(render_preview(found))


def test_a_small_market_is_measured_against_the_floor(deploy_system: Any, actors: Any) -> None:
    made = deploy_system(funding=FundingParameters())
    made.deposit(actors["trader"], 20_000)
    made.contribute(actors["deployer"], 10_000)
    weir = Weir(ape.chain.provider.web3, made.deployment)
    factors = by_name(preview(weir, actors["trader"].address, "BTC", Decimal(1)))
    assert factors["concentration"].reason == (
        "1% of $1,000,000, which stand for the market's open interest while it is less (free up to 10%)"
    )
    assert factors["leverage"].reason == "leverage 0.5x (free up to 5x)"


def test_a_posted_tier_is_named(exposed: System, weir: Weir, trader: Any, poster: Any) -> None:
    evidence = b"\1" * 32, b"\2" * 32, ape.chain.blocks.head.number
    exposed.policy.postTiers([trader], [1], evidence, sender=poster)
    tier = by_name(preview(weir, trader.address, "BTC", Decimal(1)))["tier"]
    assert (tier.ppm, tier.reason) == (50, "tier 1")


def test_beyond_all_equity(weir: Weir, stranger: Any) -> None:
    leverage = by_name(preview(weir, stranger.address, "BTC", Decimal(1)))["leverage"]
    assert (leverage.ppm, leverage.reason) == (300, "no equity left")


def test_a_stop_is_named_and_explained(weir: Weir, trader: Any) -> None:
    with pytest.raises(
        ContributionRefusedError, match=r"^NewRiskStopped: .* coverage at 12\.28%, and below 20%"
    ):
        preview(weir, trader.address, "BTC", Decimal(960))
    with pytest.raises(
        ContributionRefusedError,
        match=r"^OpenInterestAboveFundCap: BTC would have \$1,410,000\.00 .* allows \$1,400,000\.00",
    ):
        preview(weir, trader.address, "BTC", Decimal(61))


@pytest.mark.parametrize(
    ("size", "price", "message"),
    [
        ("0.0000000000000000001", None, "size must be a multiple of 1e-18"),
        ("1", "0.0000000000000000001", "price must be a multiple of 1e-18"),
        ("1e40", None, "size must be below"),
    ],
)
def test_what_the_chain_cannot_hold_is_refused(
    weir: Weir, trader: Any, size: str, price: str | None, message: str
) -> None:
    with pytest.raises(ContributionError, match=message):
        preview(weir, trader.address, "BTC", Decimal(size), price and Decimal(price))
    with pytest.raises(ContributionError, match="with itself"):
        preview(weir, trader.address, "BTC", Decimal(1), counterparty=trader.address)


# ------------------------------------------------------------------------ paid


def test_what_has_been_paid(
    exposed: System, weir: Weir, trader: Any, other_trader: Any, market_maker: Any, stranger: Any
) -> None:
    receipts = [
        exposed.trade(trader, market_maker, 7, 10_000),
        exposed.trade(trader, other_trader, 3, 10_000),
        exposed.vault.withdraw(exposed.usd(8_000), trader, [], sender=trader),
    ]
    logs = [log for receipt in receipts for log in events(receipt, "ContributionCharged")]
    [withdrawal] = events(receipts[-1], "LeverageCharged")
    own = [log["amount"] for log in [*logs, withdrawal] if log["account"] == trader.address]
    assert len(own) == 3

    [payer] = paid(weir, trader.address)
    assert (payer.account, payer.charges) == (trader.address, 3)
    assert payer.total == sum(payer.factors.values()) == weir.usd(sum(own))
    assert tuple(payer.factors) == FACTORS
    assert payer.factors["leverage"] >= weir.usd(withdrawal["amount"])
    # Long 10 BTC at the rate that the policy asks for now.
    rate = exposed.policy.premiumRateAt(exposed.policy.coverageWith(BTC, exposed.usd(900_000)))
    assert (payer.notional, payer.premium_rate) == (100_000, rate)
    assert payer.premium == Decimal(100_000) * rate / MILLION

    everyone = paid(weir)
    assert payer in everyone
    assert [p.total for p in everyone] == sorted((p.total for p in everyone), reverse=True)
    assert stranger.address not in {p.account for p in everyone}
    charged = weir.usd(sum(charge.amount for charge in weir.contributions()))
    assert sum(p.total for p in everyone) == charged
    assert "all" in text(render_paid(everyone))


def test_what_was_contributed_to_the_guaranty_fund_is_a_figure_apart(
    exposed: System, weir: Weir, market_maker: Any, stranger: Any
) -> None:
    [before] = paid(weir, market_maker.address)
    assert before.guaranty == 10_000
    exposed.mint(stranger, 250)
    exposed.token.approve(exposed.guaranty, exposed.usd(250), sender=stranger)
    exposed.guaranty.join(market_maker, exposed.usd(250), sender=stranger)
    [after] = paid(weir, market_maker.address)
    assert (after.guaranty, after.total) == (10_250, before.total)
    assert stranger.address not in {payer.account for payer in paid(weir)}

    # The vault does not know who is nothing but a member.
    exposed.join(stranger, 100)
    [member] = [payer for payer in paid(weir) if payer.account == stranger.address]
    assert (member.guaranty, member.total, member.notional) == (100, 0, 0)
    answer = {entry["account"]: entry for entry in json.loads(paid_json(paid(weir)))}
    assert Decimal(answer[stranger.address]["guaranty"]) == 100
    assert "$20,350.00" in text(render_paid(paid(weir)))


def test_a_contribution_that_is_missing_is_named_and_explained(
    weir: Weir, exposed: System, liquidator: Any
) -> None:
    """2,300,000 take 13,000; the liquidator has 10,000."""
    with pytest.raises(
        ContributionRefusedError,
        match=r"^MembershipRequired: the account has \$10,000\.00 .* would need \$13,000\.00",
    ):
        preview(weir, liquidator.address, "BTC", Decimal(50))
    exposed.join(liquidator, 3_000)
    assert preview(weir, liquidator.address, "BTC", Decimal(50)).amount > 0


def test_who_has_paid_nothing(weir: Weir, stranger: Any) -> None:
    [payer] = paid(weir, stranger.address)
    assert (payer.total, payer.charges, payer.premium, payer.premium_rate) == (0, 0, 0, None)


# -------------------------------------------------------------------- commands


def test_the_command_previews(command: Any, weir: Weir, trader: Any, market_maker: Any) -> None:
    code, out, err = command("preview", "--market", "BTC", "--size", "20", trader.address)
    assert (code, err) == (0, "")
    assert out == text(render_preview(preview(weir, trader.address, "BTC", Decimal(20))))
    code, out, _ = command(
        *("preview", "--market", "BTC", "--size", "-1.5", "--price", "10010", "--maker", "--json"),
        *("--against", market_maker.address.lower(), trader.address.lower()),
    )
    found = preview(
        weir,
        trader.address,
        "BTC",
        Decimal("-1.5"),
        Decimal(10_010),
        is_maker=True,
        counterparty=market_maker.address,
    )
    assert (code, out) == (0, preview_json(found) + "\n")
    answer = json.loads(out)
    assert (answer["size"], answer["price"]) == ("-1.500000000000000000", "10010.000000000000000000")
    assert (answer["maker"], answer["against"]) == (True, market_maker.address)
    assert Decimal(answer["amount"]) == sum(Decimal(f["amount"]) for f in answer["factors"])
    assert [f["name"] for f in answer["factors"]] == list(FACTORS)


def test_the_command_tells_what_was_paid(command: Any, weir: Weir, liquidator: Any) -> None:
    code, out, _ = command("paid")
    assert (code, out) == (0, text(render_paid(paid(weir))))
    code, out, _ = command("paid", liquidator.address, "--json")
    [payer] = json.loads(out)
    [own] = paid(weir, liquidator.address)
    assert code == 0
    assert Decimal(payer["total"]) == own.total > 0
    assert Decimal(payer["premium_a_year"]) == own.premium > 0


def test_a_refusal_is_one_line_and_code_1(command: Any, trader: Any) -> None:
    code, out, err = command("preview", "--market", "BTC", "--size", "960", trader.address)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("weir: NewRiskStopped: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--market", "DOGE", "--size", "1", "{}"], "no market 'DOGE'; the markets are BTC, ETH"),
        (["--market", "BTC", "--size", "0", "{}"], "'0' is not a number other than 0"),
        (["--market", "BTC", "--size", "many", "{}"], "'many' is not a number"),
        (["--market", "BTC", "--size", "1", "--price", "-1", "{}"], "'-1' is not a number above 0"),
        (["--market", "BTC", "--size", "1", "--against", "{}", "{}"], "trade with itself"),
        (["--market", "BTC", "--size", "1", "0x1234"], "'0x1234' is not an address"),
        (["--size", "1", "{}"], "Missing option '--market'"),
    ],
)
def test_bad_input_is_one_line_and_code_2(
    command: Any, trader: Any, arguments: list[str], message: str
) -> None:
    code, out, err = command("preview", *(each.format(trader.address) for each in arguments))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err


def test_an_address_with_a_wrong_checksum_is_refused(command: Any, trader: Any) -> None:
    wrong = trader.address[:2] + trader.address[2:].swapcase()
    assert to_checksum_address(wrong) == trader.address
    code, _, err = command("paid", wrong)
    reason = f"{wrong!r} has a wrong checksum: a digit is mistyped"
    assert (code, err) == (2, f"weir: Invalid value for '[ACCOUNT]': {reason}\n")
