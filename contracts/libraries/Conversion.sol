// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IStablecoins} from "../interfaces/IStablecoins.sol";

/// @title Conversion
/// @notice What units of an asset are worth in S, and the Dutch auction in which they are exchanged. SPECIFICATION.md section 2.1.
/// @dev x: units of the asset, below 2**96; p: 1e-18 of a dollar for 10^da units, below 2**128; f: ppm of p, below 2**21.
library Conversion {
    uint256 internal constant MILLION = 1e6;

    function worthDown(IStablecoins.Terms memory t, uint256 x) internal pure returns (uint256) {
        return (x * t.price) / t.scale;
    }

    /// @dev What counts, after the haircut.
    function valueDown(IStablecoins.Terms memory t, uint256 x) internal pure returns (uint256) {
        return (worthDown(t, x) * (MILLION - t.parameters.haircut)) / MILLION;
    }

    function costUp(IStablecoins.Terms memory t, uint256 x, uint256 f) internal pure returns (uint256) {
        return divUp(x * t.price * f, t.scale * MILLION);
    }

    function paymentDown(IStablecoins.Terms memory t, uint256 x, uint256 f) internal pure returns (uint256) {
        return (x * t.price * f) / (t.scale * MILLION);
    }

    /// @dev The fewest units whose cost is at least `amount`. The price is not 0.
    function unitsUp(IStablecoins.Terms memory t, uint256 amount, uint256 f) internal pure returns (uint256) {
        return divUp(amount * t.scale * MILLION, t.price * f);
    }

    /// @dev The most units whose payment is at most `amount`. The price is not 0.
    function unitsDown(IStablecoins.Terms memory t, uint256 amount, uint256 f) internal pure returns (uint256) {
        return (amount * t.scale * MILLION) / (t.price * f);
    }

    // ------------------------------------------------------------ the auction

    /// @dev ppm by which the price is off par, against whoever must convert.
    function off(IStablecoins.Terms memory t, uint256 startedAt, uint256 saleDuration) internal view returns (uint256) {
        uint256 elapsed = block.timestamp - startedAt;
        return (t.parameters.discount * (elapsed < saleDuration ? elapsed : saleDuration)) / saleDuration;
    }

    /// @dev The first moment at which it no longer runs; 0 when it was never started.
    function endOf(uint256 startedAt, uint256 saleDuration) internal pure returns (uint256) {
        return startedAt == 0 ? 0 : startedAt + 2 * saleDuration;
    }

    function divUp(uint256 a, uint256 b) internal pure returns (uint256) {
        return a == 0 ? 0 : (a - 1) / b + 1;
    }
}
