// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title The order in which a shortfall is borne
/// @notice SPECIFICATION.md section 5: each layer pays only once every earlier one is exhausted or at its cap, and the
/// sum is exact (P4).
/// @dev Pure and without storage. Amounts are units of S; a shortfall is below 2**128.
library Waterfall {
    /// @notice What each layer has.
    struct Sources {
        uint256 unpaidProfit; // of the market
        uint256 budget; // what is left for the market; caps the four that follow together
        uint256 skin;
        uint256 unvested;
        uint256 junior;
        uint256 senior;
    }

    /// @notice What each layer pays, in order; shortfall = their sum.
    struct Split {
        uint256 coinsurance; // of unpaid profit, before the fund
        uint256 skin;
        uint256 unvested;
        uint256 junior;
        uint256 senior;
        uint256 unpaidProfit; // of unpaid profit, after the fund
        uint256 remainder; // left to the opposing open interest
    }

    uint256 internal constant MILLION = 1e6;

    /// @param coinsuranceRatio ppm of the shortfall that the market's own unpaid profit bears before the fund.
    function split(
        uint256 shortfall,
        uint256 coinsuranceRatio,
        Sources memory sources
    ) internal pure returns (Split memory paid) {
        paid.coinsurance = coinsuranceOf(shortfall, coinsuranceRatio, sources.unpaidProfit);
        uint256 rest = shortfall - paid.coinsurance;

        uint256 covered = Math.min(rest, sources.budget);
        uint256 due = covered;
        (paid.skin, due) = _take(due, sources.skin);
        (paid.unvested, due) = _take(due, sources.unvested);
        (paid.junior, due) = _take(due, sources.junior);
        (paid.senior, due) = _take(due, sources.senior);

        rest = rest - covered + due;
        (paid.unpaidProfit, paid.remainder) = _take(rest, sources.unpaidProfit - paid.coinsurance);
    }

    /// @notice The part of `profit` that stands before the fund.
    function coinsuranceOf(
        uint256 shortfall,
        uint256 coinsuranceRatio,
        uint256 profit
    ) internal pure returns (uint256) {
        return Math.min(profit, (shortfall * coinsuranceRatio) / MILLION);
    }

    function _take(uint256 due, uint256 balance) private pure returns (uint256 paid, uint256 left) {
        paid = Math.min(due, balance);
        left = due - paid;
    }
}
