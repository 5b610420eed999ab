// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";

/// @title Tiers behind a Merkle root, and tiers in a mapping, to compare what reading one costs
/// @dev The funding policy keeps them in a mapping; `make bench` measures both.
contract MerkleTiers {
    bytes32 public immutable root;
    mapping(address account => uint256) internal _tiers;

    error InvalidProof();

    constructor(bytes32 root_, address account, uint256 tier) {
        root = root_;
        _tiers[account] = tier;
    }

    function byMapping(address account) external view returns (uint256) {
        return _tiers[account];
    }

    function byProof(address account, uint256 tier, bytes32[] calldata proof) external view returns (uint256) {
        if (!MerkleProof.verifyCalldata(proof, root, keccak256(abi.encode(account, tier)))) revert InvalidProof();
        return tier;
    }
}
