// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Waterfall} from "../libraries/Waterfall.sol";

/// @title The waterfall, callable from tests
contract WaterfallHarness {
    function split(
        uint256 shortfall,
        uint256 coinsuranceRatio,
        Waterfall.Sources calldata sources
    ) external pure returns (Waterfall.Split memory) {
        return Waterfall.split(shortfall, coinsuranceRatio, sources);
    }

    function recovery(
        Waterfall.Split calldata paid,
        uint256 done,
        uint256 amount
    ) external pure returns (Waterfall.Split memory) {
        return Waterfall.recovery(paid, done, amount);
    }
}
