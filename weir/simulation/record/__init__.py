"""What a run leaves behind: sampled while it goes, then read back from the chain's events and its state.

`recorder` takes `samples` and puts the result together. What it is made of comes from the `history` of
events, each from one file: `closings`, what `members` of the guaranty fund had, `people`, `income`,
`balances`, who paid for defaults (`waterfall`), other stablecoins (`assets`), the `series` over time, `gas`,
`parameters`, and the `identities` that must hold.
"""

from weir.simulation.record.recorder import Recorder

__all__ = ["Recorder"]
