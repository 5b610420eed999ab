// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Balances} from "./fund/Balances.sol";
import {Defaults} from "./fund/Defaults.sol";
import {IClearingHouse} from "./interfaces/IClearingHouse.sol";
import {IFundingPolicy} from "./interfaces/IFundingPolicy.sol";
import {IGuarantyFund} from "./interfaces/IGuarantyFund.sol";
import {IInsuranceFund} from "./interfaces/IInsuranceFund.sol";
import {IVault} from "./interfaces/IVault.sol";

/// @title InsuranceFund
/// @notice SPECIFICATION.md sections 5 and 6. Its parts are in fund/: Balances (what it holds), Advances (what the tranches pay for
/// skin), then Defaults (what it pays, and what comes back); here are its income and its parameters.
contract InsuranceFund is IInsuranceFund, Defaults, AccessManaged {
    using SafeERC20 for IERC20;

    uint256 internal constant MIN_STREAM_DURATION = 1 days;
    uint256 internal constant MAX_STREAM_DURATION = 90 days;
    uint256 internal constant MIN_BUDGET_WINDOW = 1 hours;
    uint256 internal constant MAX_BUDGET_WINDOW = 30 days;

    address public immutable treasury;
    address public immutable policy;

    constructor(
        address manager,
        address asset_,
        address vault_,
        address clearingHouse_,
        address junior_,
        address senior_,
        address guaranty_,
        address reserve_,
        address treasury_,
        address policy_,
        Parameters memory parameters_
    ) AccessManaged(manager) Balances(asset_, junior_, senior_, reserve_) Defaults(vault_, clearingHouse_, guaranty_) {
        if (treasury_ == address(0) || policy_ == address(0)) revert ZeroAddress();
        (treasury, policy) = (treasury_, policy_);
        _setParameters(parameters_);
    }

    // ------------------------------------------------------------- for anyone

    /// @inheritdoc IInsuranceFund
    function collect() external returns (uint256 income) {
        uint256 held = _ASSET.balanceOf(address(this));
        (uint256 fees, uint256 levies, uint256 premium) = IVault(vault).collect();
        income = fees + levies + premium;
        _requireReceived(income, held);

        Book memory book = _vest();
        uint256 toTreasury = _treasuryPart(fees);
        income -= toTreasury;
        uint256 inReserve = _reserveValue(book);
        uint256 wanted = _settings.skinTarget + _sum(_owedBy(book));
        uint256 toSkin = Math.min(income, Math.saturatingSub(wanted, book.skin + inReserve));
        uint256 toMembers = _membersPart(income - toSkin, _total(book) + inReserve);
        income -= toMembers;
        _requireCapacity(book, income);
        _addToSkin(book, toSkin);
        if (income > toSkin) _joinStream(book, income - toSkin);
        _book = book;
        emit IncomeCollected(fees, levies, premium, toTreasury, toSkin, toMembers);
        // Both books first: a token that calls back finds them whole.
        if (toMembers > 0) {
            IGuarantyFund(guaranty).earn(toMembers);
            _ASSET.safeTransfer(guaranty, toMembers);
        }
        if (toTreasury > 0) _ASSET.safeTransfer(treasury, toTreasury);
    }

    /// @inheritdoc IInsuranceFund
    function contribute(uint256 amount) external {
        if (amount == 0) revert ZeroAmount();
        uint256 held = _ASSET.balanceOf(address(this));
        _ASSET.safeTransferFrom(msg.sender, address(this), amount);
        _requireReceived(amount, held);

        Book memory book = _vest();
        _requireCapacity(book, amount);
        _addToSkin(book, amount);
        _book = book;
        emit Contributed(msg.sender, amount);
    }

    // ------------------------------------------------------------- governance

    /// @inheritdoc IInsuranceFund
    function setMarketCover(uint16 market, uint32 budgetShare, uint32 coinsurance) external restricted {
        _requireWithin("budgetShare", budgetShare, 0, MILLION);
        _requireWithin("coinsurance", coinsurance, 0, MILLION);
        Cover storage cover = _covers[market];
        (cover.budgetShare, cover.coinsurance) = (uint24(budgetShare), uint24(coinsurance));
        emit MarketCoverSet(market, budgetShare, coinsurance);
    }

    /// @inheritdoc IInsuranceFund
    function setParameters(Parameters calldata parameters_) external restricted {
        _book = _vest();
        _setParameters(parameters_);
    }

    /// @inheritdoc IInsuranceFund
    function writeOffAdvances() external restricted {
        Book memory book = _vest();
        if (book.backing != Backing.Advanced) revert NoAdvance();
        uint256 inReserve = _reserveValue(book);
        if (inReserve > 0) revert AdvancesBacked(inReserve);
        _writeOff(book);
        _book = book;
    }

    // ------------------------------------------------------------------ views

    /// @inheritdoc IInsuranceFund
    function gateOpen() public view returns (bool) {
        return _book.backing != Backing.Advanced && IClearingHouse(clearingHouse).insolvencies() == 0;
    }

    /// @inheritdoc IInsuranceFund
    function parameters() external view returns (Parameters memory) {
        Settings memory s = _settings;
        return
            Parameters({
                skinTarget: s.skinTarget,
                juniorShare: s.juniorShare,
                streamDuration: s.streamDuration,
                budgetWindow: s.budgetWindow,
                memberShare: s.memberShare
            });
    }

    // ----------------------------------------------------------------- shares

    /// @dev What the funding policy leaves of the fees, with the fund as it was before they came. Nothing while the gate is shut.
    function _treasuryPart(uint256 fees) private view returns (uint256) {
        if (fees == 0 || !gateOpen()) return 0;
        return fees - Math.ceilDiv(fees * IFundingPolicy(policy).fundShare(), MILLION);
    }

    /// @dev Of what would stream to the tranches, with both funds as they were before it came.
    function _membersPart(uint256 amount, uint256 assets) private view returns (uint256) {
        uint256 memberShare = _settings.memberShare;
        if (amount == 0 || memberShare == 0) return 0;
        uint256 total = IGuarantyFund(guaranty).totalAssets();
        return total == 0 ? 0 : (amount * memberShare * total) / (MILLION * (total + assets));
    }

    // ------------------------------------------------------------- parameters

    function _setParameters(Parameters memory p) private {
        _requireWithin("skinTarget", p.skinTarget, 0, MAX_ASSETS);
        _requireWithin("juniorShare", p.juniorShare, 0, MILLION);
        _requireWithin("streamDuration", p.streamDuration, MIN_STREAM_DURATION, MAX_STREAM_DURATION);
        _requireWithin("budgetWindow", p.budgetWindow, MIN_BUDGET_WINDOW, MAX_BUDGET_WINDOW);
        _requireWithin("memberShare", p.memberShare, 0, MILLION);
        _settings = Settings({
            skinTarget: uint96(p.skinTarget),
            juniorShare: p.juniorShare,
            streamDuration: uint24(p.streamDuration),
            budgetWindow: uint24(p.budgetWindow),
            memberShare: p.memberShare,
            defaults: _settings.defaults
        });
        emit ParametersSet(p);
    }

    function _requireWithin(bytes32 name, uint256 value, uint256 min, uint256 max) private pure {
        if (value < min || value > max) revert ParameterOutOfBounds(name, value, min, max);
    }
}
