"""The model's reserve: its properties can fail."""

from tests.model.reserve.books import COIN, Scene
from tests.model.stage import units
from weir.model import (
    World,
    properties,
)

# ---- the properties can fail


def test_missing_tokens_are_seen(advanced: World) -> None:
    advanced.tokens[0].move("reserve", "thief", 1)
    assert "P1 reserve 0" in _broken(properties.check(advanced))


def test_an_advance_that_skin_could_repay_is_seen(advanced: World) -> None:
    advanced.fund.skin += 1
    assert "advances and skin" in _broken(properties.check(advanced))


def test_an_advance_that_nothing_stands_for_is_seen(advanced: World) -> None:
    advanced.fund.reserve.amounts[0] = 0
    assert "advances without a reserve" in _broken(properties.check(advanced))


def test_an_advance_charged_as_a_loss_is_seen() -> None:
    scene = Scene(COIN)
    scene.capital(skin=10, junior=30, senior=40, reserve=50)
    before = properties.Moment.of(scene.world)
    scene.lose(50)
    assert _broken(properties.share_prices(before, scene.world)) == set()
    scene.world.fund.junior.advanced = 0
    assert _broken(properties.share_prices(before, scene.world)) == {"P7 junior"}
    scene.world.fund.junior.share_epoch += 1
    assert _broken(properties.share_prices(before, scene.world)) == {"P7 junior"}


def test_a_sale_beneath_the_discount_is_seen(advanced: World) -> None:
    before = properties.Moment.of(advanced)
    advanced.fund.reserve.amounts[0] -= units(10)
    advanced.fund.skin += units(9.8)
    assert _broken(properties.rebalances(before, advanced)) == set()
    advanced.fund.skin -= 1
    assert _broken(properties.rebalances(before, advanced)) == {"rebalance"}


def test_a_purchase_beyond_the_discount_is_seen(advanced: World) -> None:
    before = properties.Moment.of(advanced)
    advanced.fund.reserve.amounts[0] += units(10)
    advanced.fund.skin -= units(10.2)
    assert _broken(properties.rebalances(before, advanced)) == set()
    advanced.fund.skin -= 1
    assert _broken(properties.rebalances(before, advanced)) == {"rebalance"}


def _broken(checks: list[properties.Check]) -> set[str]:
    return {check.name for check in checks if not check.holds}
