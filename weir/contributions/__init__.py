"""What new risk costs beyond its fee and why, and what accounts have paid for it so far.

Rates, shares and leverage are ppm; money and prices are in USD, sizes in units of the underlying, both exact
(strings in JSON). `preview` asks what a trade would cost, and `reasons` says why; `paid` sums what was paid;
`output` shows both.
"""

from weir.contributions.factors import FACTORS
from weir.contributions.output import paid_json, preview_json, render_paid, render_preview
from weir.contributions.paid import Payer, paid
from weir.contributions.preview import (
    ContributionError,
    ContributionRefusedError,
    Factor,
    Preview,
    preview,
)

__all__ = [
    "FACTORS",
    "ContributionError",
    "ContributionRefusedError",
    "Factor",
    "Payer",
    "Preview",
    "paid",
    "paid_json",
    "preview",
    "preview_json",
    "render_paid",
    "render_preview",
]
