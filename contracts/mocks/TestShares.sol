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

/// @title A share whose vault answers whatever bytes it was told to, or reverts, or burns all the gas it gets
contract RawShares {
    enum Mode {
        Answering,
        Reverting,
        BurningGas
    }

    error VaultIsDown();

    address public immutable asset;
    uint8 public immutable decimals;
    bytes internal _response;
    Mode internal _mode;

    constructor(address asset_, uint8 decimals_, uint256 rate) {
        (asset, decimals) = (asset_, decimals_);
        _response = abi.encode(rate);
    }

    /// @notice So many units of the underlying, for any number of shares.
    function setRate(uint256 rate) external {
        (_response, _mode) = (abi.encode(rate), Mode.Answering);
    }

    function respondWith(bytes calldata response) external {
        (_response, _mode) = (response, Mode.Answering);
    }

    function setMode(Mode mode) external {
        _mode = mode;
    }

    // solhint-disable-next-line no-complex-fallback
    fallback(bytes calldata) external returns (bytes memory) {
        if (_mode == Mode.Reverting) revert VaultIsDown();
        uint256 i;
        while (_mode == Mode.BurningGas) i += 1;
        return _response;
    }
}
