"""Events as the database keeps them, and as people read them."""

from __future__ import annotations

import json

from tests.unit.index.fuzzed import Indexed
from weir.fuzz.sequence import run
from weir.index.events import concerned, dump, load, plain
from weir.index.queries.words import Words
from weir.index.tables import About

ADDRESS, OTHER = "0x" + "11" * 20, "0x" + "22" * 20


def test_arguments_come_back_as_they_were() -> None:
    arguments = {
        "big": 2**255,
        "negative": -(2**200),
        "flag": True,
        "hash": b"\x01" * 32,
        "account": ADDRESS,
        "struct": {"list": (1, 2), "inner": 0},
    }
    written = dump(plain(arguments))
    assert json.loads(written)["big"] == str(2**255)
    assert load(written) == plain(arguments)
    assert load(written)["hash"] == "0x" + "01" * 32


def test_an_event_concerns_the_accounts_among_its_arguments() -> None:
    arguments = {
        "account": ADDRESS,
        "record": {"account": OTHER},
        "to": "0x" + "00" * 20,
        "hash": "0x" + "01" * 32,
    }
    assert list(concerned(arguments)) == [ADDRESS, OTHER]
    assert list(concerned(arguments, frozenset({OTHER}))) == [ADDRESS]


def test_there_are_words_for_everything_that_concerns_an_account() -> None:
    subject = Indexed("six")
    assert run(subject, 7, 300).violation is None
    deployment = subject.system.weir.deployment
    words = Words(About.of(deployment, "0x"))
    contracts = frozenset({*subject.addresses.values(), deployment.token})
    said = {
        (event.contract, event.name): words.say(event.contract, event.name, event.arguments, account)
        for event in subject.history
        if event.contract not in ("Authority", "PriceOracle", "Stablecoins")
        for account in concerned(event.arguments, contracts)
    }
    assert len(said) > 25
    without = {key for key, text in said.items() if text.startswith(f"{key[0]}: {key[1]} (")}
    assert without <= {
        (name, event) for name in subject.addresses for event in ("AuthorityUpdated", "Approval")
    }


def test_words_say_who_did_what() -> None:
    about = About(1, 0, "0x", 6, {}, ("BTC",), ())
    traded = {
        "orderHash": "0x",
        "maker": ADDRESS,
        "taker": OTHER,
        "market": 0,
        "makerBuys": True,
        "size": 5 * 10**17,
        "price": 10_000 * 10**18,
        "makerFee": 1_000_000,
        "takerFee": 2_500_000,
        "openInterest": 5 * 10**17,
    }
    say = Words(about).say
    bought = "bought 0.5 BTC at $10,000.00 from 0x2222…2222, fee $1.00"
    sold = "sold 0.5 BTC at $10,000.00 to 0x1111…1111, fee $2.50"
    assert say("ClearingHouse", "Traded", traded, ADDRESS) == bought
    assert say("ClearingHouse", "Traded", traded, OTHER) == sold
    loss = {"account": ADDRESS, "market": 0, "pnl": -3_000_000, "absorbed": 0, "cash": -2_000_000}
    assert say("Vault", "Settled", loss, ADDRESS) == "lost $3.00 in BTC, of which $2.00 was paid in cash"
    assert say("Vault", "Unheard", {"a": 1}) == "Vault: Unheard (a 1)"
