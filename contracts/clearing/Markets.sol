// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {SafeCastLib} from "solady/utils/SafeCastLib.sol";
import {IFundingPolicy} from "../interfaces/IFundingPolicy.sol";
import {IInsuranceFund} from "../interfaces/IInsuranceFund.sol";
import {IMarkets} from "../interfaces/IMarkets.sol";
import {IPriceOracle} from "../interfaces/IPriceOracle.sol";
import {IVault} from "../interfaces/IVault.sol";
import {SideMath} from "../libraries/SideMath.sol";
import {ParameterBounds} from "../ParameterBounds.sol";

/// @title Markets
/// @notice Parameters, price and funding, side indices and their epochs, closing, and the pause. SPECIFICATION.md section 3.
/// - Price and funding move one number, the value index V; a side's K follows from it, so a refresh writes two slots.
/// - Long and short open interest are equal by construction: there is one number.
abstract contract Markets is IMarkets, AccessManaged {
    using SafeCastLib for uint256;
    using SafeCastLib for int256;

    uint256 private constant MAX_MARKETS = 64;
    uint256 private constant MIN_OUTAGE = 1 days; // without a refresh, before a market may be closed
    uint256 private constant MAX_PAUSE = 3 days;
    uint256 private constant PAUSE_INTERVAL = 7 days;

    IVault internal immutable _VAULT;
    IInsuranceFund internal immutable _FUND;
    IPriceOracle internal immutable _ORACLE;
    IFundingPolicy internal immutable _POLICY;
    ParameterBounds private immutable _BOUNDS;
    /// @dev size * price / SCALE is an amount of S.
    uint256 internal immutable _SCALE;

    /// @inheritdoc IMarkets
    uint16 public marketCount;
    /// @inheritdoc IMarkets
    uint256 public pausedUntil;
    uint256 private _pausedAt;
    LiquidationParameters internal _liquidation;
    mapping(uint16 market => MarketState) internal _markets;
    mapping(uint16 market => MarketParameters) internal _parameters;
    /// @inheritdoc IMarkets
    mapping(uint16 market => bytes32) public symbolOf;
    /// @inheritdoc IMarkets
    mapping(uint16 market => mapping(bool isShort => mapping(uint16 epoch => int256))) public finalIndex;

    constructor(
        address manager,
        address vault_,
        address fund_,
        address oracle_,
        address policy_,
        LiquidationParameters memory liquidationParameters_
    ) AccessManaged(manager) {
        _VAULT = IVault(vault_);
        _FUND = IInsuranceFund(fund_);
        _ORACLE = IPriceOracle(oracle_);
        _POLICY = IFundingPolicy(policy_);
        _SCALE = 10 ** (36 - IVault(vault_).assetDecimals());
        _BOUNDS = new ParameterBounds();
        _setLiquidationParameters(liquidationParameters_);
    }

    // ------------------------------------------------------------- governance

    /// @inheritdoc IMarkets
    function addMarket(
        bytes32 symbol,
        MarketParameters calldata parameters
    ) external restricted returns (uint16 market) {
        market = marketCount;
        if (market == MAX_MARKETS) revert TooManyMarkets(MAX_MARKETS);
        marketCount = market + 1;
        symbolOf[market] = symbol;
        emit MarketAdded(market, symbol);
        _setMarketParameters(market, parameters);

        uint128 price = _ORACLE.price(market).toUint128();
        MarketState storage s = _markets[market];
        s.status = MarketStatus.Open;
        s.price = price;
        s.valueIndex = int256(uint256(price)).toInt128();
        (s.updatedAt, s.updatedBlock) = (uint40(block.timestamp), uint40(block.number));
        s.long.multiplier = uint120(SideMath.ONE_A);
        s.short.multiplier = uint120(SideMath.ONE_A);
        emit MarketRefreshed(market, price, s.valueIndex, 0);
    }

    /// @inheritdoc IMarkets
    function setMarketParameters(uint16 market, MarketParameters calldata parameters) external restricted {
        _requireKnown(market);
        // Funding up to now accrues at the old rate, where there is a price.
        if (_isLive(market)) _refresh(market);
        _setMarketParameters(market, parameters);
    }

    /// @inheritdoc IMarkets
    function setLiquidationParameters(LiquidationParameters calldata parameters) external restricted {
        _setLiquidationParameters(parameters);
    }

    /// @inheritdoc IMarkets
    function closeMarket(uint16 market, uint128 price) external restricted {
        MarketState storage s = _markets[market];
        if (s.status != MarketStatus.Open) revert MarketNotOpen(market);
        if (block.timestamp < s.updatedAt + MIN_OUTAGE || _isLive(market)) revert PriceStillLive(market);
        _requireWithinBand(price, s.price, _liquidation.closeBand);
        s.status = MarketStatus.Closed;
        _movePrice(s, price);
        emit MarketClosed(market, price);
        emit MarketRefreshed(market, price, s.valueIndex, s.premium);
        _endEpochs(market);
        _POLICY.observe(market, 0);
    }

    /// @inheritdoc IMarkets
    function pauseNewRisk(uint32 duration) external restricted {
        if (duration > MAX_PAUSE) revert PauseTooLong(duration, MAX_PAUSE);
        uint256 allowedFrom = _pausedAt == 0 ? 0 : _pausedAt + PAUSE_INTERVAL;
        if (block.timestamp < allowedFrom) revert PauseTooSoon(allowedFrom);
        (_pausedAt, pausedUntil) = (block.timestamp, block.timestamp + duration);
        emit NewRiskPaused(pausedUntil);
    }

    // ---------------------------------------------------------------- refresh

    /// @inheritdoc IMarkets
    function refresh(uint16 market) external {
        _requireKnown(market);
        _refresh(market);
    }

    /// @dev Once a block: the average of trades' premiums, then funding, then the price; and once an hour what open interest owes the fund.
    function _refresh(uint16 market) internal {
        MarketState storage s = _markets[market];
        if (s.status != MarketStatus.Open) return;
        // Both: on some rollups many blocks share a number.
        if (s.updatedBlock == block.number && s.updatedAt == block.timestamp) return;
        MarketParameters storage p = _parameters[market];
        (uint256 updatedAt, uint256 priceBefore) = (s.updatedAt, s.price);
        uint256 elapsed = block.timestamp - updatedAt;
        uint256 period = p.fundingPeriod;
        int256 premium = SideMath.premiumAfter(s.premium, s.lastPremium, elapsed, period);
        int256 funding = SideMath.fundingPerUnit(s.price, premium, p.maxFundingRate, elapsed, period);
        uint128 price = _ORACLE.price(market).toUint128();

        s.valueIndex = (int256(s.valueIndex) - funding).toInt128();
        _movePrice(s, price);
        s.premium = int24(premium);
        s.updatedAt = uint40(block.timestamp);
        s.updatedBlock = uint40(block.number);
        emit MarketRefreshed(market, price, s.valueIndex, premium);
        uint256 hoursOwed = SideMath.hoursBegun(updatedAt, block.timestamp);
        if (hoursOwed != 0) _chargePremium(market, priceBefore, hoursOwed);
    }

    /// @dev Both sides owe it by size; it is the fund's profit in this market, paid like any other.
    function _chargePremium(uint16 market, uint256 price, uint256 hoursOwed) private {
        MarketState storage s = _markets[market];
        uint256 openInterest = s.openInterest;
        uint256 rate = _POLICY.observe(market, SideMath.notionalDown(openInterest, price, _SCALE));
        uint256 perUnit = SideMath.premiumPerUnitDown(price, rate, hoursOwed);
        if (perUnit == 0 || openInterest < SideMath.DUST) return;
        _setSide(market, false, s.long.multiplier, SideMath.paidBase(s.long.base, s.long.multiplier, perUnit));
        _setSide(market, true, s.short.multiplier, SideMath.paidBase(s.short.base, s.short.multiplier, perUnit));
        uint256 amount = SideMath.premiumDown(openInterest, perUnit, _SCALE);
        emit PremiumCharged(market, perUnit, amount);
        if (amount != 0) _VAULT.settle(address(_FUND), market, int256(amount));
    }

    function _movePrice(MarketState storage s, uint128 price) private {
        int256 change = int256(uint256(price)) - int256(uint256(s.price));
        s.valueIndex = (int256(s.valueIndex) + change).toInt128();
        s.price = price;
    }

    // ------------------------------------------------------ sides and epochs

    function _side(uint16 market, bool isShort) internal view returns (Side storage) {
        return isShort ? _markets[market].short : _markets[market].long;
    }

    /// @dev K of a side in its current epoch.
    function _index(uint16 market, bool isShort) internal view returns (int256) {
        Side storage side = _side(market, isShort);
        return SideMath.sideIndex(isShort, side.base, side.multiplier, _markets[market].valueIndex);
    }

    function _setSide(uint16 market, bool isShort, uint256 multiplier, int256 base) private {
        Side storage side = _side(market, isShort);
        (side.multiplier, side.base) = (uint120(multiplier), base);
        emit SideChanged(market, isShort, multiplier, base);
    }

    /// @dev Takes `size` of open interest away: the given side loses it pro rata, the position on the other is the caller's to remove.
    function _shrink(uint16 market, bool isShort, uint256 size) internal {
        MarketState storage s = _markets[market];
        uint256 openInterest = s.openInterest;
        if (openInterest < size + SideMath.DUST) return _endEpochs(market);
        Side storage side = _side(market, isShort);
        uint256 from = side.multiplier;
        uint256 to = (from * (openInterest - size)) / openInterest;
        if (to < SideMath.FLOOR_A) return _endEpochs(market);
        _setSide(market, isShort, to, SideMath.rebase(isShort, side.base, from, to, s.valueIndex));
        _setOpenInterest(market, openInterest - size);
    }

    /// @dev Charges `amount` of S to a side by size. False when nobody live is there to bear it.
    function _charge(uint16 market, bool isShort, uint256 amount) internal returns (bool) {
        Side storage side = _side(market, isShort);
        uint256 openInterest = _markets[market].openInterest;
        if (side.positions == 0 || openInterest < SideMath.DUST) return false;
        uint256 loss = SideMath.lossIndexUp(amount, side.multiplier, openInterest, _SCALE);
        _setSide(market, isShort, side.multiplier, side.base - int256(loss));
        emit RemainderCharged(market, isShort, amount);
        return true;
    }

    function _setOpenInterest(uint16 market, uint256 openInterest) internal {
        _markets[market].openInterest = openInterest.toUint112();
        emit OpenInterestChanged(market, openInterest);
    }

    /// @dev After every change of positions: without open interest, what records are left are dust, and both epochs end.
    function _turnEpochs(uint16 market) internal {
        MarketState storage s = _markets[market];
        if (s.openInterest == 0 && s.long.positions + s.short.positions != 0) _endEpochs(market);
    }

    /// @dev Both sides are closed at the mark: every record becomes stale, and what it earned or lost waits to be settled.
    function _endEpochs(uint16 market) internal {
        _endEpoch(market, false);
        _endEpoch(market, true);
        _setOpenInterest(market, 0);
    }

    function _endEpoch(uint16 market, bool isShort) private {
        Side storage side = _side(market, isShort);
        uint16 epoch = side.epoch;
        int256 index = _index(market, isShort);
        finalIndex[market][isShort][epoch] = index;
        (side.epoch, side.positions) = (epoch + 1, 0);
        emit EpochEnded(market, isShort, epoch, index);
        _setSide(market, isShort, SideMath.ONE_A, 0);
    }

    // ------------------------------------------------------------------ views

    /// @inheritdoc IMarkets
    function vault() external view returns (address) {
        return address(_VAULT);
    }

    /// @inheritdoc IMarkets
    function fund() external view returns (address) {
        return address(_FUND);
    }

    /// @inheritdoc IMarkets
    function policy() external view returns (address) {
        return address(_POLICY);
    }

    /// @inheritdoc IMarkets
    function oracle() external view returns (address) {
        return address(_ORACLE);
    }

    /// @inheritdoc IMarkets
    function marketState(uint16 market) external view returns (MarketState memory) {
        return _markets[market];
    }

    /// @inheritdoc IMarkets
    function marketParameters(uint16 market) external view returns (MarketParameters memory) {
        return _parameters[market];
    }

    /// @inheritdoc IMarkets
    function liquidationParameters() external view returns (LiquidationParameters memory) {
        return _liquidation;
    }

    /// @inheritdoc IMarkets
    function openInterestNotional() external view returns (uint256 notional) {
        for (uint16 m; m < marketCount; ++m) {
            notional += SideMath.notionalDown(_markets[m].openInterest, _markets[m].price, _SCALE);
        }
    }

    // ------------------------------------------------------------- parameters

    function _requireKnown(uint16 market) internal view {
        if (market >= marketCount) revert UnknownMarket(market);
    }

    /// @dev band: ppm of the mark.
    function _requireWithinBand(uint256 price, uint256 mark, uint256 band) internal pure {
        if (FixedPointMathLib.dist(price, mark) * SideMath.MILLION > band * mark)
            revert PriceOutsideBand(price, mark, band);
    }

    function _isLive(uint16 market) private view returns (bool) {
        (, IPriceOracle.Status status, ) = _ORACLE.peek(market);
        return status == IPriceOracle.Status.Ok;
    }

    function _setMarketParameters(uint16 market, MarketParameters calldata p) private {
        _BOUNDS.checkMarket(p);
        _parameters[market] = p;
        emit MarketParametersSet(market, p);
    }

    function _setLiquidationParameters(LiquidationParameters memory p) private {
        _BOUNDS.checkLiquidation(p);
        _liquidation = p;
        emit LiquidationParametersSet(p);
    }
}
