// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title Arithmetic of claims
/// @notice Pure; SPECIFICATION.md section 2. Claims are units at the index C = totalClaims / totalUnits; all factors are below 2^128.
library ClaimsMath {
    uint256 private constant WIPE_OUT = 1e9; // units per unit of value beyond which claims count as written off

    function valueDown(uint256 units, uint256 totalClaims, uint256 totalUnits) internal pure returns (uint256) {
        return totalUnits == 0 ? 0 : (units * totalClaims) / totalUnits;
    }

    /// @notice Units that a new claim of `amount` is held in.
    function unitsDown(uint256 amount, uint256 totalClaims, uint256 totalUnits) internal pure returns (uint256) {
        return totalUnits == 0 ? amount : (amount * totalUnits) / totalClaims;
    }

    /// @notice Units that go when `amount` is taken from claims of `held` units: all of them when it is their whole value.
    function burnUp(
        uint256 amount,
        uint256 held,
        uint256 totalClaims,
        uint256 totalUnits
    ) internal pure returns (uint256 units) {
        if (amount == valueDown(held, totalClaims, totalUnits)) return held;
        units = (amount * totalUnits + totalClaims - 1) / totalClaims;
        if (units > held) units = held;
    }

    /// @notice Seconds that joined claims wait: the average of the two waits, weighted by value.
    function waitUp(
        uint256 amount,
        uint256 maturity,
        uint256 held,
        uint256 heldMaturesAt,
        uint256 time
    ) internal pure returns (uint256) {
        uint256 heldWait = heldMaturesAt > time ? heldMaturesAt - time : 0;
        uint256 total = amount + held;
        return total == 0 ? 0 : (amount * maturity + held * heldWait + total - 1) / total;
    }

    /// @notice Whether a write-off that leaves `rest` of the claims counts as a full one.
    function isWipedOut(uint256 rest, uint256 totalUnits) internal pure returns (bool) {
        return rest * WIPE_OUT < totalUnits || rest == 0;
    }
}
