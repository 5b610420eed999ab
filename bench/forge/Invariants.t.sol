// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Checks} from "./Checks.sol";
import {VM} from "./Cheats.sol";
import {Handlers} from "./Handlers.sol";
import {System} from "./System.sol";

/// @title A random campaign over the whole protocol
contract Invariants is System {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    string private constant COUNTS = "build/forge/counts.txt";

    Handlers private _handlers;
    Checks private _checks;

    function setUp() public {
        _deploy();
        _handlers = new Handlers(_parts);
        _checks = new Checks(_parts.house);
    }

    // ------------------------------------------------------- what forge calls

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_handlers);
    }

    /// @dev Each action as often as its weight in tests/model/driver.py.
    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[17] memory actions = [
            Handlers.trade.selector,
            Handlers.movePrices.selector,
            Handlers.closePosition.selector,
            Handlers.settle.selector,
            Handlers.flag.selector,
            Handlers.liquidate.selector,
            Handlers.deleverage.selector,
            Handlers.deposit.selector,
            Handlers.withdraw.selector,
            Handlers.collect.selector,
            Handlers.stake.selector,
            Handlers.requestRedeem.selector,
            Handlers.roll.selector,
            Handlers.claim.selector,
            Handlers.waitForAuction.selector,
            Handlers.cancel.selector,
            Handlers.cancelAll.selector
        ];
        uint8[17] memory weights = [30, 14, 8, 10, 12, 8, 8, 6, 6, 2, 2, 2, 4, 1, 3, 1, 1];
        uint256 total;
        for (uint256 i; i < weights.length; ++i) total += weights[i];
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(_handlers), new bytes4[](total));
        uint256 next;
        for (uint256 i; i < actions.length; ++i) {
            for (uint256 j; j < weights[i]; ++j) targets[0].selectors[next++] = actions[i];
        }
    }

    // ------------------------------------------------------------- properties

    function invariant_properties() public view {
        bytes32 broken = _handlers.broken();
        require(broken == 0, string(abi.encodePacked(broken)));
        require(_handlers.ordersHold(), "P9");
        require(_handlers.feesHold(), "P10");
        _checks.checkWithin(_handlers.accounts(), _handlers.slack());
    }

    /// @dev One line a run: calls done, defaults, those that the fund paid to, those charged to open interest.
    function afterInvariant() public {
        (uint256 calls, uint256 defaults, uint256 fromFund, uint256 charged) = _handlers.counts();
        string memory line = string.concat(VM.toString(calls), " ", VM.toString(defaults), " ");
        line = string.concat(line, VM.toString(fromFund), " ", VM.toString(charged));
        VM.writeLine(COUNTS, line);
    }
}
