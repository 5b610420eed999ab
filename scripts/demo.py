"""`ape run demo`: `weir demo`, on a local chain of its own."""

from weir.simulation import command as cli

__all__ = ["cli"]
