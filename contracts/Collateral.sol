// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {ReentrancyGuard} from "@openzeppelin/contracts/utils/ReentrancyGuard.sol";
import {SafeCastLib} from "solady/utils/SafeCastLib.sol";
import {IClearingHouse} from "./interfaces/IClearingHouse.sol";
import {ICollateral} from "./interfaces/ICollateral.sol";
import {IInsuranceFund} from "./interfaces/IInsuranceFund.sol";
import {IStablecoins} from "./interfaces/IStablecoins.sol";
import {IVault} from "./interfaces/IVault.sol";
import {Bits} from "./libraries/Bits.sol";
import {Conversion} from "./libraries/Conversion.sol";

/// @title Collateral
/// @notice SPECIFICATION.md section 2.2.
/// - Balances are booked, never measured: tokens that are merely sent here belong to nobody.
/// - What collateral counts for enters the vault's `net`; here it only changes hands. A liquidation moves it between accounts, without the
///   token, so that no token can stop a liquidation.
/// - What it brings beyond its haircut goes to those who bore the account's loss, before the account can take it back.
contract Collateral is ICollateral, ReentrancyGuard {
    using Conversion for IStablecoins.Terms;
    using SafeCastLib for uint256;
    using SafeERC20 for IERC20;

    /// @dev One slot. Bit i of assets is set where the account holds asset i.
    struct Holder {
        uint64 assets;
        uint40 saleStartedAt;
        uint40 settledDefaults; // so many of its noted defaults have nothing open any more
    }

    uint256 private constant WAD = 1e18;

    IERC20 private immutable _SETTLEMENT;
    IStablecoins private immutable _STABLECOINS;
    IVault private immutable _VAULT;
    IInsuranceFund private immutable _FUND;
    address public immutable clearingHouse;

    mapping(address account => Holder) private _holders;
    mapping(address account => mapping(uint256 asset => uint96)) private _held;
    mapping(uint256 asset => uint96) private _totals;
    mapping(address account => uint40[]) private _defaults;

    modifier onlyVault() {
        if (msg.sender != address(_VAULT)) revert OnlyVault();
        _;
    }

    constructor(address stablecoins_, address vault_, address clearingHouse_, address fund_) {
        bool wired = stablecoins_ != address(0) && vault_ != address(0);
        if (!wired || clearingHouse_ == address(0) || fund_ == address(0)) revert ZeroAddress();
        (_STABLECOINS, _VAULT, _FUND) = (IStablecoins(stablecoins_), IVault(vault_), IInsuranceFund(fund_));
        (_SETTLEMENT, clearingHouse) = (IERC20(_STABLECOINS.settlement()), clearingHouse_);
    }

    // --------------------------------------------------------- for its owners

    /// @inheritdoc ICollateral
    function deposit(uint256 asset, uint256 amount) external nonReentrant {
        if (amount == 0) revert ZeroAmount();
        IStablecoins.Terms memory t = _STABLECOINS.terms(asset);
        (uint256 total, uint256 cap) = (_totals[asset] + amount, t.parameters.collateralCap);
        if (total > cap) revert CapExceeded(asset, total, cap);
        _totals[asset] = uint96(total);
        _add(msg.sender, asset, amount);
        emit Deposited(msg.sender, asset, amount);

        uint256 held = IERC20(t.token).balanceOf(address(this));
        IERC20(t.token).safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = IERC20(t.token).balanceOf(address(this)) - held;
        if (received != amount) revert InexactTransfer(amount, received);
    }

    /// @inheritdoc ICollateral
    function withdraw(uint256 asset, uint256 amount, address to, address[] calldata settleFirst) external nonReentrant {
        if (amount == 0) revert ZeroAmount();
        if (to == address(0)) revert ZeroAddress();
        IStablecoins.Terms memory t = _STABLECOINS.terms(asset);
        uint256 held = _held[msg.sender][asset];
        if (held < amount) revert InsufficientCollateral(msg.sender, asset, held, amount);
        uint256 fall = t.valueDown(held) - t.valueDown(held - amount);
        _VAULT.authorizeCollateral(msg.sender, fall, settleFirst);
        _leave(msg.sender, asset, amount);
        emit Withdrawn(msg.sender, asset, to, amount);
        IERC20(t.token).safeTransfer(to, amount);
    }

    // --------------------------------------------------------------- its sale

    /// @inheritdoc ICollateral
    function startSale(address account) external nonReentrant {
        address[] memory accounts = new address[](1);
        accounts[0] = account;
        IClearingHouse(clearingHouse).settle(accounts);
        uint256 duration = _saleDuration();
        uint256 endsAt = Conversion.endOf(_holders[account].saleStartedAt, duration);
        if (block.timestamp < endsAt) revert SaleRunning(account, endsAt);
        (uint256 due, ) = _due(account);
        if (due == 0 || _holders[account].assets == 0) revert NothingToSell(account);
        _holders[account].saleStartedAt = uint40(block.timestamp);
        emit SaleStarted(account, Conversion.endOf(block.timestamp, duration));
    }

    /// @inheritdoc ICollateral
    function buy(
        address account,
        uint256 asset,
        uint256 amount,
        address to,
        uint256 maxCost
    ) external nonReentrant returns (uint256 bought, uint256 cost) {
        IStablecoins.Terms memory t = _STABLECOINS.terms(asset);
        if (account == msg.sender) revert OwnCollateral(account);
        if (amount == 0) revert ZeroAmount();
        if (to == address(0)) revert ZeroAddress();
        uint256 f = Conversion.MILLION - _priceOff(account, t);
        if (t.price == 0) revert NoPrice(asset);
        (uint256 due, uint256 id) = _due(account);
        bought = Math.min(Math.min(amount, _held[account][asset]), t.unitsUp(due, f));
        if (bought == 0) revert NothingToSell(account);
        cost = t.costUp(bought, f);
        if (cost > maxCost) revert CostAboveMax(cost, maxCost);
        // The money first: were the units gone before it is there, a token that calls back could find the account insolvent.
        _SETTLEMENT.safeTransferFrom(msg.sender, address(this), cost);
        _leave(account, asset, bought);
        emit Sold(account, msg.sender, asset, bought, cost, id);
        uint256 rest = cost;
        if (id != 0) {
            _SETTLEMENT.forceApprove(address(_FUND), cost);
            rest -= _FUND.recover(id, Math.min(cost, due));
        }
        if (rest != 0) {
            _SETTLEMENT.forceApprove(address(_VAULT), rest);
            _VAULT.deposit(account, rest);
        }
        IERC20(t.token).safeTransfer(to, bought);
    }

    // ---------------------------------------------------------- for the vault

    /// @inheritdoc ICollateral
    function take(address account, address liquidator, uint256 fraction) external onlyVault returns (uint256 cost) {
        uint64 assets = _holders[account].assets;
        for (uint16 i; assets != 0; assets = Bits.clear(assets, i)) {
            i = Bits.lowest(assets);
            IStablecoins.Terms memory t = _STABLECOINS.terms(i);
            uint256 amount = t.price == 0 ? 0 : (_held[account][i] * fraction) / WAD;
            if (amount == 0) continue;
            uint256 price = t.costUp(amount, Conversion.MILLION - t.parameters.discount);
            _remove(account, i, amount);
            _add(liquidator, i, amount);
            emit Taken(account, liquidator, i, amount, price);
            cost += price;
        }
    }

    /// @inheritdoc ICollateral
    function noteDefault(address account) external onlyVault {
        uint256 id = _FUND.defaultCount();
        _defaults[account].push(uint40(id));
        emit DefaultNoted(account, id);
    }

    // ------------------------------------------------------------------ views

    /// @inheritdoc ICollateral
    function valueOf(address account) external view returns (uint256 value) {
        uint64 assets = _holders[account].assets;
        for (uint16 i; assets != 0; assets = Bits.clear(assets, i)) {
            i = Bits.lowest(assets);
            value += _STABLECOINS.terms(i).valueDown(_held[account][i]);
        }
    }

    /// @inheritdoc ICollateral
    function heldOf(address account, uint256 asset) external view returns (uint256) {
        return _held[account][asset];
    }

    /// @inheritdoc ICollateral
    function assetsOf(address account) external view returns (uint256) {
        return _holders[account].assets;
    }

    /// @inheritdoc ICollateral
    function totalOf(uint256 asset) external view returns (uint256) {
        return _totals[asset];
    }

    /// @inheritdoc ICollateral
    function dueOf(address account) external view returns (uint256 due, uint256 id) {
        due = _debtOf(account);
        if (due != 0) return (due, 0);
        (id, due, ) = _firstOpen(account);
    }

    /// @inheritdoc ICollateral
    function openDefaultOf(address account) external view returns (uint256 id) {
        (id, , ) = _firstOpen(account);
    }

    /// @inheritdoc ICollateral
    function saleOf(address account) external view returns (uint256 startedAt, uint256 endsAt) {
        startedAt = _holders[account].saleStartedAt;
        return (startedAt, Conversion.endOf(startedAt, _saleDuration()));
    }

    /// @inheritdoc ICollateral
    function defaultsOf(address account) external view returns (uint256[] memory ids) {
        ids = new uint256[](_defaults[account].length);
        for (uint256 i; i < ids.length; ++i) ids[i] = _defaults[account][i];
    }

    /// @inheritdoc ICollateral
    function stablecoins() external view returns (address) {
        return address(_STABLECOINS);
    }

    /// @inheritdoc ICollateral
    function vault() external view returns (address) {
        return address(_VAULT);
    }

    /// @inheritdoc ICollateral
    function fund() external view returns (address) {
        return address(_FUND);
    }

    // ----------------------------------------------------------- what is owed

    /// @dev What a sale is to pay: debts first (id 0), then the first open default.
    function _due(address account) private returns (uint256 due, uint256 id) {
        due = _debtOf(account);
        if (due == 0) (id, due) = _openDefault(account);
    }

    function _debtOf(address account) private view returns (uint256 debt) {
        (, uint64 markets) = _VAULT.ledgerMarkets(account);
        for (uint16 m; markets != 0; markets = Bits.clear(markets, m)) {
            m = Bits.lowest(markets);
            debt += _VAULT.debtOf(account, m);
        }
    }

    /// @dev Its first default of which something is open (0: none), passing by those that are settled for good.
    function _openDefault(address account) private returns (uint256 id, uint256 open) {
        uint256 settled;
        (id, open, settled) = _firstOpen(account);
        if (settled != _holders[account].settledDefaults) _holders[account].settledDefaults = uint40(settled);
    }

    function _firstOpen(address account) private view returns (uint256 id, uint256 open, uint256 settled) {
        uint40[] storage ids = _defaults[account];
        for (settled = _holders[account].settledDefaults; settled < ids.length; ++settled) {
            (, open) = _FUND.recovered(ids[settled]);
            if (open != 0) return (ids[settled], open, settled);
        }
    }

    function _priceOff(address account, IStablecoins.Terms memory t) private view returns (uint256) {
        (uint256 startedAt, uint256 duration) = (_holders[account].saleStartedAt, _saleDuration());
        if (block.timestamp >= Conversion.endOf(startedAt, duration)) revert SaleNotRunning(account);
        return t.off(startedAt, duration);
    }

    function _saleDuration() private view returns (uint256) {
        return _STABLECOINS.conversionParameters().saleDuration;
    }

    // --------------------------------------------------------------- balances

    function _add(address account, uint256 asset, uint256 amount) private {
        uint64 assets = _holders[account].assets;
        _holders[account].assets = Bits.set(assets, uint16(asset));
        _held[account][asset] += amount.toUint96();
        if (assets == 0) _VAULT.setPledging(account, true);
    }

    function _remove(address account, uint256 asset, uint256 amount) private {
        uint96 rest = _held[account][asset] - uint96(amount);
        _held[account][asset] = rest;
        if (rest != 0) return;
        uint64 assets = Bits.clear(_holders[account].assets, uint16(asset));
        _holders[account].assets = assets;
        if (assets == 0) _VAULT.setPledging(account, false);
    }

    function _leave(address account, uint256 asset, uint256 amount) private {
        _remove(account, asset, amount);
        _totals[asset] -= uint96(amount);
    }
}
