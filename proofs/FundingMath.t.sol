// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {FundingMath} from "../contracts/libraries/FundingMath.sol";

/// @title Proofs of the curves of the funding policy
/// @notice For all parameters of the widths that the policy keeps them in.
contract FundingMathProofs {
    uint256 private constant MILLION = 1e6;

    /// @notice Rounded up, by less than one ppm, and never more than all.
    function check_stressUp(uint128 coverage, uint24 from, uint24 full) external pure {
        if (full > from) return;
        uint256 stress = FundingMath.stressUp(coverage, from, full);
        if (coverage >= from) return assert(stress == 0);
        if (coverage <= full) return assert(stress == MILLION);
        uint256 exact = uint256(from - coverage) * MILLION; // over (from - full)
        assert(stress <= MILLION);
        assert(stress * (from - full) >= exact);
        assert(stress * (from - full) < exact + (from - full));
    }

    /// @notice Stress never falls when coverage does.
    function check_stressFollowsCoverage(uint128 coverage, uint128 less, uint24 from, uint24 full) external pure {
        if (full > from || less > coverage) return;
        assert(FundingMath.stressUp(less, from, full) >= FundingMath.stressUp(coverage, from, full));
    }

    /// @notice Rounded up, by less than one ppm, and never more than the largest rate.
    function check_rampUp(uint128 x, uint32 from, uint32 to, uint24 max) external pure {
        if (from >= to) return;
        uint256 rate = FundingMath.rampUp(x, from, to, max);
        if (x <= from) return assert(rate == 0);
        if (x >= to) return assert(rate == max);
        uint256 exact = uint256(max) * (x - from); // over (to - from)
        assert(rate <= max);
        assert(rate * (to - from) >= exact);
        assert(rate * (to - from) < exact + (to - from));
    }

    /// @notice More concentration, or leverage, is never cheaper.
    function check_rampRises(uint128 x, uint128 more, uint32 from, uint32 to, uint24 max) external pure {
        if (from >= to || x > more) return;
        assert(FundingMath.rampUp(x, from, to, max) <= FundingMath.rampUp(more, from, to, max));
    }

    /// @notice The fund's share lies between its bounds.
    function check_shareDown(uint128 coverage, uint24 atTarget, uint24 slope, uint24 min, uint24 max) external pure {
        if (min > max) return;
        uint256 share = FundingMath.shareDown(coverage, atTarget, slope, min, max);
        assert(share >= min && share <= max);
    }

    /// @notice It never falls when coverage does.
    function testFuzz_shareFollowsCoverage(
        uint32 coverage,
        uint32 less,
        uint24 atTarget,
        uint24 slope,
        uint24 min,
        uint24 max
    ) external pure {
        (coverage, less) = less > coverage ? (less, coverage) : (coverage, less);
        (min, max) = min > max ? (max, min) : (min, max);
        uint256 share = FundingMath.shareDown(coverage, atTarget, slope, min, max);
        assert(FundingMath.shareDown(less, atTarget, slope, min, max) >= share);
    }
}
