// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title Many views in one call
/// @notice Never deployed: put in place of some address's code for the length of an eth_call (its state overrides).
/// @dev Calldata: one after the other a target (20 bytes), the length of what it is called with (2 bytes), and that. Returns the time, the block's number,
/// and every answer, nothing in between; views that return a fixed number of words can be told apart. Reverts with what the first failing view
/// reverts with.
contract BatchReader {
    // solhint-disable-next-line no-complex-fallback, payable-fallback
    fallback() external {
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            let start := mload(0x40)
            mstore(start, timestamp())
            mstore(add(start, 32), number())
            let next := add(start, 64)
            for {
                let at := 0
            } lt(at, calldatasize()) {} {
                let head := calldataload(at)
                let size := and(shr(80, head), 0xffff)
                calldatacopy(next, add(at, 22), size)
                let success := staticcall(gas(), shr(96, head), next, size, 0, 0)
                returndatacopy(next, 0, returndatasize())
                if iszero(success) {
                    revert(next, returndatasize())
                }
                next := add(next, returndatasize())
                at := add(at, add(size, 22))
            }
            return(start, sub(next, start))
        }
    }
}
