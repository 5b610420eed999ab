// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {SafeCastLib} from "solady/utils/SafeCastLib.sol";
import {IMarkets} from "../interfaces/IMarkets.sol";
import {Bits} from "../libraries/Bits.sol";
import {SideMath} from "../libraries/SideMath.sol";
import {Markets} from "./Markets.sol";

/// @title Positions
/// @notice Settling, changing and valuing positions. SPECIFICATION.md section 3.
/// - A position is settled before it changes, always; what it earned or lost reaches the vault first.
/// - A record whose size has gone to zero stays only while the account has debt in its market: it tells who bears the remainder.
abstract contract Positions is Markets {
    using SafeCastLib for uint256;

    uint256 private constant MAX_POSITIONS = 8;

    /// @dev One slot.
    struct AccountState {
        uint64 positionMarkets; // bit m: a record in market m
        uint40 flaggedAt; // 0: not flagged
        bool insolvent;
        uint64 generation; // of the orders that can be filled
    }

    /// @dev Equity and requirements of an account, in units of S.
    struct Health {
        int256 equity;
        uint256 initialMargin;
        uint256 maintenanceMargin;
        uint256 notional;
    }

    mapping(address account => AccountState) internal _accounts;
    mapping(address account => mapping(uint16 market => Position)) internal _positions;

    // ------------------------------------------------------------- settlement

    /// @dev Settles and stores one record, returns its size. What books nothing and drops nothing is left as it stands.
    function _settlePosition(address account, uint16 market) internal returns (uint256 size) {
        (Position memory p, bool live, int256 pnl) = _book(account, market);
        size = p.size;
        Position storage stored = _positions[account][market];
        if (size == 0) {
            _erase(account, market, p, live);
            _turnEpochs(market);
        } else if (size != stored.size || pnl != 0) {
            if (size != stored.size) emit PositionChanged(account, market, _signed(p));
            (stored.size, stored.multiplier, stored.index) = (p.size, p.multiplier, p.index);
        }
    }

    /// @dev Brings the market and the position to the present and books what it earned or lost in the vault. The caller stores
    /// or changes what is returned. live: the record belongs to its side's current epoch.
    function _book(address account, uint16 market) internal returns (Position memory p, bool live, int256 pnl) {
        Position storage stored = _positions[account][market];
        _refreshFor(market, stored);
        p = stored;
        if (!Bits.has(_accounts[account].positionMarkets, market)) return (p, false, 0);
        (live, pnl) = _present(market, p);
        if (pnl != 0) _VAULT.settle(account, market, pnl);
    }

    /// @dev Only a live record with size needs a price.
    function _refreshFor(uint16 market, Position storage p) private {
        if (p.size != 0 && p.epoch == _side(market, p.isShort).epoch) _refresh(market);
    }

    /// @dev Brings the position in memory to the present; returns its unsettled profit, units of S.
    function _present(uint16 market, Position memory p) internal view returns (bool live, int256 pnl) {
        MarketState storage s = _markets[market];
        Side storage side = p.isShort ? s.short : s.long;
        live = p.epoch == side.epoch;
        int256 index =
            live
                ? SideMath.sideIndex(p.isShort, side.base, side.multiplier, s.valueIndex)
                : finalIndex[market][p.isShort][p.epoch];
        pnl = SideMath.unsettledDown(p.size, p.multiplier, index - p.index, _SCALE);
        p.size = live ? uint112(SideMath.sizeDown(p.size, side.multiplier, p.multiplier)) : 0;
        // An empty record keeps a multiplier that can be divided by.
        p.multiplier = p.size == 0 ? uint120(SideMath.ONE_A) : side.multiplier;
        p.index = index;
    }

    // ---------------------------------------------------------------- changes

    /// @dev Changes a position that has just been booked by `delta` (long positive). Returns its new signed size.
    function _change(
        address account,
        uint16 market,
        Position memory p,
        bool live,
        int256 delta
    ) internal returns (int256 next) {
        next = _signed(p) + delta;
        if (next == 0) {
            if (Bits.has(_accounts[account].positionMarkets, market)) _erase(account, market, p, live);
            return 0;
        }
        bool isShort = next < 0;
        if (!live || p.isShort != isShort) {
            Side storage side = _side(market, isShort);
            if (live) --_side(market, p.isShort).positions;
            ++side.positions;
            _open(account, market);
            (p.isShort, p.epoch, p.multiplier, p.index) = (
                isShort,
                side.epoch,
                side.multiplier,
                _index(market, isShort)
            );
        } else if (p.size == 0) {
            p.multiplier = _side(market, isShort).multiplier;
        }
        p.size = uint256(isShort ? -next : next).toUint112();
        _store(account, market, p);
    }

    function _store(address account, uint16 market, Position memory p) private {
        _positions[account][market] = p;
        emit PositionChanged(account, market, _signed(p));
    }

    function _open(address account, uint16 market) private {
        uint64 markets = Bits.set(_accounts[account].positionMarkets, market);
        if (Bits.count(markets) > MAX_POSITIONS) revert TooManyPositions(account, MAX_POSITIONS);
        _accounts[account].positionMarkets = markets;
    }

    /// @dev Deletes a record whose size is gone; one with debt in its market stays, empty, and tells who bears a remainder.
    function _erase(address account, uint16 market, Position memory p, bool live) internal {
        if (_VAULT.debtOf(account, market) != 0) {
            (p.size, p.multiplier) = (0, uint120(SideMath.ONE_A));
            return _store(account, market, p);
        }
        if (live) --_side(market, p.isShort).positions;
        delete _positions[account][market];
        _accounts[account].positionMarkets = Bits.clear(_accounts[account].positionMarkets, market);
        emit PositionChanged(account, market, 0);
    }

    function _signed(Position memory p) internal pure returns (int256) {
        return p.isShort ? -int256(uint256(p.size)) : int256(uint256(p.size));
    }

    /// @dev What the change from `from` to `to` adds to the long side.
    function _longChange(int256 from, int256 to) internal pure returns (int256) {
        return (to > 0 ? to : int256(0)) - (from > 0 ? from : int256(0));
    }

    // ----------------------------------------------------------------- health

    /// @inheritdoc IMarkets
    function health(address account) external view returns (int256, uint256, uint256, uint256) {
        Health memory h = _health(account, _VAULT.net(account));
        return (h.equity, h.initialMargin, h.maintenanceMargin, h.notional);
    }

    /// @dev At the marks of the last refresh; net: of the account in the vault.
    function _health(address account, int256 net) internal view returns (Health memory h) {
        h.equity = net;
        uint64 markets = _accounts[account].positionMarkets;
        for (uint16 m; markets != 0; markets = Bits.clear(markets, m)) {
            m = Bits.lowest(markets);
            _add(h, m, _positions[account][m]);
        }
    }

    /// @dev Brings all of the account's markets to the present first.
    function _presentHealth(address account, int256 net) internal returns (Health memory h) {
        h.equity = net;
        uint64 markets = _accounts[account].positionMarkets;
        for (uint16 m; markets != 0; markets = Bits.clear(markets, m)) {
            m = Bits.lowest(markets);
            Position storage p = _positions[account][m];
            _refreshFor(m, p);
            _add(h, m, p);
        }
    }

    function _add(Health memory h, uint16 market, Position memory p) private view {
        (, int256 pnl) = _present(market, p);
        h.equity += pnl;
        if (p.size == 0) return;
        uint256 price = _markets[market].price;
        MarketParameters storage ratios = _parameters[market];
        h.initialMargin += SideMath.partUp(p.size, price, ratios.initialMarginRatio, _SCALE);
        h.maintenanceMargin += SideMath.partUp(p.size, price, ratios.maintenanceMarginRatio, _SCALE);
        h.notional += SideMath.notionalDown(p.size, price, _SCALE);
    }

    // ----------------------------------------------------------------- checks

    function _requireInitialMargin(address account, Health memory h) internal pure {
        if (h.equity < int256(h.initialMargin)) revert InitialMarginNotMet(account, h.equity, h.initialMargin);
    }

    // ------------------------------------------------------------------ views

    /// @inheritdoc IMarkets
    function position(address account, uint16 market) external view returns (Position memory) {
        return _positions[account][market];
    }

    /// @inheritdoc IMarkets
    function positionMarkets(address account) external view returns (uint64) {
        return _accounts[account].positionMarkets;
    }
}
