"""Every error and event of these contracts is expected, by name, in a test of theirs."""

import re
from pathlib import Path

import pytest

from weir.artifacts import artifact

HERE = Path(__file__).parent
TESTS = {
    "IVault": "vault/test_*.py",
    "IClearingHouse": "clearing_house/test_*.py",
    "IFundingPolicy": "test_funding_policy.py",
    "IStablecoins": "test_stablecoins.py",
    "ICollateral": "collateral/test_*.py",
    "IReserve": "reserve/test_*.py",
}
EXPECTED = {"error": r'reverts\(\s*"{}"', "event": r'events?\([^"]*"{}"'}
"""How a test says that it expects one (tests/expect.py)."""

DECLARED = [
    (interface, entry["type"], entry["name"])
    for interface in TESTS
    for entry in artifact(interface).abi
    if entry["type"] in EXPECTED
]


@pytest.mark.parametrize(("interface", "kind", "name"), DECLARED)
def test_a_test_expects_it(interface, kind, name):
    sources = "".join(path.read_text(encoding="utf-8") for path in HERE.glob(TESTS[interface]))
    assert re.search(EXPECTED[kind].format(name), sources)
