"""The state of everything from events alone: a pure fold.

An event says what changed, and is applied; no rule of the protocol runs here again, but for the arithmetic of
units that events leave to the reader: a record at its side's index, claims at theirs, the stream in time.
"""

from weir.index.rebuild.fold import Applied, UnknownEventError, apply, fold, genesis

__all__ = ["Applied", "UnknownEventError", "apply", "fold", "genesis"]
