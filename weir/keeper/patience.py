"""Waiting for what a keeper needs: its node, its database, and the right to its account."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

__all__ = ["NONE", "Patience"]

log = logging.getLogger(__name__)
T = TypeVar("T")

RETRY_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Patience:
    """What is done meanwhile: `tell` hears the reason, and `sleep` waits, or ends the process where that was
    told to stop. Unless it `retries`, what fails is raised at once.
    """

    sleep: Callable[[float], object] = time.sleep
    tell: Callable[[str], object] = log.warning
    retries: bool = False

    def get(self, work: Callable[[], T]) -> T:
        """What the work comes to; tries again while the node or the database is away, or answers rubbish."""
        while True:
            try:
                return work()
            except Exception as error:
                if not self.retries or _stays(error):
                    raise
                self.tell(f"not yet: {error}")
                self.sleep(RETRY_SECONDS)


NONE = Patience()
"""Another keeper of the same account is waited for anyway: it may have ended."""


def _stays(error: Exception) -> bool:
    """Whether another try would change nothing: something is wrong with the input."""
    from weir.chain import ContractError, RpcError
    from weir.store import StoreError, StoreVersionError

    ours = type(error).__module__.startswith("weir.") and not isinstance(error, OSError)
    passing = isinstance(error, (RpcError, ContractError, StoreError))
    return ours and (not passing or isinstance(error, StoreVersionError))
