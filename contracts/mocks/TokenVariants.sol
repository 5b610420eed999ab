// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {TestToken} from "./TestToken.sol";

/// @title A token that keeps a fee of every transfer
contract FeeToken is TestToken {
    uint256 internal constant MILLION = 1e6;
    uint256 public immutable fee; // ppm of the amount transferred, burnt

    constructor(uint8 decimals_, uint256 fee_) TestToken("Fee on transfer", "FEE", decimals_) {
        fee = fee_;
    }

    function _update(address from, address to, uint256 amount) internal override {
        uint256 burnt = from == address(0) || to == address(0) ? 0 : (amount * fee) / MILLION;
        if (burnt > 0) super._update(from, address(0), burnt);
        super._update(from, to, amount - burnt);
    }
}

/// @title A token that calls a configured target, once, in the middle of a transfer or a transferFrom
contract ReentrantToken is TestToken {
    address public target; // 0: not armed
    bytes public data;
    bool public called; // the armed call was made
    bool public succeeded; // and it did not revert
    bytes public result; // what it returned or reverted with

    constructor(uint8 decimals_) TestToken("Reentrant", "RE", decimals_) {}

    /// @notice The next transfer calls `target_` with `data_`, after its balances have moved. msg.sender is this token.
    function arm(address target_, bytes calldata data_) external {
        (target, data) = (target_, data_);
        (called, succeeded, result) = (false, false, "");
    }

    function _update(address from, address to, uint256 amount) internal override {
        super._update(from, to, amount);
        address target_ = target;
        if (target_ == address(0) || from == address(0) || to == address(0)) return;
        target = address(0); // once: the call may itself transfer
        // solhint-disable-next-line avoid-low-level-calls
        (succeeded, result) = target_.call(data);
        called = true;
    }
}

/// @title Balances and allowances for the tokens below, whose functions do not have the return values of ERC-20
abstract contract BareToken {
    uint8 public immutable decimals;
    uint256 public totalSupply;
    mapping(address account => uint256) public balanceOf;
    mapping(address owner => mapping(address spender => uint256)) public allowance;

    event Transfer(address indexed from, address indexed to, uint256 amount);
    event Approval(address indexed owner, address indexed spender, uint256 amount);

    constructor(uint8 decimals_) {
        decimals = decimals_;
    }

    function mint(address to, uint256 amount) external {
        totalSupply += amount;
        balanceOf[to] += amount;
        emit Transfer(address(0), to, amount);
    }

    function _approve(address spender, uint256 amount) internal {
        allowance[msg.sender][spender] = amount;
        emit Approval(msg.sender, spender, amount);
    }

    function _canMove(address from, uint256 amount) internal view returns (bool) {
        return balanceOf[from] >= amount && (from == msg.sender || allowance[from][msg.sender] >= amount);
    }

    function _move(address from, address to, uint256 amount) internal {
        if (from != msg.sender) allowance[from][msg.sender] -= amount;
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
        emit Transfer(from, to, amount);
    }
}

/// @title A token whose functions return nothing, and which refuses to change an allowance that is not zero, like USDT
contract SilentToken is BareToken {
    error AllowanceNotZero();

    constructor(uint8 decimals_) BareToken(decimals_) {}

    function approve(address spender, uint256 amount) external {
        if (amount != 0 && allowance[msg.sender][spender] != 0) revert AllowanceNotZero();
        _approve(spender, amount);
    }

    function transfer(address to, uint256 amount) external {
        _move(msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) external {
        _move(from, to, amount);
    }
}

/// @title A token that returns false, and moves nothing, where others revert
contract FalseToken is BareToken {
    constructor(uint8 decimals_) BareToken(decimals_) {}

    function approve(address spender, uint256 amount) external returns (bool) {
        _approve(spender, amount);
        return true;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        return _tryMove(msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        return _tryMove(from, to, amount);
    }

    function _tryMove(address from, address to, uint256 amount) internal returns (bool) {
        if (!_canMove(from, amount)) return false;
        _move(from, to, amount);
        return true;
    }
}
