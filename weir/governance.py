"""Who may change what, and after which delay: the table from which a deployment configures its Authority.

The Authority is OpenZeppelin's AccessManager. A restricted function belongs to exactly one role; the holder
of a role with an execution delay schedules a call and may make it once the delay is over. What each function
may do is bounded by the contracts themselves; docs/governance.md tells it in words. Nothing here talks to a
chain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from eth_utils.crypto import keccak

from weir.units import DAY

__all__ = ["ADMIN", "GOVERNOR", "GUARDIAN", "POSTER", "ROLES", "Role", "selector"]


_MARKET_PARAMETERS = "(uint32,uint32,uint24,uint24,uint24,uint24,uint32,uint112)"
_LIQUIDATION_PARAMETERS = "(uint24,uint24,uint24,uint32,uint128,uint24)"
_FUND_PARAMETERS = "(uint128,uint24,uint32,uint32,uint24)"
_GUARANTY_PARAMETERS = "(uint96,uint32,uint32,uint32,uint24)"
_FUNDING_PARAMETERS = (
    f"({','.join(['uint24'] * 14)},{','.join(['uint32'] * 5)},uint24[5],uint96,uint96,uint24"
    ",uint96,uint24,uint24)"
)
_ASSET_PARAMETERS = "(uint24,uint24,uint24,uint24,uint96,uint96)"
_CONVERSION_PARAMETERS = "(uint32,uint24,uint64)"
_EVIDENCE = "(bytes32,bytes32,uint40)"


@dataclass(frozen=True, slots=True)
class Role:
    """A role of the Authority.

    `id` is its number there, `delay` the default execution delay of its holders in seconds, `functions` the
    signatures of the functions it may call, by the name that the contract has in a deployment.
    """

    name: str
    id: int
    delay: int
    functions: Mapping[str, tuple[str, ...]]

    def selectors(self, contract: str) -> tuple[bytes, ...]:
        """The selectors (4 bytes each) of its functions on one contract, () where it has none."""
        return tuple(selector(signature) for signature in self.functions.get(contract, ()))


def selector(signature: str) -> bytes:
    """The first four bytes of the keccak hash of a canonical signature, such as `pauseNewRisk(uint32)`."""
    return keccak(text=signature)[:4]


ADMIN = Role("admin", 0, 2 * DAY, MappingProxyType({}))
"""Grants and revokes roles, and decides which role a function belongs to. Its holder is the governor:
changing who governs waits as long as governing does. The number is AccessManager's own."""

GOVERNOR = Role(
    "governor",
    1,
    2 * DAY,
    MappingProxyType(
        {
            "ClearingHouse": (
                f"addMarket(bytes32,{_MARKET_PARAMETERS})",
                f"setMarketParameters(uint16,{_MARKET_PARAMETERS})",
                f"setLiquidationParameters({_LIQUIDATION_PARAMETERS})",
                "closeMarket(uint16,uint128)",
            ),
            "PriceOracle": (
                "setFeed(uint16,address,uint32,uint128,uint128)",
                "setSequencerFeed(address,uint32)",
            ),
            "Vault": ("setMaturity(uint16,uint24)",),
            "Stablecoins": (
                f"setAsset(uint256,address,bool,{_ASSET_PARAMETERS})",
                f"setConversionParameters({_CONVERSION_PARAMETERS})",
            ),
            "InsuranceFund": (
                "setMarketCover(uint16,uint32,uint32)",
                f"setParameters({_FUND_PARAMETERS})",
                "writeOffAdvances()",
            ),
            "GuarantyFund": (f"setParameters({_GUARANTY_PARAMETERS})",),
            "FundingPolicy": (f"setParameters({_FUNDING_PARAMETERS})",),
            "JuniorTranche": ("setEpochDuration(uint32)",),
            "SeniorTranche": ("setEpochDuration(uint32)",),
        }
    ),
)
"""Sets parameters and feeds, adds markets, and closes those whose feed is dead."""

GUARDIAN = Role("guardian", 2, 0, MappingProxyType({"ClearingHouse": ("pauseNewRisk(uint32)",)}))
"""Pauses new risk, at once and for a limited time."""

POSTER = Role(
    "poster",
    3,
    0,
    MappingProxyType(
        {
            "FundingPolicy": (
                f"postTarget(uint96,{_EVIDENCE})",
                f"postTiers(address[],uint8[],{_EVIDENCE})",
            )
        }
    ),
)
"""Posts the fund's target and the traders' tiers, at once and by bounded steps."""

ROLES = (ADMIN, GOVERNOR, GUARDIAN, POSTER)
"""Every role; the deployer gives each to its holder and renounces `ADMIN` last."""
