// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {Markets} from "./clearing/Markets.sol";
import {Orders} from "./clearing/Orders.sol";
import {IClearingHouse} from "./interfaces/IClearingHouse.sol";
import {ILiquidations} from "./interfaces/ILiquidations.sol";
import {IMarkets} from "./interfaces/IMarkets.sol";

/// @title ClearingHouse
/// @notice Markets, positions, orders, liquidation and the allocation of losses, composed of the parts in `clearing/`:
/// Markets (price, funding, side indices) -> Positions (settle, change, value) -> Solvency (flags, losses) -> Orders. Liquidations
/// stands on the first three as well, and is a contract of its own: its code runs here, on this storage.
/// - The house holds no token and no position; the vault keeps the ledger, the fund pays for what a defaulter can't.
/// - All accounts of a side share one index, so deleveraging and charged losses cost the same for any number of them.
/// - Wiring is immutable, the module's address too; governance changes parameters within bounds, and closes markets whose feed is dead.
contract ClearingHouse is Orders {
    /// @inheritdoc IClearingHouse
    address public immutable liquidations;

    /// @dev In the module, which takes the lock: the function of the same name, with the same arguments, on this storage.
    modifier inLiquidations() {
        Address.functionDelegateCall(liquidations, msg.data);
        _;
    }

    constructor(
        address manager,
        address vault_,
        address fund_,
        address oracle_,
        address policy_,
        LiquidationParameters memory liquidationParameters_,
        address liquidations_
    ) Markets(manager, vault_, fund_, oracle_, policy_, liquidationParameters_) {
        IMarkets module = IMarkets(liquidations_);
        bool sameLedger = module.vault() == vault_ && module.fund() == fund_;
        if (!sameLedger || module.oracle() != oracle_ || module.policy() != policy_) {
            revert LiquidationsMismatch(liquidations_);
        }
        liquidations = liquidations_;
    }

    // ------------------------------------------------ below maintenance margin

    // solhint-disable no-empty-blocks

    /// @inheritdoc ILiquidations
    function liquidate(address account, uint256 fraction, address[] calldata accounts) external inLiquidations {}

    /// @inheritdoc ILiquidations
    function deleverage(address account, address[] calldata accounts) external inLiquidations {}

    // solhint-enable no-empty-blocks

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
        Health memory h = _health(account, net - int256(amount));
        uint256 contribution = _POLICY.admitWithdrawal(account, h.equity + int256(amount), h.equity, h.notional);
        _requireInitialMargin(account, _contribute(account, h, contribution));
    }
}
