// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC4626} from "@openzeppelin/contracts/interfaces/IERC4626.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {LibCall} from "solady/utils/LibCall.sol";
import {IPriceOracle} from "./interfaces/IPriceOracle.sol";
import {IStablecoins} from "./interfaces/IStablecoins.sol";

/// @title Stablecoins
/// @notice SPECIFICATION.md section 2.1.
/// - An asset counts for at most a dollar, and for nothing while it has no price.
/// - A share counts for what its vault answers, which may fall at once and rises no faster than governance foresaw: a
///   gift to the vault makes nobody's margin larger.
/// @dev Nothing is assumed of a vault but that its token moves what it says; one that does not answer counts for nothing.
contract Stablecoins is IStablecoins, AccessManaged {
    // -------------------------------------------------------------- constants

    uint256 private constant MAX_ASSETS = 8;
    uint256 private constant MAX_DECIMALS = 18;
    /// @dev Feeds of assets follow those of markets.
    uint256 private constant FIRST_FEED = 32_768;
    uint256 private constant ONE = 1e18;
    uint256 private constant MILLION = 1e6;
    uint256 private constant YEAR = 365 days;
    /// @dev Gas a vault may use to answer. As with feeds, who sends too little for it has too little left for anything else.
    uint256 private constant VAULT_GAS = 200_000;
    uint256 private constant MIN_DISCOUNT = 1000; // 0.1%: an auction without a price to fall finds no buyer
    uint256 private constant MAX_DISCOUNT = 200_000;
    uint256 private constant MAX_HAIRCUT = 900_000;
    uint256 private constant MAX_GROWTH = MILLION;
    uint256 private constant MIN_SALE_DURATION = 1 minutes;
    uint256 private constant MAX_SALE_DURATION = 1 days;

    // ---------------------------------------------------------------- storage

    address public immutable oracle;
    address public immutable settlement;
    uint256 private immutable _DECIMALS; // d

    Asset[] private _assets;
    ConversionParameters private _conversion;

    constructor(
        address manager,
        address settlement_,
        address oracle_,
        ConversionParameters memory parameters_
    ) AccessManaged(manager) {
        if (settlement_ == address(0) || oracle_ == address(0)) revert ZeroAddress();
        (settlement, oracle) = (settlement_, oracle_);
        _DECIMALS = IERC20Metadata(settlement_).decimals();
        _setConversionParameters(parameters_);
    }

    // ------------------------------------------------------------- governance

    /// @inheritdoc IStablecoins
    function setAsset(
        uint256 id,
        address token,
        bool isShare,
        AssetParameters calldata parameters
    ) external restricted {
        _checkParameters(id, parameters);
        if (id == _assets.length) _list(token, isShare);
        else if (token != asset(id).token || isShare != _assets[id].isShare) revert TokenFixed(id, _assets[id].token);
        Asset storage a = _assets[id];
        a.parameters = parameters;
        uint256 rate = isShare ? _answer(a) : 0;
        // A vault that has stopped to answer must not keep its caps from being lowered.
        if (isShare && (a.rate == 0 || rate != 0)) {
            if (rate == 0 || rate > type(uint96).max) revert RateOutOfBounds(rate, 1, type(uint96).max);
            (a.rate, a.since) = (uint96(rate), uint40(block.timestamp));
        }
        emit AssetSet(id, token, parameters, a.rate, a.since);
    }

    /// @inheritdoc IStablecoins
    function setConversionParameters(ConversionParameters calldata parameters_) external restricted {
        _setConversionParameters(parameters_);
    }

    // ------------------------------------------------------------------ views

    /// @inheritdoc IStablecoins
    function terms(uint256 id) external view returns (Terms memory t) {
        Asset memory a = asset(id);
        (t.token, t.parameters) = (a.token, a.parameters);
        t.scale = 10 ** (18 + a.decimals - _DECIMALS);
        t.par = a.ofSettlement ? ONE : _par(id);
        t.price = a.isShare ? _priceOfShare(a, t.par) : t.par;
    }

    /// @inheritdoc IStablecoins
    function asset(uint256 id) public view returns (Asset memory) {
        if (id >= _assets.length) revert UnknownAsset(id);
        return _assets[id];
    }

    /// @inheritdoc IStablecoins
    function assetCount() external view returns (uint256) {
        return _assets.length;
    }

    /// @inheritdoc IStablecoins
    function conversionParameters() external view returns (ConversionParameters memory) {
        return _conversion;
    }

    // ----------------------------------------------------------------- prices

    function _par(uint256 id) private view returns (uint256) {
        (uint256 price, IPriceOracle.Status status, ) = IPriceOracle(oracle).peek(uint16(FIRST_FEED + id));
        if (status != IPriceOracle.Status.Ok) return 0;
        return _min(price, ONE);
    }

    function _priceOfShare(Asset memory a, uint256 par) private view returns (uint256) {
        uint256 growth = MILLION * YEAR + a.parameters.maxGrowth * (block.timestamp - a.since);
        uint256 rate = _min(_answer(a), (a.rate * growth) / (MILLION * YEAR));
        return _min((par * rate) / 10 ** a.underlyingDecimals, type(uint128).max);
    }

    /// @dev Units of the underlying for 10^da shares; 0 where the vault does not answer.
    function _answer(Asset memory a) private view returns (uint256) {
        bytes memory call = abi.encodeCall(IERC4626.convertToAssets, (10 ** a.decimals));
        (bool success, , bytes memory data) = LibCall.tryStaticCall(a.token, VAULT_GAS, 32, call);
        return success && data.length == 32 ? abi.decode(data, (uint256)) : 0;
    }

    // ---------------------------------------------------------------- listing

    function _list(address token, bool isShare) private {
        uint256 count = _assets.length;
        if (count == MAX_ASSETS) revert TooManyAssets(MAX_ASSETS);
        if (token == address(0)) revert ZeroAddress();
        if (token == settlement) revert TokenListed(token);
        for (uint256 i; i < count; ++i) if (_assets[i].token == token) revert TokenListed(token);
        Asset storage a = _assets.push();
        (a.token, a.decimals, a.isShare) = (token, _decimalsOf(token), isShare);
        if (!isShare) return;
        address underlying = IERC4626(token).asset();
        a.underlyingDecimals = _decimalsOf(underlying);
        a.ofSettlement = underlying == settlement;
    }

    function _decimalsOf(address token) private view returns (uint8 decimals) {
        decimals = IERC20Metadata(token).decimals();
        if (decimals > MAX_DECIMALS) revert DecimalsOutOfBounds(decimals, MAX_DECIMALS);
    }

    // ------------------------------------------------------------- parameters

    /// @dev All weights together claim at most everything.
    function _checkParameters(uint256 id, AssetParameters calldata p) private view {
        _requireWithin("haircut", p.haircut, MIN_DISCOUNT, MAX_HAIRCUT);
        _requireWithin("discount", p.discount, MIN_DISCOUNT, _min(MAX_DISCOUNT, p.haircut));
        _requireWithin("maxGrowth", p.maxGrowth, 0, MAX_GROWTH);
        (uint256 left, uint256 count) = (MILLION, _assets.length);
        for (uint256 i; i < count; ++i) if (i != id) left -= _assets[i].parameters.weight;
        _requireWithin("weight", p.weight, 0, left);
    }

    function _setConversionParameters(ConversionParameters memory p) private {
        _requireWithin("saleDuration", p.saleDuration, MIN_SALE_DURATION, MAX_SALE_DURATION);
        _requireWithin("rebalanceBand", p.rebalanceBand, 0, MILLION);
        _requireWithin("parFloor", p.parFloor, ONE / 2, ONE);
        _conversion = p;
        emit ConversionParametersSet(p);
    }

    function _requireWithin(bytes32 name, uint256 value, uint256 min, uint256 max) private pure {
        if (value < min || value > max) revert ParameterOutOfBounds(name, value, min, max);
    }

    // ---------------------------------------------------------------- helpers

    function _min(uint256 a, uint256 b) private pure returns (uint256) {
        return a < b ? a : b;
    }
}
