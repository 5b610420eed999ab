"""What operators ask the index: one function each, of an open store.

Amounts of money are units of S, ratios floats (1.0 is 100 %), times Unix seconds; blocks and times are
inclusive on both ends. An index that has seen nothing yet raises `NotIndexedError`.
"""

from weir.index.queries.contributions import Contributor, contributions
from weir.index.queries.days import Day, days
from weir.index.queries.history import Happening, account_history
from weir.index.queries.income import Income, income_by_source
from weir.index.queries.layers import LayerPoint, last_point, layers
from weir.index.queries.post_mortem import (
    Attempt,
    Bearer,
    LayerUse,
    PostMortem,
    PricePoint,
    Repayment,
    post_mortem,
)
from weir.index.queries.state import newest, state_at
from weir.index.tables import About, NotIndexedError, about

__all__ = [
    "About",
    "Attempt",
    "Bearer",
    "Contributor",
    "Day",
    "Happening",
    "Income",
    "LayerPoint",
    "LayerUse",
    "NotIndexedError",
    "PostMortem",
    "PricePoint",
    "Repayment",
    "about",
    "account_history",
    "contributions",
    "days",
    "income_by_source",
    "last_point",
    "layers",
    "newest",
    "post_mortem",
    "state_at",
]
