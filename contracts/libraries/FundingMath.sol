// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title The curves of the funding policy
/// @notice Pure; SPECIFICATION.md section 6.1. Everything in ppm.
library FundingMath {
    uint256 internal constant MILLION = 1e6;

    /// @notice How low coverage is: nothing from `from` on, all of it down from `full`.
    function stressUp(uint256 coverage, uint256 from, uint256 full) internal pure returns (uint256) {
        if (coverage >= from) return 0;
        if (coverage <= full) return MILLION;
        return Math.ceilDiv((from - coverage) * MILLION, from - full);
    }

    /// @notice A rate that is 0 up to `from`, `max` from `to` on, and rises evenly in between.
    function rampUp(uint256 x, uint256 from, uint256 to, uint256 max) internal pure returns (uint256) {
        if (x <= from) return 0;
        if (x >= to) return max;
        return Math.ceilDiv(max * (x - from), to - from);
    }

    function partUp(uint256 whole, uint256 part) internal pure returns (uint256) {
        return Math.ceilDiv(whole * part, MILLION);
    }

    /// @notice `atTarget` at a coverage of one, `slope` more for each whole coverage that is missing; between min and max.
    function shareDown(
        uint256 coverage,
        uint256 atTarget,
        uint256 slope,
        uint256 min,
        uint256 max
    ) internal pure returns (uint256 share) {
        if (coverage <= MILLION) share = atTarget + (slope * (MILLION - coverage)) / MILLION;
        else share = Math.saturatingSub(atTarget, partUp(slope, coverage - MILLION));
        return Math.min(Math.max(share, min), max);
    }
}
