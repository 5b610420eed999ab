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
        uint256 own; // the defaulter's guaranty contribution
        uint256 unpaidProfit; // of the market
        uint256 budget; // what is left for the market; caps the five that follow together
        uint256 skin;
        uint256 unvested;
        uint256 advance; // what the tranches can pay for skin, whose other assets are not sold yet
        uint256 junior; // what an advance leaves of it
        uint256 senior;
        uint256 mutual; // the other members' contributions, within their budget for the market
    }

    /// @notice What each layer pays, in order; shortfall = their sum.
    struct Split {
        uint256 own;
        uint256 coinsurance; // of unpaid profit, before the fund
        uint256 skin;
        uint256 unvested;
        uint256 advanced; // for skin, by the tranches
        uint256 junior;
        uint256 senior;
        uint256 mutual;
        uint256 unpaidProfit; // of unpaid profit, after the fund
        uint256 remainder; // left to the opposing open interest
    }

    uint256 internal constant MILLION = 1e6;

    /// @param coinsuranceRatio ppm of what the defaulter's contribution leaves that the market's own unpaid profit bears before the fund.
    function split(
        uint256 shortfall,
        uint256 coinsuranceRatio,
        Sources memory sources
    ) internal pure returns (Split memory paid) {
        uint256 rest;
        (paid.own, rest) = _take(shortfall, sources.own);
        paid.coinsurance = coinsuranceOf(rest, coinsuranceRatio, sources.unpaidProfit);
        rest -= paid.coinsurance;

        uint256 covered = Math.min(rest, sources.budget);
        uint256 due = covered;
        (paid.skin, due) = _take(due, sources.skin);
        (paid.unvested, due) = _take(due, sources.unvested);
        (paid.advanced, due) = _take(due, sources.advance);
        (paid.junior, due) = _take(due, sources.junior);
        (paid.senior, due) = _take(due, sources.senior);

        rest = rest - covered + due;
        (paid.mutual, rest) = _take(rest, sources.mutual);
        (paid.unpaidProfit, paid.remainder) = _take(rest, sources.unpaidProfit - paid.coinsurance);
    }

    /// @notice What a recovery gives back to each layer that paid S, the last to pay first, once `done` has come back before.
    /// `skin` stands for all of its layer: what was unvested and what was advanced.
    /// @param done, amount together no more than those layers paid.
    function recovery(Split memory paid, uint256 done, uint256 amount) internal pure returns (Split memory back) {
        (back.mutual, done, amount) = _restore(paid.mutual, done, amount);
        (back.senior, done, amount) = _restore(paid.senior, done, amount);
        (back.junior, done, amount) = _restore(paid.junior, done, amount);
        (back.skin, done, amount) = _restore(paid.skin, done, amount);
        (back.own, , ) = _restore(paid.own, done, amount);
    }

    /// @notice The part of `profit` that stands before the fund.
    function coinsuranceOf(
        uint256 shortfall,
        uint256 coinsuranceRatio,
        uint256 profit
    ) internal pure returns (uint256) {
        return Math.min(profit, (shortfall * coinsuranceRatio) / MILLION);
    }

    /// @dev What the layers that follow have got back already, and what is left for them.
    function _restore(
        uint256 paid,
        uint256 done,
        uint256 amount
    ) private pure returns (uint256 back, uint256 doneAfter, uint256 left) {
        uint256 before = Math.min(paid, done);
        (back, left) = _take(amount, paid - before);
        doneAfter = done - before;
    }

    function _take(uint256 due, uint256 balance) private pure returns (uint256 paid, uint256 left) {
        paid = Math.min(due, balance);
        left = due - paid;
    }
}
