// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";

/// @title ERC-20 shares that belong to an epoch
/// @notice When the epoch changes, every balance and the total supply read zero at once; nothing has to be visited.
/// @dev Allowances outlive epochs: they are consents, not holdings.
abstract contract EpochShares is IERC20Metadata, IERC20Errors {
    uint8 public immutable decimals;
    string public name;
    string public symbol;

    mapping(uint256 epoch => uint256) internal _supply;
    mapping(uint256 epoch => mapping(address account => uint256)) internal _balances;
    mapping(address owner => mapping(address spender => uint256)) public allowance;

    constructor(string memory name_, string memory symbol_, uint8 decimals_) {
        (name, symbol, decimals) = (name_, symbol_, decimals_);
    }

    /// @notice The epoch that shares are now counted in.
    function shareEpoch() public view virtual returns (uint256);

    // ----------------------------------------------------------------- ERC-20

    /// @inheritdoc IERC20
    function transfer(address to, uint256 value) external returns (bool) {
        _transfer(shareEpoch(), msg.sender, to, value);
        return true;
    }

    /// @inheritdoc IERC20
    function transferFrom(address from, address to, uint256 value) external returns (bool) {
        _spendAllowance(from, msg.sender, value);
        _transfer(shareEpoch(), from, to, value);
        return true;
    }

    /// @inheritdoc IERC20
    function approve(address spender, uint256 value) external returns (bool) {
        if (spender == address(0)) revert ERC20InvalidSpender(spender);
        allowance[msg.sender][spender] = value;
        emit Approval(msg.sender, spender, value);
        return true;
    }

    /// @inheritdoc IERC20
    function totalSupply() public view returns (uint256) {
        return _supply[shareEpoch()];
    }

    /// @inheritdoc IERC20
    function balanceOf(address account) external view returns (uint256) {
        return _balances[shareEpoch()][account];
    }

    // --------------------------------------------------------------- internal

    function _transfer(uint256 epoch, address from, address to, uint256 value) internal {
        if (to == address(0)) revert ERC20InvalidReceiver(to);
        _decrease(epoch, from, value);
        _balances[epoch][to] += value;
        emit Transfer(from, to, value);
    }

    function _mint(uint256 epoch, address to, uint256 value) internal {
        if (to == address(0)) revert ERC20InvalidReceiver(to);
        _supply[epoch] += value;
        _balances[epoch][to] += value;
        emit Transfer(address(0), to, value);
    }

    function _burn(uint256 epoch, address from, uint256 value) internal {
        _decrease(epoch, from, value);
        _supply[epoch] -= value;
        emit Transfer(from, address(0), value);
    }

    function _spendAllowance(address owner, address spender, uint256 value) internal {
        uint256 allowed = allowance[owner][spender];
        if (allowed == type(uint256).max) return; // unlimited
        if (allowed < value) revert ERC20InsufficientAllowance(spender, allowed, value);
        allowance[owner][spender] = allowed - value;
    }

    function _decrease(uint256 epoch, address from, uint256 value) private {
        uint256 balance = _balances[epoch][from];
        if (balance < value) revert ERC20InsufficientBalance(from, balance, value);
        _balances[epoch][from] = balance - value;
    }
}
