// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";

/// @title Who may call the restricted functions, and after which delay
/// @notice OpenZeppelin's AccessManager as it is. docs/governance.md lists roles, functions and delays; weir/governance.py is the table
/// from which a deployment sets them.
contract Authority is AccessManager {
    constructor(address initialAdmin) AccessManager(initialAdmin) {}
}
