"""A market that governance has added since: no deployment file knows of it, and every reading has it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest

from weir.accounts import development_account
from weir.chain import connect
from weir.client import Weir
from weir.deployment import deploy
from weir.node import Node
from weir.parameters import MarketParameters, Parameters
from weir.snapshot import take
from weir.states import DefaultRecord, PositionState
from weir.status import describe

NOBODY = development_account(9).address


@pytest.fixture(scope="module")
def outdated() -> Iterator[Weir]:
    """BTC and ETH are traded; the client's deployment file has BTC only."""
    markets = (
        MarketParameters(symbol="BTC", price=Decimal(10_000)),
        MarketParameters(symbol="ETH", price=Decimal(1_000)),
    )
    with Node("anvil", timestamp=1_700_000_000) as node:
        w3 = connect(node.url)
        deployment = deploy(w3, development_account(0), Parameters(markets=markets))
        yield Weir(w3, deployment.model_copy(update={"markets": deployment.markets[:1]}))


def test_its_identities_are_watched(outdated: Weir) -> None:
    assert [books.market for books in outdated.identities().markets] == [0, 1]
    lines = describe(outdated, take(outdated))["identities"]
    assert [line["id"] for line in lines][:5] == ["P1", "P2:BTC", "P3:BTC", "P2:ETH", "P3:ETH"]


def test_accounts_and_defaults_in_it_are_told(outdated: Weir) -> None:
    seen, short = (
        take(outdated),
        PositionState(market=1, size=-2 * 10**18, unsettled=0, notional=0, live=True),
    )
    flagged = replace(outdated.account(NOBODY), flagged_at=seen.time, positions=(short,))
    default = DefaultRecord(1, NOBODY, 1, seen.time, *[0] * 10)
    status = describe(outdated, replace(seen, accounts=(flagged,), defaults=(default,)))
    assert status["accounts"]["at_risk"][0]["positions"] == {"ETH": Decimal(-2)}
    assert status["defaults"][0]["market"] == "ETH"
