// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuard} from "@openzeppelin/contracts/utils/ReentrancyGuard.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IInsuranceFund} from "./interfaces/IInsuranceFund.sol";
import {IReserve} from "./interfaces/IReserve.sol";
import {IStablecoins} from "./interfaces/IStablecoins.sol";
import {Conversion} from "./libraries/Conversion.sol";

/// @title Reserve
/// @notice SPECIFICATION.md section 6.3.
/// - Amounts are booked, never measured: units that are merely sent here belong to nobody.
/// - It holds no S: who buys pays the fund, who sells is paid by it, and the fund alone knows what skin is and what it owes.
/// - It never buys what is off its peg, nor while the fund may need its S.
/// - No role can reach it. Its parameters are the registry's.
/// @dev What comes arrives before it is booked, what goes leaves after. A token that calls back finds books that are whole, and this contract locked.
contract Reserve is IReserve, ReentrancyGuard {
    using Conversion for IStablecoins.Terms;
    using SafeERC20 for IERC20;

    // ------------------------------------------------------------------ types

    /// @dev One slot: what is held of an asset, and its last auction.
    struct Position {
        uint96 amount;
        uint40 startedAt;
        bool buying;
    }

    /// @dev How far an asset is from its weight, in S.
    struct Weight {
        uint256 worth;
        uint256 target;
        uint256 band;
    }

    uint256 private constant MILLION = 1e6;

    // ---------------------------------------------------------------- storage

    IERC20 private immutable _S;
    IStablecoins private immutable _STABLECOINS;
    IInsuranceFund private immutable _FUND;

    uint256 private _held; // bit i: something is held of asset i
    mapping(uint256 asset => Position) private _positions;

    constructor(address stablecoins_, address fund_) {
        if (stablecoins_ == address(0) || fund_ == address(0)) revert ZeroAddress();
        (_STABLECOINS, _FUND) = (IStablecoins(stablecoins_), IInsuranceFund(fund_));
        _S = IERC20(IStablecoins(stablecoins_).settlement());
    }

    // ------------------------------------------------------------- for anyone

    /// @inheritdoc IReserve
    function contribute(uint256 asset, uint256 amount) external nonReentrant {
        if (amount == 0) revert ZeroAmount();
        IStablecoins.Asset memory a = _STABLECOINS.asset(asset);
        (, uint256 owed) = _FUND.skin();
        if (owed != 0) revert AdvanceOpen();
        uint256 total = Math.saturatingAdd(_positions[asset].amount, amount);
        uint256 cap = a.parameters.reserveCap;
        if (total > cap) revert CapExceeded(asset, total, cap);

        _take(IERC20(a.token), address(this), amount);
        bool first = _held == 0;
        _book(asset, total);
        emit Contributed(asset, msg.sender, amount);
        if (first) _FUND.fromReserve(0, true);
    }

    /// @inheritdoc IReserve
    function start(uint256 asset) external {
        bool buying = _direction(asset, _STABLECOINS.terms(asset));
        Position storage p = _positions[asset];
        (uint256 duration, uint256 endsAt) = _auction(p);
        if (block.timestamp < endsAt && p.buying == buying) revert AuctionRunning(asset, endsAt);
        (p.startedAt, p.buying) = (uint40(block.timestamp), buying);
        emit AuctionStarted(asset, buying, Conversion.endOf(block.timestamp, duration));
    }

    /// @inheritdoc IReserve
    function buy(
        uint256 asset,
        uint256 amount,
        address to,
        uint256 maxCost
    ) external nonReentrant returns (uint256 bought, uint256 cost) {
        IStablecoins.Terms memory t = _STABLECOINS.terms(asset);
        _requirePositive(amount, to);
        (bought, cost) = _sale(asset, t, amount);
        if (cost > maxCost) revert CostAboveMax(cost, maxCost);

        _take(_S, address(_FUND), cost);
        _book(asset, _positions[asset].amount - bought);
        emit AssetSold(asset, msg.sender, to, bought, cost);
        _FUND.fromReserve(cost, _held != 0);
        IERC20(t.token).safeTransfer(to, bought);
    }

    /// @inheritdoc IReserve
    function sell(
        uint256 asset,
        uint256 amount,
        address to,
        uint256 minPaid
    ) external nonReentrant returns (uint256 sold, uint256 paid) {
        IStablecoins.Terms memory t = _STABLECOINS.terms(asset);
        _requirePositive(amount, to);
        (sold, paid) = _purchase(asset, t, amount);
        if (paid < minPaid) revert PaymentBelowMin(paid, minPaid);

        _take(IERC20(t.token), address(this), sold);
        _book(asset, _positions[asset].amount + sold);
        emit AssetBought(asset, msg.sender, to, sold, paid);
        _FUND.payForReserve(to, paid);
    }

    // ------------------------------------------------------------------ views

    /// @inheritdoc IReserve
    function value() external view returns (uint256 sum) {
        uint256 held = _held;
        for (uint256 i; held >> i != 0; ++i) {
            if ((held >> i) & 1 == 1) sum += _STABLECOINS.terms(i).valueDown(_positions[i].amount);
        }
    }

    /// @inheritdoc IReserve
    function worth() public view returns (uint256 sum) {
        (sum, ) = _FUND.skin();
        uint256 held = _held;
        for (uint256 i; held >> i != 0; ++i) {
            if ((held >> i) & 1 == 1) sum += _STABLECOINS.terms(i).worthDown(_positions[i].amount);
        }
    }

    /// @inheritdoc IReserve
    function amountOf(uint256 asset) external view returns (uint256) {
        return _positions[asset].amount;
    }

    /// @inheritdoc IReserve
    function weighing(uint256 asset) external view returns (uint256, uint256, uint256) {
        Weight memory w = _weigh(asset, _STABLECOINS.terms(asset));
        return (w.worth, w.target, w.band);
    }

    /// @inheritdoc IReserve
    function auctionOf(uint256 asset) external view returns (uint256 startedAt, uint256 endsAt, bool buying) {
        Position storage p = _positions[asset];
        (, endsAt) = _auction(p);
        return (p.startedAt, endsAt, p.buying);
    }

    /// @inheritdoc IReserve
    function quote(uint256 asset, uint256 amount) external view returns (uint256, uint256) {
        IStablecoins.Terms memory t = _STABLECOINS.terms(asset);
        return _positions[asset].buying ? _purchase(asset, t, amount) : _sale(asset, t, amount);
    }

    /// @inheritdoc IReserve
    function stablecoins() external view returns (address) {
        return address(_STABLECOINS);
    }

    /// @inheritdoc IReserve
    function fund() external view returns (address) {
        return address(_FUND);
    }

    // ------------------------------------------------------------- conversion

    /// @dev Whether the reserve should buy (true) or sell the asset. An advance is paid back before any weight counts.
    function _direction(uint256 asset, IStablecoins.Terms memory t) private view returns (bool buying) {
        Weight memory w = _weigh(asset, t);
        if (_positions[asset].amount != 0 && t.price != 0) {
            (, uint256 owed) = _FUND.skin();
            if (owed != 0 || w.worth > w.target + w.band) return false;
        }
        if (w.worth + w.band >= w.target) revert NothingToConvert(asset);
        _requireBuying(asset, t);
        return true;
    }

    /// @dev What the reserve sells of `amount` now: what pays the advances back or, without any, what is above its weight.
    function _sale(
        uint256 asset,
        IStablecoins.Terms memory t,
        uint256 amount
    ) private view returns (uint256 units, uint256 cost) {
        uint256 factor = MILLION - _off(asset, t, false);
        if (t.price == 0) revert NoPrice(asset);
        (, uint256 due) = _FUND.skin();
        if (due == 0) {
            Weight memory w = _weigh(asset, t);
            due = Math.saturatingSub(w.worth, w.target);
        }
        units = Math.min(Math.min(amount, _positions[asset].amount), t.unitsUp(due, factor));
        if (units == 0) revert NothingToConvert(asset);
        cost = t.costUp(units, factor);
    }

    /// @dev What the reserve buys of `amount` now: what is below its weight and its cap, and skin can pay.
    function _purchase(
        uint256 asset,
        IStablecoins.Terms memory t,
        uint256 amount
    ) private view returns (uint256 units, uint256 paid) {
        uint256 factor = MILLION + _off(asset, t, true);
        _requireBuying(asset, t);
        Weight memory w = _weigh(asset, t);
        (uint256 skin, ) = _FUND.skin();
        // Below its weight by more than skin has is no more than skin has: units cost at least their price.
        uint256 below = Math.min(Math.saturatingSub(w.target, w.worth), skin);
        units = Math.min(amount, Math.min(t.unitsDown(below, MILLION), t.unitsDown(skin, factor)));
        units = Math.min(units, Math.saturatingSub(t.parameters.reserveCap, _positions[asset].amount));
        if (units == 0) revert NothingToConvert(asset);
        paid = t.paymentDown(units, factor);
    }

    /// @dev ppm by which the price of the running auction in this direction is off, against the fund.
    function _off(uint256 asset, IStablecoins.Terms memory t, bool buying) private view returns (uint256) {
        Position storage p = _positions[asset];
        (uint256 duration, uint256 endsAt) = _auction(p);
        if (block.timestamp >= endsAt || p.buying != buying) revert AuctionNotRunning(asset);
        return t.off(p.startedAt, duration);
    }

    function _auction(Position storage p) private view returns (uint256 duration, uint256 endsAt) {
        duration = _STABLECOINS.conversionParameters().saleDuration;
        endsAt = Conversion.endOf(p.startedAt, duration);
    }

    function _weigh(uint256 asset, IStablecoins.Terms memory t) private view returns (Weight memory w) {
        uint256 all = worth();
        w.worth = t.worthDown(_positions[asset].amount);
        w.target = (all * t.parameters.weight) / MILLION;
        w.band = (all * _STABLECOINS.conversionParameters().rebalanceBand) / MILLION;
    }

    // ----------------------------------------------------------------- checks

    function _requirePositive(uint256 amount, address to) private pure {
        if (amount == 0) revert ZeroAmount();
        if (to == address(0)) revert ZeroAddress();
    }

    /// @dev A share can be on its peg and yet have no price: its vault does not answer.
    function _requireBuying(uint256 asset, IStablecoins.Terms memory t) private view {
        if (!_FUND.gateOpen()) revert GateClosed();
        if (t.par < _STABLECOINS.conversionParameters().parFloor) revert OffPeg(asset);
        if (t.price == 0) revert NoPrice(asset);
    }

    // --------------------------------------------------------------- the books

    /// @dev From the caller's wallet; exactly the amount must arrive.
    function _take(IERC20 token, address to, uint256 amount) private {
        uint256 before = token.balanceOf(to);
        token.safeTransferFrom(msg.sender, to, amount);
        uint256 received = token.balanceOf(to) - before;
        if (received != amount) revert InexactTransfer(amount, received);
    }

    /// @dev At most the asset's cap, or less than before.
    function _book(uint256 asset, uint256 amount) private {
        _positions[asset].amount = uint96(amount);
        _held = amount == 0 ? _held & ~(uint256(1) << asset) : _held | (uint256(1) << asset);
    }
}
