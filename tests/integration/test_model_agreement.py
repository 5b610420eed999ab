"""The contracts and the reference model agree on every balance, index, layer and default after every call."""

from collections.abc import Iterator

import pytest

from tests.integration.twin import Twin
from tests.model.driver import Setting
from weir.node import Node

STEPS = 150
SETTINGS = {
    "6 decimals, two markets": (Setting(min_notional_dollars=10, traders=5, gap=0.4, gaps=0.3), 4),
    "18 decimals, maturity, coinsurance": (
        Setting(
            decimals=18,
            prices=(20_000, 3),
            traders=5,
            maturity=3_600,
            coinsurance=500_000,
            min_notional_dollars=1,
            gap=0.5,
            gaps=0.3,
        ),
        3,
    ),
    "8 decimals, tiny fund, crashes": (
        Setting(
            decimals=8,
            prices=(100, 7),
            traders=4,
            fund_dollars=100,
            min_notional_dollars=1,
            gap=0.7,
            gaps=0.6,
            governance=True,
        ),
        3,
    ),
}


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    with Node("anvil", timestamp=1_700_000_000) as running:
        yield running


@pytest.mark.parametrize("name", SETTINGS)
def test_model_and_contracts_agree_after_every_call(name: str, node: Node) -> None:
    setting, seed = SETTINGS[name]
    twin = Twin(setting, seed, node)
    twin.run(STEPS)
    twin.finish()
    assert sum(twin.done.values()) > STEPS // 3
    assert twin.world.fund.defaults, "no default happened: the campaign compares too little"
    assert twin.compared > 80 * STEPS
