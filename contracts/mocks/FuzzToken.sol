// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {TestToken} from "./TestToken.sol";

/// @title A token that can turn bad and good again: it keeps a fee, answers false, reverts, or calls back
contract FuzzToken is TestToken {
    enum Mode {
        Honest,
        KeepsFee, // burns a hundredth of what is moved
        AnswersFalse, // moves nothing
        Reverts,
        CallsBack // calls `target` in the middle of a transfer
    }

    error TransfersPaused();

    Mode public mode;
    address public target;
    bytes public data;
    uint256 public callsBack; // that were made
    uint256 public callsBackAccepted; // and did not revert

    constructor(uint8 decimals_) TestToken("Fuzzed Dollar", "fUSD", decimals_) {}

    function setMode(Mode mode_, address target_, bytes calldata data_) external {
        (mode, target, data) = (mode_, target_, data_);
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        return mode == Mode.AnswersFalse ? false : super.transfer(to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        return mode == Mode.AnswersFalse ? false : super.transferFrom(from, to, amount);
    }

    function _update(address from, address to, uint256 amount) internal override {
        if (from == address(0) || to == address(0) || mode == Mode.Honest) return super._update(from, to, amount);
        if (mode == Mode.Reverts) revert TransfersPaused();
        uint256 fee = mode == Mode.KeepsFee ? (amount + 99) / 100 : 0;
        if (fee > 0) super._update(from, address(0), fee);
        super._update(from, to, amount - fee);
        if (mode != Mode.CallsBack) return;
        // solhint-disable-next-line avoid-low-level-calls
        (bool accepted, ) = target.call(data);
        callsBack += 1;
        if (accepted) callsBackAccepted += 1;
    }
}
