// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Liquidations} from "./clearing/Liquidations.sol";
import {Markets} from "./clearing/Markets.sol";
import {Orders} from "./clearing/Orders.sol";
import {IClearingHouse} from "./interfaces/IClearingHouse.sol";

/// @title ClearingHouse
/// @notice Markets, positions, orders, liquidation and the allocation of losses, composed of the parts in `clearing/`:
/// Markets (price, funding, side indices) -> Positions (settle, change, value) -> Solvency (flags, losses) -> Orders, Liquidations.
/// - The house holds no token and no position; the vault keeps the ledger, the fund pays for what a defaulter can't.
/// - All accounts of a side share one index, so deleveraging and charged losses cost the same for any number of them.
/// - Wiring is immutable; governance changes parameters within bounds, and closes markets whose feed is dead.
contract ClearingHouse is Orders, Liquidations {
    constructor(
        address manager,
        address vault_,
        address fund_,
        address oracle_,
        LiquidationParameters memory liquidationParameters_
    ) Markets(manager, vault_, fund_, oracle_, liquidationParameters_) {}

    // -------------------------------------------------------------- the vault

    /// @inheritdoc IClearingHouse
    function authorizeWithdrawal(
        address account,
        uint256 amount,
        address[] calldata settleFirst
    ) external nonReentrant {
        if (msg.sender != address(_VAULT)) revert OnlyVault();
        _settleMany(settleFirst);
        int256 net = _settleAccount(account);
        if (_accounts[account].flaggedAt != 0) revert AccountFlagged(account);
        if (_accounts[account].positionMarkets == 0) return;
        _requireInitialMargin(account, _health(account, net - int256(amount)));
    }

    // ------------------------------------------------------------------ views

    /// @inheritdoc IClearingHouse
    function vault() external view returns (address) {
        return address(_VAULT);
    }

    /// @inheritdoc IClearingHouse
    function fund() external view returns (address) {
        return address(_FUND);
    }

    /// @inheritdoc IClearingHouse
    function oracle() external view returns (address) {
        return address(_ORACLE);
    }
}
