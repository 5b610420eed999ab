"""The state from events alone is the chain's: after every call of the fuzzer, in every view."""

from __future__ import annotations

import pytest

from tests.unit.index.fuzzed import Indexed
from weir.fuzz.clearing.setting import SETTINGS
from weir.fuzz.sequence import run
from weir.index.rebuild import Applied, UnknownEventError, apply, checkpoint, genesis
from weir.index.rebuild.expected import Expectation, expected
from weir.index.rebuild.fold import HANDLERS
from weir.index.rebuild.state import State

CALLS = 220
SEEDS = {"six": 3, "eight": 11, "eighteen": 1, "many": 21, "edges-six": 14, "edges-eighteen": 2}
"""So chosen that together they make every kind of event that the fuzzer can."""


@pytest.fixture(scope="module")
def fuzzed() -> dict[str, Indexed]:
    """The clearing house after a sequence of calls, in every setting of the fuzzer."""
    found = {name: Indexed(name) for name in SETTINGS}
    for name, subject in found.items():
        assert run(subject, SEEDS[name], CALLS).violation is None
    return found


@pytest.fixture(scope="module")
def told(fuzzed: dict[str, Indexed]) -> set[tuple[str, str]]:
    """Every kind of event that these sequences made."""
    return {(event.contract, event.name) for subject in fuzzed.values() for event in subject.history}


def test_every_view_is_as_events_say_after_every_call(fuzzed: dict[str, Indexed]) -> None:
    """What differs fails in the fixture, with the step; here: that much was compared."""
    for subject in fuzzed.values():
        assert subject.compared > 500 * CALLS
        assert not subject.differences()


@pytest.mark.parametrize(
    "event",
    [
        *("InsuranceFund.Defaulted", "InsuranceFund.BountyPaid", "InsuranceFund.Recovered"),
        *("InsuranceFund.Advanced", "InsuranceFund.AdvanceRepaid", "InsuranceFund.TrancheWiped"),
        *("InsuranceFund.Vested", "GuarantyFund.LossBorne", "GuarantyFund.WipedOut"),
        *("GuarantyFund.Released", "ClearingHouse.Deleveraged", "ClearingHouse.EpochEnded"),
        *("ClearingHouse.MarketClosed", "ClearingHouse.InsolvencyCleared", "Vault.ClaimsWrittenOff"),
        *("Vault.ResidualAdded", "JuniorTranche.BatchPriced", "JuniorTranche.Withdraw"),
        *("Collateral.Taken", "Collateral.Sold", "Reserve.AssetSold", "Reserve.AssetBought"),
        *("FundingPolicy.TargetPosted", "FundingPolicy.TierPosted", "Stablecoins.AssetSet"),
    ],
)
def test_the_sequences_are_rich(told: set[tuple[str, str]], event: str) -> None:
    assert tuple(event.split(".")) in told


def test_no_event_is_without_consequence(fuzzed: dict[str, Indexed], told: set[tuple[str, str]]) -> None:
    """Whichever kind is left out, some view that is compared would tell so at once."""
    left_out = [
        (contract, name)
        for contract, name in sorted(told)
        if HANDLERS[contract][name].__name__ != "_nothing"
        and not any(_notices(subject, contract, name) for subject in fuzzed.values())
    ]
    assert left_out == []


def _notices(subject: Indexed, contract: str, name: str) -> bool:
    """Whether the state without such an event differs in a view, at the end of its block; one of the first
    dozen is enough, for some tell what was so before.
    """
    history = subject.history
    start = next(event.block for event in history if event.name == "AssetSet") + 1
    for left_out in [e for e in history if (e.contract, e.name) == (contract, name)][:12]:
        until = [event for event in history if event.block <= max(left_out.block, start)]
        try:
            without = _state(subject, [event for event in until if event is not left_out])
            if _views(_state(subject, until)) != _views(without):
                return True
        except (KeyError, IndexError, ZeroDivisionError):
            return True  # what follows makes no sense any more
    return False


def _state(subject: Indexed, events: list[Applied]) -> State:
    state = genesis(subject.setting.decimals, subject.addresses)
    for event in events:
        apply(state, event)
    return state


def _views(state: State) -> list[Expectation]:
    return list(expected(state, state.time))


def test_a_checkpoint_is_the_state(fuzzed: dict[str, Indexed]) -> None:
    for subject in fuzzed.values():
        assert subject.indexed is not None
        assert checkpoint.load(checkpoint.dump(subject.indexed)) == subject.indexed


def test_an_event_that_is_not_known_is_refused() -> None:
    state = genesis(6, dict.fromkeys(HANDLERS, "0x" + "00" * 20))
    event = Applied(7, 0, 0, "Vault", "Lent", {})
    with pytest.raises(UnknownEventError, match=r"Vault\.Lent in block 7"):
        apply(state, event)
