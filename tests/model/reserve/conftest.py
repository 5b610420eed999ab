"""The model's reserve, when the tranches have paid for it."""

import pytest

from tests.model.reserve.books import in_debt_to_the_tranches
from weir.model import (
    World,
)


@pytest.fixture
def advanced() -> World:
    return in_debt_to_the_tranches().world
