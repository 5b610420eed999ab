// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {SideMath} from "../contracts/libraries/SideMath.sol";
import {Wide} from "./Wide.sol";

/// @title Proofs of the arithmetic of side indices and positions
/// @notice Widths as in SPECIFICATION.md section 1. `check_` is proven for all inputs in its range, `testFuzz_` is tried where the
/// product of two factors takes more than a word, and FixedPointMathLib's division of 512 bits begins.
contract SideMathProofs {
    uint256 private constant MILLION = 1e6;
    uint256 private constant MAX_SCALE = 1e30; // 10^(36 - decimals), of at least 6

    // ------------------------------------------------------------------ index

    /// @notice K does not jump while the multiplier moves, and nothing overflows.
    function check_rebaseKeepsIndex(bool isShort, int248 base, uint120 from, uint120 to, int128 value) external pure {
        int256 moved = SideMath.rebase(isShort, base, from, to, value);
        assert(SideMath.sideIndex(isShort, moved, to, value) == SideMath.sideIndex(isShort, base, from, value));
    }

    /// @notice A rise of V by `change` moves the K of longs by A * change and the K of shorts by as much the other way.
    function check_indexFollowsValue(int248 base, uint120 multiplier, int120 value, int120 change) external pure {
        int256 moved = int256(value) + change;
        int256 long =
            SideMath.sideIndex(false, base, multiplier, moved) - SideMath.sideIndex(false, base, multiplier, value);
        int256 short =
            SideMath.sideIndex(true, base, multiplier, moved) - SideMath.sideIndex(true, base, multiplier, value);
        assert(long == int256(uint256(multiplier)) * change);
        assert(short == -long);
    }

    /// @notice q <= q0 * A / A0 < q + 1, and no more than q0 where the multiplier has only fallen.
    function check_sizeDown(uint112 size, uint120 multiplier, uint120 multiplier0) external view {
        if (multiplier0 == 0) return;
        uint256 exact = uint256(size) * multiplier;
        try this.sizeDown(size, multiplier, multiplier0) returns (uint256 effective) {
            assert(effective * multiplier0 <= exact);
            assert(exact < effective * multiplier0 + multiplier0);
            if (multiplier <= multiplier0) assert(effective <= size);
        } catch {
            assert(false);
        }
    }

    /// @notice Profit is rounded down: profit <= q0 * change / (A0 * scale) < profit + 1.
    function check_unsettledProfit(uint112 size, uint120 multiplier0, uint136 change, uint104 scale) external view {
        if (multiplier0 == 0 || scale == 0 || scale > MAX_SCALE) return;
        uint256 divisor = uint256(multiplier0) * scale;
        uint256 exact = uint256(size) * change;
        try this.unsettledDown(size, multiplier0, int256(uint256(change)), scale) returns (int256 unsettled) {
            assert(unsettled >= 0);
            assert(uint256(unsettled) * divisor <= exact);
            assert(exact < uint256(unsettled) * divisor + divisor);
        } catch {
            assert(false);
        }
    }

    /// @notice Loss is rounded up: loss - 1 < q0 * change / (A0 * scale) <= loss.
    function check_unsettledLoss(uint112 size, uint120 multiplier0, uint136 change, uint104 scale) external view {
        if (multiplier0 == 0 || scale == 0 || scale > MAX_SCALE) return;
        uint256 divisor = uint256(multiplier0) * scale;
        uint256 exact = uint256(size) * change;
        try this.unsettledDown(size, multiplier0, -int256(uint256(change)), scale) returns (int256 unsettled) {
            assert(unsettled <= 0);
            assert(exact <= uint256(-unsettled) * divisor);
            assert(uint256(-unsettled) * divisor < exact + divisor);
        } catch {
            assert(false);
        }
    }

    /// @notice The same, for every change of K that prices below 2^128 can make.
    function testFuzz_unsettledDown(uint112 size, uint120 multiplier0, int248 change, uint8 decimals) external pure {
        multiplier0 = uint120(SideMath.FLOOR_A + (multiplier0 % SideMath.ONE_A));
        uint256 scale = 10 ** (36 - (6 + (decimals % 13)));
        int256 unsettled = SideMath.unsettledDown(size, multiplier0, change, scale);
        uint256 divisor = multiplier0 * scale;
        if (change >= 0) _isQuotientDown(size, uint256(int256(change)), divisor, uint256(unsettled));
        else _isQuotientUp(size, uint256(-int256(change)), divisor, uint256(-unsettled));
    }

    /// @notice Open interest loses at least the amount, and would lose less by an index that is one smaller.
    function check_lossIndexUp(uint32 amount, uint120 multiplier, uint112 interest, uint104 scale) external view {
        if (interest == 0 || scale > MAX_SCALE) return;
        uint256 exact = uint256(multiplier) * scale * amount;
        try this.lossIndexUp(amount, multiplier, interest, scale) returns (uint256 loss) {
            assert(exact <= loss * interest);
            assert(loss * interest < exact + interest);
        } catch {
            assert(false);
        }
    }

    /// @notice The same, for every amount.
    function testFuzz_lossIndexUp(uint128 amount, uint120 multiplier, uint112 interest, uint8 decimals) external pure {
        multiplier = uint120(SideMath.FLOOR_A + (multiplier % SideMath.ONE_A));
        uint256 openInterest = SideMath.DUST + interest;
        uint256 scale = 10 ** (36 - (6 + (decimals % 13)));
        // What a loss this large would be of open interest this small is no index any more: then it reverts.
        if (Wide.mul(multiplier * scale, amount).high >= openInterest) return;
        uint256 loss = SideMath.lossIndexUp(amount, multiplier, openInterest, scale);
        _isQuotientUp(multiplier * scale, amount, openInterest, loss);
    }

    // ----------------------------------------------------------------- values

    /// @notice notional <= size * price / scale < notional + 1.
    function check_notionalDown(uint112 size, uint128 price, uint104 scale) external pure {
        if (scale == 0) return;
        uint256 notional = SideMath.notionalDown(size, price, scale);
        assert(notional * scale <= uint256(size) * price);
        assert(uint256(size) * price < notional * scale + scale);
    }

    /// @notice part - 1 < size * price * ratio / (scale * 1e6) <= part, wherever the notional is an amount.
    function check_partUp(uint112 size, uint128 price, uint24 ratio, uint104 scale) external pure {
        if (scale == 0 || scale > MAX_SCALE || ((uint256(size) * price) / scale) >> 128 != 0) return;
        uint256 part = SideMath.partUp(size, price, ratio, scale);
        uint256 exact = uint256(size) * price * ratio;
        assert(exact <= part * scale * MILLION);
        assert(part * scale * MILLION < exact + scale * MILLION);
    }

    // ---------------------------------------------------------------- funding

    /// @notice The standing premium moves toward the trade's, by the trade's share of open interest, rounded toward where it was.
    function check_premiumAfterTrade(int24 standing, int24 premium, uint112 size, uint112 interest) external pure {
        int256 next = SideMath.premiumAfterTrade(standing, premium, size, interest);
        if (size >= interest) assert(next == premium);
        else _isMovedPart(standing, premium, next, size, interest);
    }

    /// @notice The average moves toward the last premium, by the elapsed part of the period, rounded toward where it was.
    function check_premiumAfter(int24 premium, int24 last, uint40 elapsed, uint24 period) external pure {
        if (period == 0) return;
        int256 next = SideMath.premiumAfter(premium, last, elapsed, period);
        _isMovedPart(premium, last, next, elapsed < period ? elapsed : period, period);
    }

    /// @notice Funding has the sign of the premium, is made at it or at the largest rate, and is rounded toward zero.
    function testFuzz_fundingPerUnit(
        uint128 price,
        int24 premium,
        uint24 maxRate,
        uint40 elapsed,
        uint24 period
    ) external pure {
        if (period == 0) return;
        int256 funding = SideMath.fundingPerUnit(price, premium, maxRate, elapsed, period);
        uint256 exact = uint256(price) * (_abs(premium) < maxRate ? _abs(premium) : maxRate) * elapsed;
        uint256 paid = _abs(funding) * MILLION * period;
        assert(paid <= exact && exact < paid + MILLION * period);
        assert(funding == 0 || (funding > 0) == (premium > 0));
    }

    // ------------------------------------------- calls that may fail, and tools

    function sizeDown(uint256 size, uint256 multiplier, uint256 multiplier0) external pure returns (uint256) {
        return SideMath.sizeDown(size, multiplier, multiplier0);
    }

    function unsettledDown(
        uint256 size,
        uint256 multiplier0,
        int256 change,
        uint256 scale
    ) external pure returns (int256) {
        return SideMath.unsettledDown(size, multiplier0, change, scale);
    }

    function lossIndexUp(
        uint256 amount,
        uint256 multiplier,
        uint256 interest,
        uint256 scale
    ) external pure returns (uint256) {
        return SideMath.lossIndexUp(amount, multiplier, interest, scale);
    }

    /// @dev |next - from| <= |to - from| * part / whole < |next - from| + 1, in the same direction.
    function _isMovedPart(int256 from, int256 to, int256 next, uint256 part, uint256 whole) private pure {
        uint256 moved = _abs(next - from) * whole;
        uint256 exact = _abs(to - from) * part;
        assert(moved <= exact);
        assert(exact < moved + whole);
        assert(next == from || (next > from) == (to > from));
    }

    /// @dev quotient <= a * b / divisor < quotient + 1.
    function _isQuotientDown(uint256 a, uint256 b, uint256 divisor, uint256 quotient) private pure {
        Wide.Product memory exact = Wide.mul(a, b);
        Wide.Product memory below = Wide.mul(quotient, divisor);
        assert(!Wide.lessThan(exact, below));
        assert(Wide.lessThan(exact, Wide.add(below, divisor)));
    }

    /// @dev quotient - 1 < a * b / divisor <= quotient.
    function _isQuotientUp(uint256 a, uint256 b, uint256 divisor, uint256 quotient) private pure {
        Wide.Product memory exact = Wide.mul(a, b);
        Wide.Product memory above = Wide.mul(quotient, divisor);
        assert(!Wide.lessThan(above, exact));
        assert(Wide.lessThan(above, Wide.add(exact, divisor)));
    }

    function _abs(int256 x) private pure returns (uint256) {
        return uint256(x < 0 ? -x : x);
    }
}
