// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ReentrancyGuard} from "@openzeppelin/contracts/utils/ReentrancyGuard.sol";
import {IClearingHouse} from "../interfaces/IClearingHouse.sol";
import {Bits} from "../libraries/Bits.sol";
import {Positions} from "./Positions.sol";

/// @title Solvency
/// @notice Settling whole accounts, the flag of those below maintenance margin, the mark of those known to be insolvent, and
/// the allocation of what an account can't pay. SPECIFICATION.md sections 4 and 5.
/// - Debt never outlives an account's last position: whoever takes that away, or finds it gone, resolves the debt.
/// - The tranche gate is shut while any account is marked insolvent; everything that ends the insolvency removes the mark.
abstract contract Solvency is Positions, ReentrancyGuard {
    /// @inheritdoc IClearingHouse
    uint256 public insolvencies;

    // ------------------------------------------------------------- settlement

    /// @inheritdoc IClearingHouse
    function settle(address[] calldata accounts) external nonReentrant {
        _settleMany(accounts);
    }

    function _settleMany(address[] calldata accounts) internal {
        for (uint256 i; i < accounts.length; ++i) {
            _settleAccount(accounts[i]);
        }
    }

    /// @dev Settles the account in all its markets; without a position of size > 0, its debts are resolved.
    function _settleAccount(address account) internal {
        uint64 markets = _accounts[account].positionMarkets;
        bool open;
        for (uint16 m; markets != 0; markets = Bits.clear(markets, m)) {
            m = Bits.lowest(markets);
            if (_settlePosition(account, m) != 0) open = true;
        }
        if (open) return;
        _resolve(account);
        _eraseAll(account);
        if (_accounts[account].flaggedAt != 0) _updateFlag(account, _health(account));
    }

    // ------------------------------------------------------------------- flag

    /// @inheritdoc IClearingHouse
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

    /// @dev Sends each of the account's debts through the waterfall of its market. Its records, settled, must still be there.
    function _resolve(address account) internal {
        uint64 markets = _VAULT.seizeClaims(account);
        for (uint16 m; markets != 0; markets = Bits.clear(markets, m)) {
            m = Bits.lowest(markets);
            (uint256 shortfall, uint256 unpaidProfit) = _VAULT.shortfall(account, m);
            (uint256 fromProfit, uint256 fromFund) = _FUND.resolve(account, m, shortfall, unpaidProfit);
            _VAULT.resolveDebt(account, m, fromProfit, fromFund);
            uint256 remainder = shortfall - fromProfit - fromFund;
            if (remainder != 0) _chargeRemainder(account, m, remainder);
        }
    }

    /// @dev The side opposite to the account's record bears the remainder; where nobody live is left, the profits that stale
    /// positions have not settled yet.
    function _chargeRemainder(address account, uint16 market, uint256 amount) private {
        Position storage p = _positions[account][market];
        bool live = p.epoch == _side(market, p.isShort).epoch;
        if (live && _charge(market, !p.isShort, amount)) return;
        if (live) _endEpochs(market);
        _VAULT.addResidual(market, amount);
    }

    /// @dev Erases the records of an account none of which has size: they were kept for debts that are resolved now.
    function _eraseAll(address account) private {
        uint64 markets = _accounts[account].positionMarkets;
        for (uint16 m; markets != 0; markets = Bits.clear(markets, m)) {
            m = Bits.lowest(markets);
            Position storage p = _positions[account][m];
            _erase(account, m, p.isShort, p.epoch == _side(m, p.isShort).epoch);
            _turnEpochs(m);
        }
    }

    // ------------------------------------------------------------------ views

    /// @inheritdoc IClearingHouse
    function flagOf(address account) external view returns (uint256 flaggedAt, bool insolvent) {
        return (_accounts[account].flaggedAt, _accounts[account].insolvent);
    }
}
