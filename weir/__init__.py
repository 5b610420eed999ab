"""Weir: an open insurance-fund protocol for on-chain derivatives."""

__version__ = "0.1.0"
