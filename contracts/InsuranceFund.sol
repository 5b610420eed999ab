// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IClearingHouse} from "./interfaces/IClearingHouse.sol";
import {IFundingPolicy} from "./interfaces/IFundingPolicy.sol";
import {IInsuranceFund} from "./interfaces/IInsuranceFund.sol";
import {IVault} from "./interfaces/IVault.sol";
import {Waterfall} from "./libraries/Waterfall.sol";

/// @title InsuranceFund
/// @notice SPECIFICATION.md sections 5 and 6.
/// - Balances are booked, never measured: S that is merely sent here belongs to nobody and changes no share price.
/// - Every function takes the book as it stands now (with what has vested), changes it, and writes it back. S arrives
///   before that and leaves after it, so a token that calls back finds the book whole and needs no lock; what it can do
///   is fail an arrival.
/// - The fund calls no tranche: a wipe-out is a number here that the tranche reads, so nothing can stop `resolve`.
/// - The book never holds more than 2**96 - 1 in total, so no vesting and no loss can overflow it.
contract InsuranceFund is IInsuranceFund, AccessManaged {
    using SafeCast for uint256;
    using SafeERC20 for IERC20;

    // ------------------------------------------------------------------ types

    /// @dev Two slots: all balances. The stream vests `unvested` evenly over the `remaining` seconds after `since`.
    struct Book {
        uint96 skin;
        uint96 unvested;
        uint40 since;
        uint24 remaining;
        uint96 junior;
        uint96 senior;
        uint24 juniorEpoch; // wipe-outs so far
        uint24 seniorEpoch;
        bool juniorShared; // somebody holds shares
        bool seniorShared;
    }

    /// @dev One slot.
    struct Cover {
        uint24 budgetShare; // ppm of assets
        uint24 coinsurance; // ppm of a shortfall
        uint96 left; // of the budget opened in `window`
        uint40 window;
    }

    /// @dev One slot: the parameters, and with them the number of defaults.
    struct Settings {
        uint96 skinTarget;
        uint24 juniorShare;
        uint24 streamDuration;
        uint24 budgetWindow;
        uint40 defaults;
    }

    /// @dev Three slots. Both parts of unpaid profit follow from their sum: coinsurance comes first.
    struct PackedRecord {
        address account;
        uint96 skin;
        uint128 shortfall;
        uint128 profit;
        uint96 junior;
        uint96 senior;
        uint32 time;
        uint24 coinsurance; // ppm at that time
        uint8 market; // at most 64 exist
    }

    // -------------------------------------------------------------- constants

    uint256 internal constant MILLION = 1e6;
    uint256 internal constant MAX_ASSETS = type(uint96).max;
    uint256 internal constant MIN_STREAM_DURATION = 1 days;
    uint256 internal constant MAX_STREAM_DURATION = 90 days;
    uint256 internal constant MIN_BUDGET_WINDOW = 1 hours;
    uint256 internal constant MAX_BUDGET_WINDOW = 30 days;

    // ---------------------------------------------------------------- storage

    IERC20 internal immutable _ASSET;
    address public immutable vault;
    address public immutable clearingHouse;
    address public immutable junior;
    address public immutable senior;
    address public immutable treasury;
    address public immutable policy;

    Settings internal _settings;
    Book internal _book;
    mapping(uint16 market => Cover) internal _covers;
    mapping(uint256 id => PackedRecord) internal _records;

    constructor(
        address manager,
        address asset_,
        address vault_,
        address clearingHouse_,
        address junior_,
        address senior_,
        address treasury_,
        address policy_,
        Parameters memory parameters_
    ) AccessManaged(manager) {
        address[7] memory wiring = [asset_, vault_, clearingHouse_, junior_, senior_, treasury_, policy_];
        for (uint256 i; i < wiring.length; ++i) if (wiring[i] == address(0)) revert ZeroAddress();
        _ASSET = IERC20(asset_);
        (vault, clearingHouse, junior, senior) = (vault_, clearingHouse_, junior_, senior_);
        (treasury, policy) = (treasury_, policy_);
        _book.since = uint40(block.timestamp);
        _setParameters(parameters_);
    }

    modifier onlyClearingHouse() {
        if (msg.sender != clearingHouse) revert OnlyClearingHouse();
        _;
    }

    modifier onlyTranche() {
        if (msg.sender != junior && msg.sender != senior) revert OnlyTranche();
        _;
    }

    // -------------------------------------------------- for the clearing house

    /// @inheritdoc IInsuranceFund
    function payBounty(uint16 market, uint256 amount) external onlyClearingHouse returns (uint256 paid) {
        if (amount == 0) return 0; // a window's budget opens with its first payment
        Waterfall.Split memory split = _bear(market, amount, 0);
        paid = amount - split.remainder;
        if (paid == 0) return 0;
        emit BountyPaid(market, paid, split.skin + split.unvested, split.junior, split.senior);
        _ASSET.safeTransfer(vault, paid);
    }

    /// @inheritdoc IInsuranceFund
    function resolve(
        address account,
        uint16 market,
        uint256 shortfall,
        uint256 unpaidProfit
    ) external onlyClearingHouse returns (uint256 fromProfit, uint256 fromFund) {
        Waterfall.Split memory split = _bear(market, shortfall, unpaidProfit);
        fromProfit = split.coinsurance + split.unpaidProfit;
        fromFund = shortfall - fromProfit - split.remainder;
        _record(account, market, shortfall, split);
        if (fromFund > 0) _ASSET.safeTransfer(vault, fromFund);
    }

    // ------------------------------------------------------- for the tranches

    /// @inheritdoc IInsuranceFund
    function stake(uint256 assets) external onlyTranche {
        Book memory book = _vest();
        _requireCapacity(book, assets);
        if (msg.sender == junior) {
            book.junior += uint96(assets);
            book.juniorShared = true;
        } else {
            book.senior += uint96(assets);
            book.seniorShared = true;
        }
        _book = book;
        emit Staked(msg.sender, assets);
    }

    /// @inheritdoc IInsuranceFund
    function unstake(uint256 assets, bool sharesLeft) external onlyTranche {
        Book memory book = _vest();
        if (msg.sender == junior) {
            book.junior -= assets.toUint96();
            book.juniorShared = sharesLeft;
        } else {
            book.senior -= assets.toUint96();
            book.seniorShared = sharesLeft;
        }
        _book = book;
        if (assets == 0) return;
        emit Unstaked(msg.sender, assets);
        _ASSET.safeTransfer(msg.sender, assets);
    }

    // ------------------------------------------------------------- for anyone

    /// @inheritdoc IInsuranceFund
    function collect() external returns (uint256 income) {
        uint256 held = _ASSET.balanceOf(address(this));
        (uint256 fees, uint256 levies, uint256 premium) = IVault(vault).collect();
        income = fees + levies + premium;
        _requireReceived(income, held);

        Book memory book = _vest();
        _requireCapacity(book, income);
        uint256 toTreasury = _treasuryPart(fees);
        income -= toTreasury;
        uint256 toSkin = Math.min(income, Math.saturatingSub(_settings.skinTarget, book.skin));
        uint256 toStream = income - toSkin;
        book.skin += uint96(toSkin);
        if (toStream > 0) _joinStream(book, toStream);
        _book = book;
        emit IncomeCollected(fees, levies, premium, toTreasury, toSkin);
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
        book.skin += uint96(amount);
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

    // ------------------------------------------------------------------ views

    /// @inheritdoc IInsuranceFund
    function asset() external view returns (address) {
        return address(_ASSET);
    }

    /// @inheritdoc IInsuranceFund
    function layers() external view returns (Layers memory) {
        (Book memory book, , ) = _current();
        return Layers({skin: book.skin, unvested: book.unvested, junior: book.junior, senior: book.senior});
    }

    /// @inheritdoc IInsuranceFund
    function totalAssets() external view returns (uint256) {
        return _total(_book);
    }

    /// @inheritdoc IInsuranceFund
    function capacity() external view returns (uint256) {
        return MAX_ASSETS - _total(_book);
    }

    /// @inheritdoc IInsuranceFund
    function trancheState(address tranche) external view returns (uint256 assets, uint256 shareEpoch) {
        (Book memory book, , ) = _current();
        if (tranche == junior) return (book.junior, book.juniorEpoch);
        if (tranche == senior) return (book.senior, book.seniorEpoch);
        revert OnlyTranche();
    }

    /// @inheritdoc IInsuranceFund
    function shareEpochOf(address tranche) external view returns (uint256) {
        if (tranche == junior) return _book.juniorEpoch;
        if (tranche == senior) return _book.seniorEpoch;
        revert OnlyTranche();
    }

    /// @inheritdoc IInsuranceFund
    function available(uint16 market) external view returns (uint256) {
        uint256 assets = _total(_book);
        (Cover memory cover, ) = _budgetNow(market, assets);
        return Math.min(cover.left, assets);
    }

    /// @inheritdoc IInsuranceFund
    function marketCover(
        uint16 market
    ) external view returns (uint32 budgetShare, uint32 coinsurance, uint256 left, uint256 window) {
        (Cover memory cover, ) = _budgetNow(market, _total(_book));
        return (cover.budgetShare, cover.coinsurance, cover.left, cover.window);
    }

    /// @inheritdoc IInsuranceFund
    function gateOpen() public view returns (bool) {
        return IClearingHouse(clearingHouse).insolvencies() == 0;
    }

    /// @inheritdoc IInsuranceFund
    function defaultCount() external view returns (uint256) {
        return _settings.defaults;
    }

    /// @inheritdoc IInsuranceFund
    function defaultRecord(uint256 id) external view returns (DefaultRecord memory record, uint256 remainder) {
        if (id == 0 || id > _settings.defaults) revert UnknownDefault(id);
        PackedRecord memory packed = _records[id];
        uint256 coinsurance = Waterfall.coinsuranceOf(packed.shortfall, packed.coinsurance, packed.profit);
        record = DefaultRecord({
            account: packed.account,
            market: packed.market,
            time: packed.time,
            shortfall: packed.shortfall,
            coinsurance: uint128(coinsurance),
            skin: packed.skin,
            junior: packed.junior,
            senior: packed.senior,
            unpaidProfit: uint128(packed.profit - coinsurance)
        });
        remainder = packed.shortfall - packed.profit - packed.skin - packed.junior - packed.senior;
    }

    /// @inheritdoc IInsuranceFund
    function parameters() external view returns (Parameters memory) {
        Settings memory s = _settings;
        return
            Parameters({
                skinTarget: s.skinTarget,
                juniorShare: s.juniorShare,
                streamDuration: s.streamDuration,
                budgetWindow: s.budgetWindow
            });
    }

    /// @inheritdoc IInsuranceFund
    function stream() external view returns (uint256 unvested, uint256 since, uint256 end) {
        Book memory book = _book;
        return (book.unvested, book.since, uint256(book.since) + book.remaining);
    }

    // --------------------------------------------------------------- the book

    /// @dev The book as of now. While neither tranche has shares the stream stands still: `since` moves and `remaining`
    /// does not.
    function _current() private view returns (Book memory book, uint256 toJunior, uint256 toSenior) {
        book = _book;
        uint256 elapsed = Math.min(block.timestamp - book.since, book.remaining);
        book.since = uint40(block.timestamp);
        if (elapsed == 0 || !(book.juniorShared || book.seniorShared)) return (book, 0, 0);

        uint256 vested = (book.unvested * elapsed) / book.remaining;
        if (!book.seniorShared) toJunior = vested;
        else if (book.juniorShared) toJunior = (vested * _settings.juniorShare) / MILLION;
        toSenior = vested - toJunior;

        book.remaining -= uint24(elapsed);
        book.unvested -= uint96(vested);
        book.junior += uint96(toJunior);
        book.senior += uint96(toSenior);
    }

    /// @dev The book as of now, for the caller to change and write back.
    function _vest() private returns (Book memory book) {
        uint256 toJunior;
        uint256 toSenior;
        (book, toJunior, toSenior) = _current();
        if (toJunior + toSenior > 0) emit Vested(toJunior, toSenior);
    }

    /// @dev The stream then lasts as long as its parts do on average, so a little income can't put off what is due.
    function _joinStream(Book memory book, uint256 amount) private view {
        uint256 weighted = uint256(book.unvested) * book.remaining + amount * _settings.streamDuration;
        book.unvested += uint96(amount);
        book.remaining = uint24(Math.ceilDiv(weighted, book.unvested));
    }

    function _total(Book memory book) private pure returns (uint256) {
        return uint256(book.skin) + book.unvested + book.junior + book.senior;
    }

    // -------------------------------------------------------------- waterfall

    /// @dev Splits a shortfall and takes the fund's part out of the book and the market's budget; S has not moved yet.
    function _bear(
        uint16 market,
        uint256 shortfall,
        uint256 unpaidProfit
    ) private returns (Waterfall.Split memory split) {
        Book memory book = _vest();
        (Cover memory cover, bool opened) = _budgetNow(market, _total(book));
        if (opened) emit BudgetOpened(market, cover.window, cover.left);
        split = Waterfall.split(
            shortfall,
            cover.coinsurance,
            Waterfall.Sources({
                unpaidProfit: unpaidProfit,
                budget: cover.left,
                skin: book.skin,
                unvested: book.unvested,
                junior: book.junior,
                senior: book.senior
            })
        );
        cover.left -= uint96(split.skin + split.unvested + split.junior + split.senior);
        _covers[market] = cover;

        book.skin -= uint96(split.skin);
        book.unvested -= uint96(split.unvested);
        book.junior -= uint96(split.junior);
        book.senior -= uint96(split.senior);
        if (split.junior > 0 && book.junior == 0) {
            book.juniorShared = false;
            emit TrancheWiped(junior, ++book.juniorEpoch);
        }
        if (split.senior > 0 && book.senior == 0) {
            book.seniorShared = false;
            emit TrancheWiped(senior, ++book.seniorEpoch);
        }
        _book = book;
    }

    /// @dev The market's cover as of now: at its first use in a window its budget is a share of what the fund has.
    function _budgetNow(uint16 market, uint256 assets) private view returns (Cover memory cover, bool opened) {
        cover = _covers[market];
        uint256 window = block.timestamp / _settings.budgetWindow;
        if (cover.window == window) return (cover, false);
        cover.window = uint40(window);
        cover.left = uint96((assets * cover.budgetShare) / MILLION);
        return (cover, true);
    }

    function _record(address account, uint16 market, uint256 shortfall, Waterfall.Split memory split) private {
        uint256 id = ++_settings.defaults;
        uint256 skin = split.skin + split.unvested;
        _records[id] = PackedRecord({
            account: account,
            skin: uint96(skin),
            shortfall: shortfall.toUint128(),
            profit: uint128(split.coinsurance + split.unpaidProfit),
            junior: uint96(split.junior),
            senior: uint96(split.senior),
            time: uint32(block.timestamp),
            coinsurance: _covers[market].coinsurance,
            market: uint8(market)
        });
        emit Defaulted(
            id,
            account,
            market,
            DefaultRecord({
                account: account,
                market: market,
                time: uint40(block.timestamp),
                shortfall: uint128(shortfall),
                coinsurance: uint128(split.coinsurance),
                skin: uint128(skin),
                junior: uint128(split.junior),
                senior: uint128(split.senior),
                unpaidProfit: uint128(split.unpaidProfit)
            }),
            split.remainder
        );
    }

    // ----------------------------------------------------------------- checks

    /// @dev What the funding policy leaves of the fees, with the fund as it was before they came. Nothing while an insolvency is known.
    function _treasuryPart(uint256 fees) private view returns (uint256) {
        if (fees == 0 || !gateOpen()) return 0;
        return fees - Math.ceilDiv(fees * IFundingPolicy(policy).fundShare(), MILLION);
    }

    function _requireReceived(uint256 expected, uint256 heldBefore) private view {
        uint256 received = _ASSET.balanceOf(address(this)) - heldBefore;
        if (received != expected) revert InexactTransfer(expected, received);
    }

    function _requireCapacity(Book memory book, uint256 amount) private pure {
        uint256 free = MAX_ASSETS - _total(book);
        if (amount > free) revert CapacityExceeded(amount, free);
    }

    function _setParameters(Parameters memory p) private {
        _requireWithin("skinTarget", p.skinTarget, 0, MAX_ASSETS);
        _requireWithin("juniorShare", p.juniorShare, 0, MILLION);
        _requireWithin("streamDuration", p.streamDuration, MIN_STREAM_DURATION, MAX_STREAM_DURATION);
        _requireWithin("budgetWindow", p.budgetWindow, MIN_BUDGET_WINDOW, MAX_BUDGET_WINDOW);
        _settings = Settings({
            skinTarget: uint96(p.skinTarget),
            juniorShare: p.juniorShare,
            streamDuration: uint24(p.streamDuration),
            budgetWindow: uint24(p.budgetWindow),
            defaults: _settings.defaults
        });
        emit ParametersSet(p);
    }

    function _requireWithin(bytes32 name, uint256 value, uint256 min, uint256 max) private pure {
        if (value < min || value > max) revert ParameterOutOfBounds(name, value, min, max);
    }
}
