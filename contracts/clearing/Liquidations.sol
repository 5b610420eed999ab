// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {ILiquidations} from "../interfaces/ILiquidations.sol";
import {Bits} from "../libraries/Bits.sol";
import {SideMath} from "../libraries/SideMath.sol";
import {Markets} from "./Markets.sol";
import {Solvency} from "./Solvency.sol";

/// @title Liquidations
/// @notice What happens to flagged accounts: Dutch auction, then deleveraging. SPECIFICATION.md section 4.
/// - From the flag on an account can be taken over in any part, until initial margin is restored.
/// - When the auction has run out, or the fund may not pay, anyone may close it against the opposing side; the cost does not
///   depend on the number of accounts.
/// - Losses are resolved before positions move, so nobody sheds a share of them by the same transaction.
/// @dev A module of the clearing house, too large to be part of its code: deployed before it, and run by it through delegatecall,
/// on the house's storage and as the house to whatever it calls. Nothing can replace it: the house knows its address as
/// an immutable, there is no delegatecall in it, and no selfdestruct.
/// - The parts that both inherit declare all storage that is used here, in one order, so the layouts coincide. Storage may
///   be declared by those parts, or by what only the house inherits, never here.
/// - Called by itself it is harmless. Its own storage knows no market and no position; whatever would settle, charge or resolve
///   ends at the vault, the fund or the policy, which serve the house alone. What is left are views, `flag`, which can mark an account that
///   is in debt, and the restricted functions: they write numbers here that nobody reads.
contract Liquidations is ILiquidations, Solvency {
    constructor(
        address manager,
        address vault_,
        address fund_,
        address oracle_,
        address policy_,
        LiquidationParameters memory liquidationParameters_
    ) Markets(manager, vault_, fund_, oracle_, policy_, liquidationParameters_) {}

    // ------------------------------------------------------------ liquidation

    /// @inheritdoc ILiquidations
    function liquidate(address account, uint256 fraction, address[] calldata accounts) external nonReentrant {
        if (account == msg.sender) revert SelfTrade(account);
        if (fraction == 0) revert ZeroSize();
        if (_accounts[msg.sender].flaggedAt != 0) revert AccountFlagged(msg.sender);
        _settleMany(accounts);
        Health memory h = _settledFlagged(account);
        if (h.equity >= int256(h.initialMargin)) revert NotLiquidatable(account, h.equity, h.initialMargin);

        LiquidationParameters memory p = _liquidation;
        uint256 bountyRate = _bountyRate(p, block.timestamp - _accounts[account].flaggedAt);
        fraction = _fraction(p, h, bountyRate, fraction);
        int256 net = _payLiquidation(account, fraction, h.notional, bountyRate, p.penalty);
        if (fraction == SideMath.WAD && net < 0) {
            _resolve(account, net);
            net = 0;
        }
        _takeOver(account, fraction);

        _updateFlag(account, _health(account, net));
        _VAULT.requireFree(msg.sender);
        _requireInitialMargin(msg.sender, _presentHealth(msg.sender, _VAULT.net(msg.sender)));
    }

    /// @dev Linear from bountyStart at the flag to bountyMax at the end of the auction. ppm.
    function _bountyRate(LiquidationParameters memory p, uint256 elapsed) private pure returns (uint256) {
        uint256 time = elapsed < p.auctionDuration ? elapsed : p.auctionDuration;
        return p.bountyStart + (uint256(p.bountyMax - p.bountyStart) * time) / p.auctionDuration;
    }

    /// @dev The part that will be taken: no more than restores initial margin, and no piece or rest below minNotional. 1e18 = all.
    function _fraction(
        LiquidationParameters memory p,
        Health memory h,
        uint256 bountyRate,
        uint256 wanted
    ) private pure returns (uint256 fraction) {
        uint256 wad = SideMath.WAD;
        uint256 cost = FixedPointMathLib.divUp(h.notional * (bountyRate + p.penalty), SideMath.MILLION);
        fraction = FixedPointMathLib.min(wanted, wad);
        if (h.equity > 0 && h.initialMargin > cost) {
            uint256 missing = h.initialMargin - uint256(h.equity);
            uint256 cap = FixedPointMathLib.divUp(missing * wad, h.initialMargin - cost);
            fraction = FixedPointMathLib.min(fraction, cap);
        }
        uint256 minimum = p.minNotional * wad;
        if (h.notional * fraction < minimum) {
            fraction = h.notional == 0 ? wad : FixedPointMathLib.min(wad, FixedPointMathLib.divUp(minimum, h.notional));
        }
        if (h.notional * (wad - fraction) < minimum) fraction = wad;
    }

    /// @dev First its part of the collateral, for the caller's cash. Bounty: from the account's cash, and once it has nothing left, from the fund within each market's budget.
    /// Penalty: from what cash is left.
    function _payLiquidation(
        address account,
        uint256 fraction,
        uint256 notional,
        uint256 bountyRate,
        uint256 penaltyRate
    ) private returns (int256 net) {
        (uint256 bounty, uint256 penalty) = (0, 0);
        uint64 markets = _accounts[account].positionMarkets;
        for (uint16 m; markets != 0; markets = Bits.clear(markets, m)) {
            m = Bits.lowest(markets);
            uint256 taken = _takenNotional(account, m, fraction);
            bounty += (taken * bountyRate) / SideMath.MILLION;
            penalty += (taken * penaltyRate) / SideMath.MILLION;
        }
        uint256 fromAccount;
        (fromAccount, penalty, net) = _VAULT.chargeLiquidation(account, msg.sender, fraction, bounty, penalty);
        uint256 fromFund =
            bounty > fromAccount && net <= 0 ? _bountyFromFund(account, fraction, bountyRate, bounty - fromAccount) : 0;
        if (fromFund != 0) _VAULT.creditCash(msg.sender, fromFund);
        emit Liquidated(account, msg.sender, fraction, notional, fromAccount, fromFund, penalty);
    }

    function _bountyFromFund(
        address account,
        uint256 fraction,
        uint256 bountyRate,
        uint256 missing
    ) private returns (uint256 paid) {
        uint64 markets = _accounts[account].positionMarkets;
        for (uint16 m; markets != 0 && paid < missing; markets = Bits.clear(markets, m)) {
            m = Bits.lowest(markets);
            uint256 own = (_takenNotional(account, m, fraction) * bountyRate) / SideMath.MILLION;
            paid += _FUND.payBounty(m, FixedPointMathLib.min(own, missing - paid));
        }
    }

    function _takenNotional(address account, uint16 market, uint256 fraction) private view returns (uint256) {
        uint256 size = (_positions[account][market].size * fraction) / SideMath.WAD;
        return SideMath.notionalDown(size, _markets[market].price, _SCALE);
    }

    /// @dev Moves the fraction of each position to the caller, at the mark.
    function _takeOver(address account, uint256 fraction) private {
        uint64 markets = _accounts[account].positionMarkets;
        for (uint16 m; markets != 0; markets = Bits.clear(markets, m)) {
            m = Bits.lowest(markets);
            // Booked again: resolving the losses may have moved the indices.
            (Position memory taken, bool takenLive, ) = _book(account, m);
            int256 size = (_signed(taken) * int256(fraction)) / int256(SideMath.WAD);
            if (size == 0) {
                if (fraction == SideMath.WAD) _erase(account, m, taken, takenLive);
                continue;
            }
            (Position memory own, bool ownLive, ) = _book(msg.sender, m);
            int256 change = _longChange(_signed(own), _signed(own) + size);
            change += _longChange(_signed(taken), _signed(taken) - size);
            _change(account, m, taken, takenLive, -size);
            _change(msg.sender, m, own, ownLive, size);
            if (change != 0) _setOpenInterest(m, uint256(int256(uint256(_markets[m].openInterest)) + change));
            _turnEpochs(m);
        }
    }

    // ----------------------------------------------------------- deleveraging

    /// @inheritdoc ILiquidations
    function deleverage(address account, address[] calldata accounts) external nonReentrant {
        _settleMany(accounts);
        Health memory h = _settledFlagged(account);
        if (h.equity >= int256(h.maintenanceMargin)) revert NotLiquidatable(account, h.equity, h.maintenanceMargin);
        uint256 endsAt = _accounts[account].flaggedAt + _liquidation.auctionDuration;
        if (block.timestamp <= endsAt && !(h.equity < 0 && _fundIsSpent(account))) {
            revert AuctionStillRunning(account, endsAt);
        }
        uint256 penalty = (h.notional * _liquidation.penalty) / SideMath.MILLION;
        (, , int256 net) = _VAULT.chargeLiquidation(account, msg.sender, 0, 0, penalty);
        _resolve(account, net);
        uint64 markets = _accounts[account].positionMarkets;
        for (uint16 m; markets != 0; markets = Bits.clear(markets, m)) {
            m = Bits.lowest(markets);
            _close(account, m);
        }
        _updateFlag(account, _health(account, _VAULT.net(account)));
    }

    function _fundIsSpent(address account) private view returns (bool) {
        uint64 markets = _accounts[account].positionMarkets;
        for (uint16 m; markets != 0; markets = Bits.clear(markets, m)) {
            m = Bits.lowest(markets);
            if (_positions[account][m].size != 0 && _FUND.available(m) == 0) return true;
        }
        return false;
    }

    function _close(address account, uint16 market) private {
        (Position memory p, bool live, ) = _book(account, market);
        uint256 size = p.size;
        _erase(account, market, p, live);
        if (size != 0) {
            emit Deleveraged(account, market, p.isShort, size, _markets[market].price);
            _shrink(market, !p.isShort, size);
        }
        _turnEpochs(market);
    }

    // ---------------------------------------------------------------- helpers

    /// @dev Settles an account that must be flagged and still have something to sell.
    function _settledFlagged(address account) private returns (Health memory h) {
        if (_accounts[account].flaggedAt == 0) revert AccountNotFlagged(account);
        h = _health(account, _settleAccount(account));
        if (h.initialMargin == 0) revert NothingToLiquidate(account); // rounded up: 0 only without any size
    }
}
