"""Why the contracts refuse: names of their errors, and which of them may stand for each other."""

from __future__ import annotations

from pathlib import Path

from eth_utils.abi import function_abi_to_4byte_selector

from weir.artifacts import artifacts

__all__ = ["ALIASES", "is_fair", "reasons"]

_TRADE = frozenset(
    {
        "AccountInDebt",
        "InitialMarginNotMet",
        "InsufficientCash",
        "MarketNotOpen",
        "MembershipRequired",
        "NewRiskIsPaused",
        "NewRiskStopped",
        "OpenDefault",
        "OpenInterestAboveCap",
        "OpenInterestAboveFundCap",
        "OrderReduceOnly",
        "OrderExpired",
        "OrderGenerationMismatch",
        "OrderOverfilled",
        "PositionBelowMinimum",
        "PriceOutsideBand",
        "PriceUnavailable",
        "SelfTrade",
        "TooManyPositions",
        "ZeroSize",
    }
)
BOTH_TRUE = (
    _TRADE,
    frozenset({"InsufficientCash", "InitialMarginNotMet", "AccountInDebt", "AccountFlagged", "OpenDefault"}),
    frozenset({"OffPeg", "NoPrice"}),
    frozenset({"AccountNotFlagged", "SelfTrade", "AccountFlagged", "PriceUnavailable"}),
    frozenset({"NothingToLiquidate", "NotLiquidatable"}),
    frozenset({"GateClosed", "EpochNotOver"}),
    frozenset({"GateClosed", "NoNotice", "NotReleasable", "ZeroAmount"}),
    frozenset({"BelowMinimum", "MembershipRequired"}),
    frozenset({"PriceOutsideBand", "ClosePriceOutOfBand"}),
)
"""Reasons to refuse that can hold at once, or are one: which is named first is nobody's rule."""

ALIASES = {
    "ERC20InsufficientBalance": "InsufficientShares",
    "ERC20InsufficientAllowance": "InsufficientAllowance",
}
"""What a library names in its own way."""


def is_fair(reason: str, expected: str) -> bool:
    """Whether contracts may refuse for `reason` where the model names `expected`."""
    return reason == expected or any({reason, expected} <= both for both in BOTH_TRUE)


def reasons(root: Path | None) -> dict[bytes, str]:
    """Names of all errors by selector."""
    errors = (entry for kind in artifacts(root).values() for entry in kind.abi if entry["type"] == "error")
    known = {function_abi_to_4byte_selector(entry): entry["name"] for entry in errors}  # type: ignore[arg-type]
    of_libraries = {"4e487b71": "Panic", "08c379a0": "Error", "35278d12": "Overflow"}
    return known | {bytes.fromhex(selector): name for selector, name in of_libraries.items()}
