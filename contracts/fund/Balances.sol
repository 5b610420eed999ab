// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IInsuranceFund} from "../interfaces/IInsuranceFund.sol";
import {IReserve} from "../interfaces/IReserve.sol";

/// @title Balances
/// @notice What the fund holds: skin in the game, the stream of income, and the two tranches' assets. SPECIFICATION.md section 6.
/// - Balances are booked, never measured: S that is merely sent here belongs to nobody and changes no share price.
/// - Every function takes the book as it stands now (with what has vested), changes it, and writes it back. S arrives
///   before that and leaves after it, so a token that calls back finds the book whole and needs no lock; what it can do
///   is fail an arrival.
/// - The book never holds more than 2**96 - 1 in total, so no vesting and no loss can overflow it.
/// - What skin holds in other assets is the reserve's to know. A fund without any asks for nothing, and reads no slot more.
abstract contract Balances is IInsuranceFund {
    using SafeCast for uint256;
    using SafeERC20 for IERC20;

    // ------------------------------------------------------------------ types

    /// @dev The reserve holds nothing; it holds something; and the tranches have advanced money for it.
    enum Backing {
        None,
        Held,
        Advanced
    }

    /// @dev Two slots: all balances. The stream vests `unvested` evenly over the `remaining` seconds after `since`.
    struct Book {
        uint96 skin;
        uint96 unvested;
        uint32 since; // until 2106, as defaults' times
        uint24 remaining;
        Backing backing;
        uint96 junior;
        uint96 senior;
        uint24 juniorEpoch; // wipe-outs so far
        uint24 seniorEpoch;
        bool juniorShared; // somebody holds shares
        bool seniorShared;
    }

    /// @dev One slot, read only while an advance is open: what skin owes to the tranches.
    struct Owed {
        uint96 junior;
        uint96 senior;
    }

    /// @dev One slot: the parameters, and with them the number of defaults.
    struct Settings {
        uint96 skinTarget;
        uint24 juniorShare;
        uint24 streamDuration;
        uint24 budgetWindow;
        uint24 memberShare;
        uint40 defaults;
    }

    // -------------------------------------------------------------- constants

    uint256 internal constant MILLION = 1e6;
    uint256 internal constant MAX_ASSETS = type(uint96).max;

    // ---------------------------------------------------------------- storage

    IERC20 internal immutable _ASSET;
    address public immutable junior;
    address public immutable senior;
    address public immutable reserve;

    Settings internal _settings;
    Book internal _book;
    Owed internal _owed;

    constructor(address asset_, address junior_, address senior_, address reserve_) {
        if (asset_ == address(0) || junior_ == address(0)) revert ZeroAddress();
        if (senior_ == address(0) || reserve_ == address(0)) revert ZeroAddress();
        (_ASSET, junior, senior, reserve) = (IERC20(asset_), junior_, senior_, reserve_);
        _book.since = uint32(block.timestamp);
    }

    modifier onlyTranche() {
        if (msg.sender != junior && msg.sender != senior) revert OnlyTranche();
        _;
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

    // ------------------------------------------------------------------ views

    /// @inheritdoc IInsuranceFund
    function asset() external view returns (address) {
        return address(_ASSET);
    }

    /// @inheritdoc IInsuranceFund
    function layers() external view returns (Layers memory) {
        (Book memory book, , ) = _current();
        Owed memory owed = _owedBy(book);
        return
            Layers({
                skin: book.skin,
                unvested: book.unvested,
                junior: book.junior,
                senior: book.senior,
                reserve: _reserveValue(book),
                advancedJunior: owed.junior,
                advancedSenior: owed.senior
            });
    }

    /// @inheritdoc IInsuranceFund
    function skin() external view returns (uint256 held, uint256 owed) {
        Book memory book = _book;
        return (book.skin, _sum(_owedBy(book)));
    }

    /// @inheritdoc IInsuranceFund
    function totalAssets() external view returns (uint256) {
        return _assets(_book);
    }

    /// @inheritdoc IInsuranceFund
    function capacity() external view returns (uint256) {
        return MAX_ASSETS - _total(_book);
    }

    /// @inheritdoc IInsuranceFund
    function trancheState(address tranche) external view returns (uint256 assets, uint256 shareEpoch) {
        (Book memory book, , ) = _current();
        Owed memory owed = _owedBy(book);
        if (tranche == junior) return (uint256(book.junior) + owed.junior, book.juniorEpoch);
        if (tranche == senior) return (uint256(book.senior) + owed.senior, book.seniorEpoch);
        revert OnlyTranche();
    }

    /// @inheritdoc IInsuranceFund
    function shareEpochOf(address tranche) external view returns (uint256) {
        if (tranche == junior) return _book.juniorEpoch;
        if (tranche == senior) return _book.seniorEpoch;
        revert OnlyTranche();
    }

    /// @inheritdoc IInsuranceFund
    function stream() external view returns (uint256 unvested, uint256 since, uint256 end) {
        Book memory book = _book;
        return (book.unvested, book.since, uint256(book.since) + book.remaining);
    }

    // --------------------------------------------------------------- the book

    /// @dev The book as of now. While neither tranche has shares the stream stands still: `since` moves and `remaining`
    /// does not.
    function _current() internal view returns (Book memory book, uint256 toJunior, uint256 toSenior) {
        book = _book;
        uint256 elapsed = Math.min(block.timestamp - book.since, book.remaining);
        book.since = uint32(block.timestamp);
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
    function _vest() internal returns (Book memory book) {
        uint256 toJunior;
        uint256 toSenior;
        (book, toJunior, toSenior) = _current();
        if (toJunior + toSenior > 0) emit Vested(toJunior, toSenior);
    }

    /// @dev The stream then lasts as long as its parts do on average, so a little income can't put off what is due.
    function _joinStream(Book memory book, uint256 amount) internal view {
        uint256 weighted = uint256(book.unvested) * book.remaining + amount * _settings.streamDuration;
        book.unvested += uint96(amount);
        book.remaining = uint24(Math.ceilDiv(weighted, book.unvested));
    }

    /// @dev S.
    function _total(Book memory book) internal pure returns (uint256) {
        return uint256(book.skin) + book.unvested + book.junior + book.senior;
    }

    /// @dev S, and what the reserve counts for.
    function _assets(Book memory book) internal view returns (uint256) {
        return _total(book) + _reserveValue(book);
    }

    /// @dev Advances are never more, so they fit too.
    function _reserveValue(Book memory book) internal view returns (uint256) {
        return book.backing == Backing.None ? 0 : Math.min(IReserve(reserve).value(), MAX_ASSETS);
    }

    function _owedBy(Book memory book) internal view returns (Owed memory owed) {
        if (book.backing == Backing.Advanced) owed = _owed;
    }

    function _sum(Owed memory owed) internal pure returns (uint256) {
        return uint256(owed.junior) + owed.senior;
    }

    // ----------------------------------------------------------------- checks

    function _requireReceived(uint256 expected, uint256 heldBefore) internal view {
        uint256 received = _ASSET.balanceOf(address(this)) - heldBefore;
        if (received != expected) revert InexactTransfer(expected, received);
    }

    function _requireCapacity(Book memory book, uint256 amount) internal pure {
        uint256 free = MAX_ASSETS - _total(book);
        if (amount > free) revert CapacityExceeded(amount, free);
    }
}
