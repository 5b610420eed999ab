// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ReentrancyGuard} from "@openzeppelin/contracts/utils/ReentrancyGuard.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {IMarkets} from "../interfaces/IMarkets.sol";
import {Bits} from "../libraries/Bits.sol";
import {Positions} from "./Positions.sol";

/// @title Solvency
/// @notice Settling whole accounts, the flag of those below maintenance margin, the mark of those known to be insolvent, and
/// the allocation of what an account can't pay. SPECIFICATION.md sections 4 and 5.
/// - Debt never outlives an account's last position: whoever takes that away, or finds it gone, resolves the debt.
/// - The tranche gate is shut while any account is marked insolvent; everything that ends the insolvency removes the mark.
abstract contract Solvency is Positions, ReentrancyGuard {
    /// @inheritdoc IMarkets
    uint256 public insolvencies;

    // ------------------------------------------------------------- settlement

    /// @inheritdoc IMarkets
    function settle(address[] calldata accounts) external nonReentrant {
        _settleMany(accounts);
    }

    function _settleMany(address[] calldata accounts) internal {
        for (uint256 i; i < accounts.length; ++i) {
            _settleAccount(accounts[i]);
        }
    }

    /// @dev Settles the account in all its markets, then turns its claims into cash; without a position of size > 0, what it
    /// can't pay is resolved. Returns its net in the vault.
    function _settleAccount(address account) internal returns (int256 net) {
        uint64 markets = _accounts[account].positionMarkets;
        bool open;
        for (uint16 m; markets != 0; markets = Bits.clear(markets, m)) {
            m = Bits.lowest(markets);
            if (_settlePosition(account, m) != 0) open = true;
        }
        net = _VAULT.convert(account);
        if (open) return net;
        if (net < 0) {
            _resolve(account, net);
            net = 0;
        }
        markets = _accounts[account].positionMarkets;
        for (uint16 m; markets != 0; markets = Bits.clear(markets, m)) {
            m = Bits.lowest(markets);
            _settlePosition(account, m);
        }
        if (_accounts[account].flaggedAt != 0) _updateFlag(account, _health(account, net));
    }

    // ------------------------------------------------------------------- flag

    /// @inheritdoc IMarkets
    function flag(address account) external nonReentrant {
        Health memory h = _presentHealth(account, _VAULT.net(account));
        bool below = _accounts[account].flaggedAt == 0 && h.equity < int256(h.maintenanceMargin);
        if (below) {
            _accounts[account].flaggedAt = uint40(block.timestamp);
            emit Flagged(account, h.equity, h.maintenanceMargin);
        }
        if (!_updateFlag(account, h) && !below) revert NothingToFlag(account, h.equity, h.maintenanceMargin);
    }

    /// @dev Clears the flag of an account that meets initial margin; else lets the insolvency mark follow its equity.
    function _updateFlag(address account, Health memory h) internal returns (bool changed) {
        AccountState storage a = _accounts[account];
        if (a.flaggedAt == 0) return false;
        changed = h.equity >= int256(h.initialMargin);
        if (changed) {
            a.flaggedAt = 0;
            emit Unflagged(account);
        }
        bool insolvent = h.equity < 0;
        if (a.insolvent == insolvent) return changed;
        a.insolvent = insolvent;
        if (insolvent) {
            ++insolvencies;
            emit InsolvencyMarked(account);
        } else {
            --insolvencies;
            emit InsolvencyCleared(account);
        }
        return true;
    }

    // ------------------------------------------------------------------- loss

    /// @dev Sends what the account can't pay, its net below zero, through the waterfalls of the markets it owes in. Its
    /// records, settled, must still be there.
    function _resolve(address account, int256 net) internal {
        if (net >= 0) return;
        uint256 missing = uint256(-net);
        (, uint64 markets) = _VAULT.ledgerMarkets(account);
        for (uint16 m; missing != 0; markets = Bits.clear(markets, m)) {
            m = Bits.lowest(markets);
            uint256 shortfall = FixedPointMathLib.min(missing, _VAULT.debtOf(account, m));
            (uint256 fromProfit, uint256 fromFund) = _FUND.resolve(account, m, shortfall, _VAULT.totalClaims(m));
            _VAULT.resolveDebt(account, m, shortfall, fromProfit, fromFund);
            uint256 remainder = shortfall - fromProfit - fromFund;
            if (remainder != 0) _chargeRemainder(account, m, remainder);
            missing -= shortfall;
        }
    }

    /// @dev The side opposite to the account's record bears the remainder; where nobody live is left to bear it, the profits that are
    /// still to be settled in the market.
    function _chargeRemainder(address account, uint16 market, uint256 amount) private {
        Position storage p = _positions[account][market];
        bool live = p.epoch == _side(market, p.isShort).epoch;
        if (!live || !_charge(market, !p.isShort, amount)) _VAULT.addResidual(market, amount);
    }

    // ----------------------------------------------------------- contribution

    /// @dev To the fund, from the account's cash. Returns its health afterwards.
    function _contribute(address account, Health memory h, uint256 amount) internal returns (Health memory) {
        if (amount == 0) return h;
        _VAULT.chargeContribution(account, amount);
        h.equity -= int256(amount);
        return h;
    }

    // ------------------------------------------------------------------ views

    /// @inheritdoc IMarkets
    function flagOf(address account) external view returns (uint256 flaggedAt, bool insolvent) {
        return (_accounts[account].flaggedAt, _accounts[account].insolvent);
    }
}
