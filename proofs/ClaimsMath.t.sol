// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ClaimsMath} from "../contracts/libraries/ClaimsMath.sol";

/// @title Proofs of the arithmetic of claims
/// @notice For all units and amounts below 2^128. `claims` and `units` are the market's totals.
contract ClaimsMathProofs {
    uint256 private constant MAX_MATURITY = 7 days;
    uint256 private constant WIPE_OUT = 1e9;

    /// @notice value <= held * C < value + 1.
    function check_valueDown(uint128 held, uint128 claims, uint128 units) external pure {
        uint256 value = ClaimsMath.valueDown(held, claims, units);
        if (units == 0) return assert(value == 0);
        assert(value * units <= uint256(held) * claims);
        assert(uint256(held) * claims < value * units + units);
    }

    /// @notice The minted units are worth at most the amount, and one more would be worth more: nobody else's claims fall.
    function check_unitsDown(uint128 amount, uint128 claims, uint128 units) external pure {
        if (claims == 0 && units != 0) return; // a market with units has claims
        uint256 minted = ClaimsMath.unitsDown(amount, claims, units);
        if (units == 0) return assert(minted == amount);
        assert(minted * claims <= uint256(amount) * units);
        assert(uint256(amount) * units < minted * claims + claims);
    }

    /// @notice The index is at most 1, and minting keeps it so.
    function check_mintKeepsIndex(uint128 amount, uint128 claims, uint128 units) external pure {
        if (claims > units || (claims == 0 && units != 0)) return;
        uint256 minted = ClaimsMath.unitsDown(amount, claims, units);
        assert(uint256(claims) + amount <= units + minted);
    }

    /// @notice The units that go are worth at least the amount and are the fewest that are; they are all of the holder's where it is
    /// their whole value. At most what the holder has, at most what there is.
    function check_burnUp(uint128 amount, uint128 held, uint128 claims, uint128 units) external pure {
        if (claims == 0 || held > units) return;
        uint256 value = ClaimsMath.valueDown(held, claims, units);
        if (amount > value) return;
        uint256 burnt = ClaimsMath.burnUp(amount, held, claims, units);
        assert(burnt <= held);
        assert(burnt * claims >= uint256(amount) * units);
        if (amount == value) assert(burnt == held);
        else assert(burnt * claims < uint256(amount) * units + claims);
    }

    /// @notice Burning keeps the index at most 1.
    function check_burnKeepsIndex(uint128 amount, uint128 held, uint128 claims, uint128 units) external pure {
        if (claims == 0 || claims > units || held > units) return;
        if (amount > ClaimsMath.valueDown(held, claims, units)) return;
        uint256 burnt = ClaimsMath.burnUp(amount, held, claims, units);
        assert(claims - amount <= units - burnt);
    }

    /// @notice wait - 1 < the average of the two waits <= wait, and nobody waits longer than the longest maturity.
    function check_waitUp(uint128 amount, uint24 maturity, uint128 held, uint40 maturesAt, uint40 time) external pure {
        if (maturity > MAX_MATURITY || maturesAt > time + MAX_MATURITY) return;
        uint256 wait = ClaimsMath.waitUp(amount, maturity, held, maturesAt, time);
        uint256 heldWait = maturesAt > time ? maturesAt - time : 0;
        uint256 total = uint256(amount) + held;
        uint256 weighted = uint256(amount) * maturity + uint256(held) * heldWait;
        assert(wait <= MAX_MATURITY);
        assert(weighted <= wait * total);
        assert(total == 0 || wait * total < weighted + total);
    }

    /// @notice What is not written off in full leaves at most 1e9 units for each unit of value.
    function check_isWipedOut(uint128 rest, uint128 units) external pure {
        bool wipedOut = ClaimsMath.isWipedOut(rest, units);
        assert(wipedOut == (rest == 0 || units > uint256(rest) * WIPE_OUT));
    }
}
