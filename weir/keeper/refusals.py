"""Why a node does not take a transaction, from what it says: no two kinds of node say it alike."""

from __future__ import annotations

from enum import Enum, auto

__all__ = ["Refusal", "refusal"]


class Refusal(Enum):
    """KNOWN: it has it already. SPENT: its nonce was used. POOR: the account has too little. UNDERPRICED:
    the fee is too low, for the node or to replace another. OTHER: anything else.
    """

    KNOWN = auto()
    SPENT = auto()
    POOR = auto()
    UNDERPRICED = auto()
    OTHER = auto()


_SIGNS = {
    Refusal.KNOWN: ("alreadyknown", "alreadyimported", "knowntransaction", "alreadyexists"),
    Refusal.SPENT: ("noncetoolow", "oldnonce", "noncetoosmall"),
    Refusal.POOR: ("insufficientfunds", "insufficientbalance"),
    Refusal.UNDERPRICED: ("underpriced", "replacementnotallowed", "feetoolow"),
}
"""Parts of the messages of geth, Anvil, Nethermind, Erigon and Besu, without spaces and signs."""


def refusal(error: Exception) -> Refusal:
    """The reason in an error message."""
    text = "".join(filter(str.isalpha, str(error).lower()))
    found = (reason for reason, signs in _SIGNS.items() if any(sign in text for sign in signs))
    return next(found, Refusal.OTHER)
