"""Every contract fits into a block explorer's and Ethereum's limit for deployed code (EIP-170)."""

import pytest

from weir.artifacts import artifacts

LIMIT = 24_576


@pytest.mark.parametrize(
    "name", sorted(name for name, built in artifacts().items() if built.deployed_bytecode)
)
def test_a_contract_can_be_deployed(name):
    assert len(artifacts()[name].deployed_bytecode) < LIMIT
