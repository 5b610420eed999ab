// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ECDSA} from "solady/utils/ECDSA.sol";
import {LibCall} from "solady/utils/LibCall.sol";

/// @title A contract account (ERC-1271): its owner's signatures are its own, and its owner acts through it
contract TestWallet {
    bytes4 internal constant VALID = 0x1626ba7e; // ERC-1271
    bytes4 internal constant INVALID = 0xffffffff;

    address public immutable owner;

    error NotOwner(address caller);

    constructor(address owner_) {
        owner = owner_;
    }

    /// @notice Calls `target` as the wallet; a revert comes back as it was.
    function execute(address target, bytes calldata data) external returns (bytes memory) {
        if (msg.sender != owner) revert NotOwner(msg.sender);
        // solhint-disable-next-line avoid-low-level-calls
        (bool success, bytes memory result) = target.call(data);
        if (!success) LibCall.bubbleUpRevert(result);
        return result;
    }

    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        return ECDSA.tryRecoverCalldata(hash, signature) == owner ? VALID : INVALID;
    }
}
