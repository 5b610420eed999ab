// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {TestToken} from "./TestToken.sol";

/// @title Shares whose vault answers whatever it is told to, or nothing
/// @notice Of an ERC-4626 vault, only what Weir asks: the token, `asset` and `convertToAssets`.
contract FuzzShares is TestToken {
    error NoAnswer();

    address public immutable asset;
    uint256 public rate; // units of the asset for one whole share
    bool public answers = true;

    constructor(address asset_, uint8 decimals_, uint256 rate_) TestToken("Fuzzed Share", "fSHR", decimals_) {
        (asset, rate) = (asset_, rate_);
    }

    function setRate(uint256 rate_, bool answers_) external {
        (rate, answers) = (rate_, answers_);
    }

    function convertToAssets(uint256 shares) external view returns (uint256) {
        if (!answers) revert NoAnswer();
        return (shares * rate) / 10 ** _decimals;
    }
}
