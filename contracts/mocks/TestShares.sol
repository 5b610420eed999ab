// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC4626} from "@openzeppelin/contracts/token/ERC20/extensions/ERC4626.sol";

/// @title An ERC-4626 vault for development chains; its rate rises with whatever is given to it, and can be made to fall
contract TestShares is ERC4626 {
    constructor(
        address asset_,
        string memory name_,
        string memory symbol_
    ) ERC4626(IERC20(asset_)) ERC20(name_, symbol_) {}

    /// @notice What a borrower of the vault does not bring back; by anyone.
    function lose(uint256 assets) external {
        require(IERC20(asset()).transfer(address(0xdead), assets), "transfer failed");
    }
}
