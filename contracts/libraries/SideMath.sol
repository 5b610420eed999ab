// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

/// @title Arithmetic of side indices and positions
/// @notice Pure; SPECIFICATION.md sections 1 and 3. `scale` is 10^(36 - decimals of S): size * price / scale is an amount of S.
library SideMath {
    uint256 internal constant MILLION = 1e6;
    uint256 internal constant WAD = 1e18;
    uint256 internal constant ONE_A = 1e36; // the size multiplier of a new epoch
    uint256 internal constant FLOOR_A = 1e24; // a multiplier that would fall below it ends the epoch
    uint256 internal constant HOURS_A_YEAR = 8760;
    uint256 internal constant DUST = 1e9; // open interest (size) too small to go on with, or to charge a loss to

    // ------------------------------------------------------------------ index

    /// @notice K of a side: base + A * V for longs, base - A * V for shorts. Exact.
    function sideIndex(
        bool isShort,
        int256 base,
        uint256 multiplier,
        int256 valueIndex
    ) internal pure returns (int256) {
        int256 scaled = int256(multiplier) * valueIndex;
        return isShort ? base - scaled : base + scaled;
    }

    /// @notice The base that keeps a side's K where it is while its multiplier moves from `from` to `to`.
    function rebase(
        bool isShort,
        int256 base,
        uint256 from,
        uint256 to,
        int256 valueIndex
    ) internal pure returns (int256) {
        int256 scaled = (int256(from) - int256(to)) * valueIndex;
        return isShort ? base - scaled : base + scaled;
    }

    /// @notice Effective size q0 * A / A0.
    function sizeDown(uint256 size, uint256 multiplier, uint256 multiplier0) internal pure returns (uint256) {
        return multiplier == multiplier0 ? size : FixedPointMathLib.fullMulDiv(size, multiplier, multiplier0);
    }

    /// @notice Unsettled profit q0 * (K - K0) / A0 in units of S, toward minus infinity.
    function unsettledDown(
        uint256 size,
        uint256 multiplier0,
        int256 indexChange,
        uint256 scale
    ) internal pure returns (int256) {
        if (indexChange == 0 || size == 0) return 0;
        uint256 divisor = multiplier0 * scale;
        return
            indexChange > 0
                ? int256(FixedPointMathLib.fullMulDiv(size, uint256(indexChange), divisor))
                : -int256(FixedPointMathLib.fullMulDivUp(size, uint256(-indexChange), divisor));
    }

    /// @notice How far K must fall so that open interest loses at least `amount` of S.
    function lossIndexUp(
        uint256 amount,
        uint256 multiplier,
        uint256 openInterest,
        uint256 scale
    ) internal pure returns (uint256) {
        return FixedPointMathLib.fullMulDivUp(multiplier * scale, amount, openInterest);
    }

    // ----------------------------------------------------------------- values

    function notionalDown(uint256 size, uint256 price, uint256 scale) internal pure returns (uint256) {
        return (size * price) / scale;
    }

    /// @notice size * price * ratio, in units of S; ratio in ppm.
    function partUp(uint256 size, uint256 price, uint256 ratio, uint256 scale) internal pure returns (uint256) {
        return FixedPointMathLib.divUp(size * price * ratio, scale * MILLION);
    }

    // ---------------------------------------------------------------- funding

    /// @notice The premium that stands after a trade of `size` at `premium`: moved toward it by the trade's share of open interest. ppm.
    function premiumAfterTrade(
        int256 standing,
        int256 premium,
        uint256 size,
        uint256 openInterest
    ) internal pure returns (int256) {
        if (size >= openInterest) return premium;
        return standing + ((premium - standing) * int256(size)) / int256(openInterest);
    }

    /// @notice The time-weighted premium after the last trade's premium has stood for `elapsed` seconds. ppm.
    function premiumAfter(
        int256 premium,
        int256 lastPremium,
        uint256 elapsed,
        uint256 period
    ) internal pure returns (int256) {
        uint256 weight = elapsed < period ? elapsed : period;
        return premium + ((lastPremium - premium) * int256(weight)) / int256(period);
    }

    /// @notice What a long owes a short for each unit of size, as a price.
    function fundingPerUnit(
        uint256 price,
        int256 premium,
        uint256 maxRate,
        uint256 elapsed,
        uint256 period
    ) internal pure returns (int256) {
        int256 rate = FixedPointMathLib.clamp(premium, -int256(maxRate), int256(maxRate));
        return (int256(price) * rate * int256(elapsed)) / int256(MILLION * period);
    }

    // ---------------------------------------------------------------- premium

    /// @notice Clock hours that began in (from, to].
    function hoursBegun(uint256 from, uint256 to) internal pure returns (uint256) {
        return to / 1 hours - from / 1 hours;
    }

    /// @notice What each unit of open interest owes the fund for so many hours, as a price; rate: ppm of the price a year.
    function premiumPerUnitDown(uint256 price, uint256 rate, uint256 hoursOwed) internal pure returns (uint256) {
        return (price * rate * hoursOwed) / (MILLION * HOURS_A_YEAR);
    }

    /// @notice What both sides together owe, in units of S.
    function premiumDown(uint256 openInterest, uint256 perUnit, uint256 scale) internal pure returns (uint256) {
        return 2 * ((openInterest * perUnit) / scale);
    }

    /// @notice The base of a side whose every unit has paid so much: K falls by A * perUnit.
    function paidBase(int256 base, uint256 multiplier, uint256 perUnit) internal pure returns (int256) {
        return base - int256(multiplier * perUnit);
    }
}
