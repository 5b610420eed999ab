// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IGuarantyFund} from "../interfaces/IGuarantyFund.sol";
import {IInsuranceFund} from "../interfaces/IInsuranceFund.sol";
import {Waterfall} from "../libraries/Waterfall.sol";
import {Advances} from "./Advances.sol";

/// @title Defaults
/// @notice What the fund pays, within each market's budget, its record of every default, and what comes back of them. SPECIFICATION.md
/// section 5.
/// - The fund calls no tranche: a wipe-out is a number here that the tranche reads, so nothing can stop `resolve`.
/// - A recovery belongs to those who bore the loss. Where all shares of then have been wiped out, it goes to skin.
abstract contract Defaults is Advances {
    using SafeCast for uint256;
    using SafeERC20 for IERC20;

    // ------------------------------------------------------------------ types

    /// @dev One slot.
    struct Cover {
        uint24 budgetShare; // ppm of assets
        uint24 coinsurance; // ppm of a shortfall
        uint96 left; // of the budget opened in `window`
        uint40 window;
    }

    /// @dev Three slots, and one more where the guaranty fund paid. Both parts of unpaid profit follow from their
    /// sum: coinsurance comes first.
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
        uint96 own;
        uint96 mutual;
    }

    // ---------------------------------------------------------------- storage

    address public immutable vault;
    address public immutable clearingHouse;
    address public immutable guaranty;

    mapping(uint16 market => Cover) internal _covers;
    mapping(uint256 id => PackedRecord) private _records;
    mapping(uint256 id => uint256) private _recovered; // units of S

    constructor(address vault_, address clearingHouse_, address guaranty_) {
        if (vault_ == address(0) || clearingHouse_ == address(0) || guaranty_ == address(0)) revert ZeroAddress();
        (vault, clearingHouse, guaranty) = (vault_, clearingHouse_, guaranty_);
    }

    modifier onlyClearingHouse() {
        if (msg.sender != clearingHouse) revert OnlyClearingHouse();
        _;
    }

    // -------------------------------------------------- for the clearing house

    /// @inheritdoc IInsuranceFund
    function payBounty(uint16 market, uint256 amount) external onlyClearingHouse returns (uint256 paid) {
        if (amount == 0) return 0; // a window's budget opens with its first payment
        Waterfall.Split memory split = _bear(market, amount, 0, 0, 0);
        paid = amount - split.remainder;
        emit BountyPaid(market, paid, _ofSkin(split), split.junior, split.senior);
        if (paid > 0) _ASSET.safeTransfer(vault, paid);
    }

    /// @inheritdoc IInsuranceFund
    function resolve(
        address account,
        uint16 market,
        uint256 shortfall,
        uint256 unpaidProfit
    ) external onlyClearingHouse returns (uint256 fromProfit, uint256 fromFund) {
        uint256 id = ++_settings.defaults;
        (uint256 own, uint256 mutual) = IGuarantyFund(guaranty).sources(account, market);
        Waterfall.Split memory split = _bear(market, shortfall, unpaidProfit, own, mutual);
        fromProfit = split.coinsurance + split.unpaidProfit;
        fromFund = shortfall - fromProfit - split.remainder;
        _record(id, account, market, shortfall, split);
        uint256 fromMembers = split.own + split.mutual;
        if (fromMembers > 0 && IGuarantyFund(guaranty).bear(account, market, split.own, split.mutual))
            _wipedThrough.mutual = uint40(id);
        if (fromFund > fromMembers) _ASSET.safeTransfer(vault, fromFund - fromMembers);
    }

    // ------------------------------------------------------------- for anyone

    /// @inheritdoc IInsuranceFund
    function recover(uint256 id, uint256 amount) external returns (uint256 paid) {
        if (amount == 0) revert ZeroAmount();
        PackedRecord memory packed = _packed(id);
        uint256 done = _recovered[id];
        paid = Math.min(amount, _recoverable(packed) - done);
        if (paid == 0) revert NothingToRecover(id);
        _recovered[id] = done + paid;
        uint256 held = _ASSET.balanceOf(address(this));
        _ASSET.safeTransferFrom(msg.sender, address(this), paid);
        _requireReceived(paid, held);

        Waterfall.Split memory borne;
        (borne.own, borne.skin, borne.mutual) = (packed.own, packed.skin, packed.mutual);
        (borne.junior, borne.senior) = (packed.junior, packed.senior);
        Recovery memory back = _giveBack(id, Waterfall.recovery(borne, done, paid));
        emit Recovered(id, msg.sender, back);
        if (back.own + back.mutual == 0) return paid;
        // Booked there before it is sent: a token that calls back finds both books whole.
        IGuarantyFund(guaranty).restore(packed.account, back.own, back.mutual);
        _ASSET.safeTransfer(guaranty, back.own + back.mutual);
    }

    /// @dev Books it, with what nobody is left to get in skin.
    function _giveBack(uint256 id, Waterfall.Split memory part) private returns (Recovery memory back) {
        Book memory book = _vest();
        WipedThrough memory wiped = _wipedThrough;
        (, uint256 units, ) = IGuarantyFund(guaranty).book();
        back.own = part.own;
        if (id > wiped.mutual && units > 0) back.mutual = part.mutual;
        if (id > wiped.senior && book.seniorShared) back.senior = part.senior;
        if (id > wiped.junior && book.juniorShared) back.junior = part.junior;
        uint256 rest = part.mutual + part.senior + part.junior - back.mutual - back.senior - back.junior;
        back.skin = part.skin + rest;
        _requireCapacity(book, back.skin + back.junior + back.senior);
        book.junior += uint96(back.junior);
        book.senior += uint96(back.senior);
        _addToSkin(book, back.skin);
        _book = book;
    }

    // ------------------------------------------------------------------ views

    /// @inheritdoc IInsuranceFund
    function available(uint16 market) external view returns (uint256) {
        Book memory book = _book;
        (Cover memory cover, ) = _budgetNow(market, _assets(book));
        return Math.min(cover.left, _total(book));
    }

    /// @inheritdoc IInsuranceFund
    function marketCover(
        uint16 market
    ) external view returns (uint32 budgetShare, uint32 coinsurance, uint256 left, uint256 window) {
        (Cover memory cover, ) = _budgetNow(market, _assets(_book));
        return (cover.budgetShare, cover.coinsurance, cover.left, cover.window);
    }

    /// @inheritdoc IInsuranceFund
    function defaultCount() external view returns (uint256) {
        return _settings.defaults;
    }

    /// @inheritdoc IInsuranceFund
    function defaultRecord(uint256 id) external view returns (DefaultRecord memory record, uint256 remainder) {
        PackedRecord memory packed = _packed(id);
        uint256 rest = packed.shortfall - packed.own;
        uint256 coinsurance = Waterfall.coinsuranceOf(rest, packed.coinsurance, packed.profit);
        record = DefaultRecord({
            account: packed.account,
            market: packed.market,
            time: packed.time,
            shortfall: packed.shortfall,
            own: packed.own,
            coinsurance: uint128(coinsurance),
            skin: packed.skin,
            junior: packed.junior,
            senior: packed.senior,
            mutual: packed.mutual,
            unpaidProfit: uint128(packed.profit - coinsurance)
        });
        remainder = packed.shortfall - packed.profit - _recoverable(packed);
    }

    /// @inheritdoc IInsuranceFund
    function recovered(uint256 id) external view returns (uint256 back, uint256 open) {
        back = _recovered[id];
        open = _recoverable(_packed(id)) - back;
    }

    // -------------------------------------------------------------- waterfall

    /// @dev Splits a shortfall and takes the fund's own part out of the book and the market's budget; S has not moved yet.
    function _bear(
        uint16 market,
        uint256 shortfall,
        uint256 unpaidProfit,
        uint256 own,
        uint256 mutual
    ) private returns (Waterfall.Split memory split) {
        Book memory book = _vest();
        Owed memory owed = _owedBy(book);
        uint256 inReserve = _reserveValue(book);
        (Cover memory cover, bool opened) = _budgetNow(market, _total(book) + inReserve);
        if (opened) emit BudgetOpened(market, cover.window, cover.left);
        // What others hold for skin comes from the tranches first, and the rest of theirs is what they can lose.
        uint256 advance = Math.min(Math.saturatingSub(inReserve, _sum(owed)), uint256(book.junior) + book.senior);
        uint256 ofJunior = Math.min(advance, book.junior);
        split = Waterfall.split(
            shortfall,
            cover.coinsurance,
            Waterfall.Sources({
                own: own,
                unpaidProfit: unpaidProfit,
                budget: cover.left,
                skin: book.skin,
                unvested: book.unvested,
                advance: advance,
                junior: book.junior - ofJunior,
                senior: book.senior - (advance - ofJunior),
                mutual: mutual
            })
        );
        cover.left -= uint96(_ofSkin(split) + split.junior + split.senior);
        _covers[market] = cover;

        book.skin -= uint96(split.skin);
        book.unvested -= uint96(split.unvested);
        if (split.advanced > 0) _advance(book, owed, split.advanced);
        book.junior -= uint96(split.junior);
        book.senior -= uint96(split.senior);
        if (split.junior > 0 && book.junior == 0 && owed.junior == 0) _wipeJunior(book);
        if (split.senior > 0 && book.senior == 0 && owed.senior == 0) _wipeSenior(book);
        _book = book;
    }

    /// @dev Layer 4: the tranches advance for skin what they advance.
    function _ofSkin(Waterfall.Split memory split) private pure returns (uint256) {
        return split.skin + split.unvested + split.advanced;
    }

    /// @dev The market's cover as of now: at its first use in a window its budget is a share of what the fund has.
    function _budgetNow(uint16 market, uint256 assets) private view returns (Cover memory cover, bool opened) {
        cover = _covers[market];
        uint256 window = block.timestamp / _settings.budgetWindow;
        if (cover.window == window) return (cover, false);
        cover.window = uint40(window);
        cover.left = uint96(Math.min((assets * cover.budgetShare) / MILLION, MAX_ASSETS));
        return (cover, true);
    }

    // ---------------------------------------------------------------- records

    function _record(
        uint256 id,
        address account,
        uint16 market,
        uint256 shortfall,
        Waterfall.Split memory split
    ) private {
        uint256 skin = _ofSkin(split);
        PackedRecord storage packed = _records[id];
        (packed.account, packed.skin) = (account, uint96(skin));
        packed.shortfall = shortfall.toUint128();
        packed.profit = uint128(split.coinsurance + split.unpaidProfit);
        (packed.junior, packed.senior) = (uint96(split.junior), uint96(split.senior));
        (packed.time, packed.coinsurance) = (uint32(block.timestamp), _covers[market].coinsurance);
        packed.market = uint8(market);
        if (split.own + split.mutual > 0) {
            (packed.own, packed.mutual) = (uint96(split.own), uint96(split.mutual));
        }
        emit Defaulted(
            id,
            account,
            market,
            DefaultRecord({
                account: account,
                market: market,
                time: uint40(block.timestamp),
                shortfall: uint128(shortfall),
                own: uint128(split.own),
                coinsurance: uint128(split.coinsurance),
                skin: uint128(skin),
                junior: uint128(split.junior),
                senior: uint128(split.senior),
                mutual: uint128(split.mutual),
                unpaidProfit: uint128(split.unpaidProfit)
            }),
            split.remainder
        );
    }

    function _packed(uint256 id) private view returns (PackedRecord memory) {
        if (id == 0 || id > _settings.defaults) revert UnknownDefault(id);
        return _records[id];
    }

    /// @dev What was paid in S by layers that have names.
    function _recoverable(PackedRecord memory packed) private pure returns (uint256) {
        return uint256(packed.own) + packed.skin + packed.junior + packed.senior + packed.mutual;
    }
}
