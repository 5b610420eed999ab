// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {LibBit} from "solady/utils/LibBit.sol";

/// @title Sets of markets
/// @notice Bit m of a uint64 stands for market m, so a set of up to 64 markets is one word that is walked from the lowest id.
library Bits {
    function has(uint64 markets, uint16 market) internal pure returns (bool) {
        return (markets >> market) & 1 == 1;
    }

    function set(uint64 markets, uint16 market) internal pure returns (uint64) {
        return markets | (uint64(1) << market);
    }

    function clear(uint64 markets, uint16 market) internal pure returns (uint64) {
        return markets & ~(uint64(1) << market);
    }

    /// @notice The lowest market of a set that is not empty.
    function lowest(uint64 markets) internal pure returns (uint16) {
        return uint16(LibBit.ffs(markets));
    }

    function count(uint64 markets) internal pure returns (uint256) {
        return LibBit.popCount(markets);
    }
}
