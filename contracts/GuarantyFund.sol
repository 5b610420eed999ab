// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IClearingHouse} from "./interfaces/IClearingHouse.sol";
import {IFundingPolicy} from "./interfaces/IFundingPolicy.sol";
import {IGuarantyFund} from "./interfaces/IGuarantyFund.sol";
import {IInsuranceFund} from "./interfaces/IInsuranceFund.sol";
import {ClaimsMath} from "./libraries/ClaimsMath.sol";

/// @title GuarantyFund
/// @notice SPECIFICATION.md section 6.2.
/// - Balances are booked, never measured: S that is merely sent here belongs to nobody.
/// - A mutual loss lowers the total, income and recoveries raise it: each in one step for all members, in proportion to their units.
/// - Who is to leave stays in the pool until released, and anyone can release: nobody waits with an open door.
/// - For the insurance fund it only books and sends S; nothing here can stop a default from being resolved.
contract GuarantyFund is IGuarantyFund, AccessManaged {
    using SafeERC20 for IERC20;

    // ------------------------------------------------------------------ types

    /// @dev One slot. At most WIPE_OUT units for each unit of S, so they are below 2**136.
    struct Book {
        uint96 total; // units of S
        uint136 units;
        uint24 epoch; // wipe-outs so far
    }

    /// @dev Two slots, the second for a notice.
    struct Holding {
        uint136 units;
        uint24 epoch;
        uint40 noticeFrom; // when the notice has run out
        uint136 noticeUnits;
    }

    /// @dev One slot.
    struct Budget {
        uint96 left; // units of S, of the budget opened in `window`
        uint40 window;
    }

    // -------------------------------------------------------------- constants

    uint256 private constant MILLION = 1e6;
    uint256 private constant MAX_ASSETS = type(uint96).max;
    /// @dev For each unit of S that comes first: fine enough for what losses and recoveries do to the index.
    uint256 private constant FIRST_UNITS = 1e6;
    uint256 private constant WIPE_OUT = 1e12; // units per unit of S beyond which all of them count as written off

    // ---------------------------------------------------------------- storage

    IERC20 private immutable _ASSET;
    address public immutable vault;
    address public immutable clearingHouse;
    address public immutable fund;
    address public immutable policy;

    Parameters private _parameters;
    Book private _book;
    mapping(address account => Holding) private _holdings;
    mapping(uint16 market => Budget) private _budgets;

    constructor(
        address manager,
        address asset_,
        address vault_,
        address clearingHouse_,
        address fund_,
        address policy_,
        Parameters memory parameters_
    ) AccessManaged(manager) {
        address[5] memory wiring = [asset_, vault_, clearingHouse_, fund_, policy_];
        for (uint256 i; i < wiring.length; ++i) if (wiring[i] == address(0)) revert ZeroAddress();
        (_ASSET, vault, clearingHouse) = (IERC20(asset_), vault_, clearingHouse_);
        (fund, policy) = (fund_, policy_);
        _setParameters(parameters_);
    }

    modifier onlyFund() {
        if (msg.sender != fund) revert OnlyFund();
        _;
    }

    modifier whenGateOpen() {
        if (IClearingHouse(clearingHouse).insolvencies() != 0) revert GateClosed();
        _;
    }

    // ------------------------------------------------------------- for anyone

    /// @inheritdoc IGuarantyFund
    function join(address account, uint256 amount) external whenGateOpen {
        if (amount == 0) revert ZeroAmount();
        IInsuranceFund(fund).collect();
        uint256 held = _ASSET.balanceOf(address(this));
        _ASSET.safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = _ASSET.balanceOf(address(this)) - held;
        if (received != amount) revert InexactTransfer(amount, received);

        uint256 units = _credit(account, amount);
        uint256 balance = balanceOf(account);
        if (balance < _parameters.minContribution) revert BelowMinimum(balance, _parameters.minContribution);
        emit Joined(account, msg.sender, amount, units);
    }

    /// @inheritdoc IGuarantyFund
    function requestExit(uint256 amount) external {
        (Book memory b, Holding memory h) = (_book, _held(msg.sender));
        if (h.units == 0) revert NotAMember(msg.sender);
        uint256 balance = ClaimsMath.valueDown(h.units, b.total, b.units);
        uint256 units = amount < balance ? ClaimsMath.burnUp(amount, h.units, b.total, b.units) : h.units;
        if (amount == 0) units = 0;
        uint256 from = units == 0 ? 0 : block.timestamp + _parameters.noticePeriod;
        (h.noticeUnits, h.noticeFrom) = (uint136(units), uint40(from));
        _holdings[msg.sender] = h;
        emit ExitRequested(msg.sender, units, from, from == 0 ? 0 : from + _parameters.exitWindow);
    }

    /// @inheritdoc IGuarantyFund
    function release(address account) external whenGateOpen returns (uint256 amount) {
        _requireReleasable(account);
        uint256 requirement = _settledRequirement(account);

        // Read only now: settling the account may have found a default, which takes its contribution.
        (Book memory b, Holding memory h) = (_book, _held(account));
        // A token that called back meanwhile may have let the account give another notice: it begins anew.
        if (block.timestamp < h.noticeFrom) _requireReleasable(account);
        uint256 units = _leaving(b, h);
        amount = ClaimsMath.valueDown(units, b.total, b.units);
        (h.units, h.noticeUnits, h.noticeFrom) = (h.units - uint136(units), 0, 0);
        (b.units, b.total) = (b.units - uint136(units), b.total - uint96(amount));
        uint256 rest = ClaimsMath.valueDown(h.units, b.total, b.units);
        if (rest < requirement) revert MembershipRequired(account, rest, requirement);
        (_book, _holdings[account]) = (b, h);
        emit Released(account, amount, units);
        _ASSET.safeTransfer(account, amount);
    }

    /// @dev What is left of the noticed units, and the others with them where they would be too few to stay: a little that somebody adds
    /// stops nobody.
    function _leaving(Book memory b, Holding memory h) private view returns (uint256 units) {
        units = Math.min(h.noticeUnits, h.units);
        uint256 rest = ClaimsMath.valueDown(h.units - units, b.total, b.units);
        if (units != 0 && rest < _parameters.minContribution) units = h.units;
    }

    function _requireReleasable(address account) private view {
        Holding memory h = _held(account);
        if (h.noticeUnits == 0) revert NoNotice(account);
        uint256 until = h.noticeFrom + _parameters.exitWindow;
        if (block.timestamp < h.noticeFrom || block.timestamp >= until)
            revert NotReleasable(account, h.noticeFrom, until);
    }

    /// @dev Of the account as it stands now; it must have initial margin.
    function _settledRequirement(address account) private returns (uint256) {
        address[] memory accounts = new address[](1);
        accounts[0] = account;
        IClearingHouse house = IClearingHouse(clearingHouse);
        house.settle(accounts);
        (int256 equity, uint256 initialMargin, , uint256 notional) = house.health(account);
        if (equity < int256(initialMargin)) revert InitialMarginNotMet(account, equity, initialMargin);
        return IFundingPolicy(policy).requirementAt(account, notional);
    }

    // -------------------------------------------------- for the insurance fund

    /// @inheritdoc IGuarantyFund
    function bear(
        address account,
        uint16 market,
        uint256 own,
        uint256 mutual
    ) external onlyFund returns (bool wipedOut) {
        uint256 units = own == 0 ? 0 : _debit(account, own);
        if (mutual != 0) wipedOut = _share(market, mutual);
        emit LossBorne(account, market, own, units, mutual);
        _ASSET.safeTransfer(vault, own + mutual);
    }

    /// @inheritdoc IGuarantyFund
    function earn(uint256 amount) external onlyFund {
        _raise(amount);
        emit Earned(amount);
    }

    /// @inheritdoc IGuarantyFund
    function restore(address account, uint256 own, uint256 mutual) external onlyFund {
        if (mutual != 0) _raise(mutual);
        uint256 units = own == 0 ? 0 : _credit(account, own);
        emit Restored(account, own, units, mutual);
    }

    // ------------------------------------------------------------- governance

    /// @inheritdoc IGuarantyFund
    function setParameters(Parameters calldata parameters_) external restricted {
        _setParameters(parameters_);
    }

    // ------------------------------------------------------------------ views

    /// @inheritdoc IGuarantyFund
    function sources(address account, uint16 market) external view returns (uint256 own, uint256 mutual) {
        Book memory b = _book;
        if (b.units == 0) return (0, 0);
        own = balanceOf(account);
        uint256 others = b.total - own;
        (Budget memory budget, ) = _budgetNow(market, others);
        mutual = Math.min(budget.left, others);
    }

    /// @inheritdoc IGuarantyFund
    function totalAssets() external view returns (uint256) {
        return _book.total;
    }

    /// @inheritdoc IGuarantyFund
    function book() external view returns (uint256, uint256, uint256) {
        return (_book.total, _book.units, _book.epoch);
    }

    /// @inheritdoc IGuarantyFund
    function balanceOf(address account) public view returns (uint256) {
        return ClaimsMath.valueDown(_held(account).units, _book.total, _book.units);
    }

    /// @inheritdoc IGuarantyFund
    function member(address account) external view returns (Member memory) {
        (Book memory b, Holding memory h) = (_book, _held(account));
        uint256 units = Math.min(h.noticeUnits, h.units);
        return
            Member({
                balance: ClaimsMath.valueDown(h.units, b.total, b.units),
                noticed: ClaimsMath.valueDown(units, b.total, b.units),
                opensAt: h.noticeFrom,
                closesAt: h.noticeFrom == 0 ? 0 : h.noticeFrom + _parameters.exitWindow
            });
    }

    /// @inheritdoc IGuarantyFund
    function requirementOf(address account) external view returns (uint256 requirement, uint256 owed) {
        (, , , uint256 notional) = IClearingHouse(clearingHouse).health(account);
        requirement = IFundingPolicy(policy).requirementAt(account, notional);
        owed = Math.saturatingSub(requirement, balanceOf(account));
    }

    /// @inheritdoc IGuarantyFund
    function lossBudget(uint16 market) external view returns (uint256 left, uint256 window) {
        (Budget memory budget, ) = _budgetNow(market, _book.total);
        return (budget.left, budget.window);
    }

    /// @inheritdoc IGuarantyFund
    function parameters() external view returns (Parameters memory) {
        return _parameters;
    }

    /// @inheritdoc IGuarantyFund
    function asset() external view returns (address) {
        return address(_ASSET);
    }

    // --------------------------------------------------------------- the books

    /// @dev Without what a wipe-out has voided.
    function _held(address account) private view returns (Holding memory h) {
        h = _holdings[account];
        uint24 epoch = _book.epoch;
        if (h.epoch != epoch) h = Holding({units: 0, epoch: epoch, noticeFrom: 0, noticeUnits: 0});
    }

    /// @dev For all members.
    function _raise(uint256 amount) private {
        uint96 total = _book.total;
        _requireCapacity(total, amount);
        _book.total = total + uint96(amount);
    }

    function _credit(address account, uint256 amount) private returns (uint256 units) {
        (Book memory b, Holding memory h) = (_book, _held(account));
        _requireCapacity(b.total, amount);
        units = b.units == 0 ? amount * FIRST_UNITS : ClaimsMath.unitsDown(amount, b.total, b.units);
        h.units += uint136(units);
        (b.units, b.total) = (b.units + uint136(units), b.total + uint96(amount));
        (_book, _holdings[account]) = (b, h);
    }

    function _debit(address account, uint256 amount) private returns (uint256 units) {
        (Book memory b, Holding memory h) = (_book, _held(account));
        units = ClaimsMath.burnUp(amount, h.units, b.total, b.units);
        h.units -= uint136(units);
        if (h.units == 0) (h.noticeUnits, h.noticeFrom) = (0, 0);
        (b.units, b.total) = (b.units - uint136(units), b.total - uint96(amount));
        if (b.units == 0) b.total = 0;
        (_book, _holdings[account]) = (b, h);
    }

    /// @dev All members bear the amount, which is within the market's loss budget.
    function _share(uint16 market, uint256 amount) private returns (bool wipedOut) {
        Book memory b = _book;
        (Budget memory budget, bool opens) = _budgetNow(market, b.total);
        if (opens) emit LossBudgetOpened(market, budget.window, budget.left);
        budget.left -= uint96(amount);
        _budgets[market] = budget;

        b.total -= uint96(amount);
        wipedOut = b.total * WIPE_OUT < b.units;
        if (wipedOut) {
            (b.total, b.units) = (0, 0);
            emit WipedOut(++b.epoch);
        }
        _book = b;
    }

    /// @dev The market's loss budget as of now: with its first payment in a window it is opened at a share of what members have.
    function _budgetNow(uint16 market, uint256 total) private view returns (Budget memory budget, bool opens) {
        budget = _budgets[market];
        uint256 window = block.timestamp / _parameters.lossWindow;
        opens = budget.window != window;
        if (!opens) return (budget, false);
        budget.window = uint40(window);
        budget.left = uint96((total * _parameters.lossShare) / MILLION);
    }

    // ------------------------------------------------------------- parameters

    function _requireCapacity(uint256 total, uint256 amount) private pure {
        uint256 free = MAX_ASSETS - total;
        if (amount > free) revert CapacityExceeded(amount, free);
    }

    function _setParameters(Parameters memory p) private {
        _bound("minContribution", p.minContribution, 1, MAX_ASSETS);
        _bound("noticePeriod", p.noticePeriod, 1 days, 90 days);
        _bound("exitWindow", p.exitWindow, 1 days, 30 days);
        _bound("lossWindow", p.lossWindow, 1 hours, 30 days);
        _bound("lossShare", p.lossShare, 0, MILLION);
        _parameters = p;
        emit ParametersSet(p);
    }

    function _bound(bytes32 name, uint256 value, uint256 min, uint256 max) private pure {
        if (value < min || value > max) revert ParameterOutOfBounds(name, value, min, max);
    }
}
