// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IStablecoins} from "../interfaces/IStablecoins.sol";
import {Conversion} from "../libraries/Conversion.sol";

/// @title What units of an asset are worth, callable from tests
contract ConversionHarness {
    using Conversion for IStablecoins.Terms;

    /// @return what x units are worth, what of it counts, and what a buyer pays and a seller gets for them at f
    function worth(
        IStablecoins.Terms calldata t,
        uint256 x,
        uint256 f
    ) external pure returns (uint256, uint256, uint256, uint256) {
        return (t.worthDown(x), t.valueDown(x), t.costUp(x, f), t.paymentDown(x, f));
    }

    /// @return the fewest units that cost as much as `amount` at f, and the most that it pays for
    function units(IStablecoins.Terms calldata t, uint256 amount, uint256 f) external pure returns (uint256, uint256) {
        return (t.unitsUp(amount, f), t.unitsDown(amount, f));
    }

    function off(IStablecoins.Terms calldata t, uint256 startedAt, uint256 duration) external view returns (uint256) {
        return t.off(startedAt, duration);
    }

    function endOf(uint256 startedAt, uint256 duration) external pure returns (uint256) {
        return Conversion.endOf(startedAt, duration);
    }
}
