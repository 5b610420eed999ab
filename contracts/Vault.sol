// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuard} from "@openzeppelin/contracts/utils/ReentrancyGuard.sol";
import {SafeCastLib} from "solady/utils/SafeCastLib.sol";
import {IClearingHouse} from "./interfaces/IClearingHouse.sol";
import {ICollateral} from "./interfaces/ICollateral.sol";
import {IVault} from "./interfaces/IVault.sol";
import {Bits} from "./libraries/Bits.sol";
import {ClaimsMath} from "./libraries/ClaimsMath.sol";

/// @title Vault
/// @notice SPECIFICATION.md section 2.
/// - Cash is backed at every instant: S held = cash of all accounts + pools of all markets + what is not yet collected.
/// - The fund has an account like everyone: the premium on open interest is its profit, paid when the market's losers have paid.
/// - An account has claims or debt in a market, never both: a loss burns claims first, a profit repays debt first.
/// - Claims are units of the market's claims index, so that a write-off costs the same for any number of claimants.
/// - Other stablecoins as collateral enter in `net`, and only there; accounts without any never ask for them.
contract Vault is IVault, AccessManaged, ReentrancyGuard {
    using SafeERC20 for IERC20Metadata;
    using SafeCastLib for uint256;

    enum Standing {
        Unknown,
        Known, // listed among the accounts
        Pledging // and holds collateral
    }

    /// @dev One slot. Bit m of claimMarkets (debtMarkets) is set where the account has claims (debt) in market m.
    struct Account {
        uint120 cash;
        Standing standing;
        uint64 claimMarkets;
        uint64 debtMarkets;
    }

    /// @dev One slot. amount: claim units, or debt in S, as the account's bitmaps tell.
    struct Entry {
        uint128 amount;
        uint24 claimsEpoch;
        uint40 maturesAt;
    }

    uint256 private constant MAX_MATURITY = 7 days;

    IERC20Metadata private immutable _ASSET;
    uint8 public immutable assetDecimals;
    address public immutable clearingHouse;
    address public immutable fund;
    address public immutable collateral;

    mapping(address account => Account) private _accounts;
    mapping(address account => mapping(uint16 market => Entry)) private _entries;
    mapping(uint16 market => MarketLedger) private _markets;
    uint128 private _fees;
    uint128 private _levies;
    address[] private _known;

    modifier onlyClearingHouse() {
        if (msg.sender != clearingHouse) revert OnlyClearingHouse();
        _;
    }

    modifier onlyCollateral() {
        if (msg.sender != collateral) revert OnlyCollateral();
        _;
    }

    constructor(
        address manager,
        address asset_,
        address clearingHouse_,
        address fund_,
        address collateral_
    ) AccessManaged(manager) {
        if (clearingHouse_ == address(0) || fund_ == address(0) || collateral_ == address(0)) revert ZeroAddress();
        _ASSET = IERC20Metadata(asset_);
        assetDecimals = _ASSET.decimals();
        clearingHouse = clearingHouse_;
        fund = fund_;
        collateral = collateral_;
    }

    // ------------------------------------------------------------- for anyone

    /// @inheritdoc IVault
    function deposit(address account, uint256 amount) external nonReentrant {
        if (amount == 0) revert ZeroAmount();
        if (account == address(0)) revert ZeroAddress();
        _credit(account, amount);
        emit Deposited(account, msg.sender, amount);

        uint256 held = _ASSET.balanceOf(address(this));
        _ASSET.safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = _ASSET.balanceOf(address(this)) - held;
        if (received != amount) revert InexactTransfer(amount, received);
    }

    /// @inheritdoc IVault
    function withdraw(uint256 amount, address to, address[] calldata settleFirst) external nonReentrant {
        if (amount == 0) revert ZeroAmount();
        if (to == address(0)) revert ZeroAddress();
        IClearingHouse(clearingHouse).authorizeWithdrawal(msg.sender, amount, settleFirst);
        _debitFree(msg.sender, amount);
        emit Withdrawn(msg.sender, to, amount);
        _ASSET.safeTransfer(to, amount);
    }

    // -------------------------------------------------- for the clearing house

    /// @inheritdoc IVault
    function settle(address account, uint16 market, int256 pnl) external onlyClearingHouse {
        if (pnl > 0) _settleProfit(account, market, pnl);
        else _settleLoss(account, market, pnl);
        _convert(account, market);
        _payDebts(account);
    }

    /// @inheritdoc IVault
    function convert(address account) external onlyClearingHouse returns (int256) {
        _convertAll(account);
        _payDebts(account);
        return net(account);
    }

    /// @inheritdoc IVault
    function creditCash(address account, uint256 amount) external onlyClearingHouse {
        _credit(account, amount);
        emit CashCredited(account, amount);
    }

    /// @inheritdoc IVault
    function exchange(
        address payer,
        address payee,
        uint256 amount,
        uint256 payerFee,
        uint256 payeeFee
    ) external onlyClearingHouse returns (int256 payerNet, int256 payeeNet) {
        _debitFree(payer, amount + payerFee);
        _addCash(payee, amount);
        _debitFree(payee, payeeFee);
        _fees += (payerFee + payeeFee).toUint128();
        emit Exchanged(payer, payee, amount, payerFee, payeeFee);
        return (net(payer), net(payee));
    }

    /// @inheritdoc IVault
    function chargeContribution(address account, uint256 amount) external onlyClearingHouse {
        _debitFree(account, amount);
        _levies += amount.toUint128();
        emit ContributionPaid(account, amount);
    }

    /// @inheritdoc IVault
    function chargeLiquidation(
        address account,
        address liquidator,
        uint256 fraction,
        uint256 bounty,
        uint256 penalty
    ) external onlyClearingHouse returns (uint256 bountyPaid, uint256 penaltyPaid, int256) {
        if (fraction != 0 && _accounts[account].standing == Standing.Pledging) {
            _sellCollateral(account, liquidator, fraction);
        }
        uint256 cash = _accounts[account].cash;
        bountyPaid = _min(bounty, cash);
        penaltyPaid = _min(penalty, cash - bountyPaid);
        if (cash != 0) {
            _debit(account, bountyPaid + penaltyPaid);
            _levies += penaltyPaid.toUint128();
            emit LiquidationCharged(account, liquidator, bountyPaid, penaltyPaid);
            if (bountyPaid != 0) _credit(liquidator, bountyPaid);
        }
        return (bountyPaid, penaltyPaid, net(account));
    }

    /// @inheritdoc IVault
    function resolveDebt(
        address account,
        uint16 market,
        uint256 shortfall,
        uint256 fromProfit,
        uint256 fromFund
    ) external onlyClearingHouse {
        MarketLedger storage ledger = _markets[market];
        _reduceDebt(account, market, shortfall);
        emit DebtResolved(account, market, shortfall, fromProfit, fromFund);
        if (_accounts[account].standing == Standing.Pledging) ICollateral(collateral).noteDefault(account);
        if (fromFund != 0) ledger.pool += fromFund.toUint120();
        if (fromProfit != 0) {
            uint256 rest = ledger.totalClaims - fromProfit;
            if (ClaimsMath.isWipedOut(rest, ledger.totalClaimUnits)) {
                rest = 0;
                ledger.totalClaimUnits = 0;
                ++ledger.claimsEpoch;
            }
            ledger.totalClaims = uint112(rest);
            emit ClaimsWrittenOff(market, fromProfit, ledger.claimsEpoch);
        }
    }

    /// @inheritdoc IVault
    function addResidual(uint16 market, uint256 amount) external onlyClearingHouse {
        _markets[market].residual += amount.toUint104();
        emit ResidualAdded(market, amount);
    }

    // ------------------------------------------------------------- collateral

    /// @inheritdoc IVault
    function authorizeCollateral(
        address account,
        uint256 amount,
        address[] calldata settleFirst
    ) external onlyCollateral nonReentrant {
        IClearingHouse(clearingHouse).authorizeWithdrawal(account, amount, settleFirst);
        _requireFree(account);
    }

    /// @inheritdoc IVault
    function setPledging(address account, bool pledging) external onlyCollateral {
        if (_accounts[account].standing == Standing.Unknown) _know(account);
        _accounts[account].standing = pledging ? Standing.Pledging : Standing.Known;
    }

    // --------------------------------------------------------------- the fund

    /// @inheritdoc IVault
    function collect() external nonReentrant returns (uint256 fees, uint256 levies, uint256 premium) {
        if (msg.sender != fund) revert OnlyFund();
        _convertAll(fund);
        (fees, levies, premium) = (_fees, _levies, _accounts[fund].cash);
        (_fees, _levies, _accounts[fund].cash) = (0, 0, 0);
        emit Collected(fees, levies, premium);
        uint256 amount = fees + levies + premium;
        if (amount != 0) _ASSET.safeTransfer(fund, amount);
    }

    // ------------------------------------------------------------- governance

    /// @inheritdoc IVault
    function setMaturity(uint16 market, uint24 maturity) external restricted {
        if (maturity > MAX_MATURITY) revert MaturityOutOfBounds(maturity, MAX_MATURITY);
        _markets[market].maturity = maturity;
        emit MaturitySet(market, maturity);
    }

    // ------------------------------------------------------------------ views

    /// @inheritdoc IVault
    function asset() external view returns (address) {
        return address(_ASSET);
    }

    /// @inheritdoc IVault
    function cashOf(address account) external view returns (uint256) {
        return _accounts[account].cash;
    }

    /// @inheritdoc IVault
    function claimsOf(address account, uint16 market) external view returns (uint256) {
        return Bits.has(_accounts[account].claimMarkets, market) ? _claimValue(account, market) : 0;
    }

    /// @inheritdoc IVault
    function claimOf(
        address account,
        uint16 market
    ) external view returns (uint256 value, uint256 units, uint256 maturesAt) {
        Entry storage entry = _entries[account][market];
        if (!Bits.has(_accounts[account].claimMarkets, market)) return (0, 0, 0);
        if (entry.claimsEpoch != _markets[market].claimsEpoch) return (0, 0, 0);
        return (_claimValue(account, market), entry.amount, entry.maturesAt);
    }

    /// @inheritdoc IVault
    function debtOf(address account, uint16 market) external view returns (uint256) {
        return Bits.has(_accounts[account].debtMarkets, market) ? _entries[account][market].amount : 0;
    }

    /// @inheritdoc IVault
    function inDebt(address account) external view returns (bool) {
        return _accounts[account].debtMarkets != 0;
    }

    /// @inheritdoc IVault
    function requireFree(address account) external view {
        _requireFree(account);
    }

    /// @inheritdoc IVault
    function ledgerMarkets(address account) external view returns (uint64 claimMarkets, uint64 debtMarkets) {
        return (_accounts[account].claimMarkets, _accounts[account].debtMarkets);
    }

    /// @inheritdoc IVault
    function net(address account) public view returns (int256 value) {
        Account memory a = _accounts[account];
        value = int256(uint256(a.cash));
        for (uint16 m; a.claimMarkets != 0; a.claimMarkets = Bits.clear(a.claimMarkets, m)) {
            m = Bits.lowest(a.claimMarkets);
            value += int256(_claimValue(account, m));
        }
        for (uint16 m; a.debtMarkets != 0; a.debtMarkets = Bits.clear(a.debtMarkets, m)) {
            m = Bits.lowest(a.debtMarkets);
            value -= int256(uint256(_entries[account][m].amount));
        }
        if (a.standing == Standing.Pledging) value += int256(ICollateral(collateral).valueOf(account));
    }

    /// @inheritdoc IVault
    function marketLedger(uint16 market) external view returns (MarketLedger memory) {
        return _markets[market];
    }

    /// @inheritdoc IVault
    function totalClaims(uint16 market) external view returns (uint256) {
        return _markets[market].totalClaims;
    }

    /// @inheritdoc IVault
    function uncollected() external view returns (uint256 fees, uint256 levies) {
        return (_fees, _levies);
    }

    /// @inheritdoc IVault
    function accountCount() external view returns (uint256) {
        return _known.length;
    }

    /// @inheritdoc IVault
    function accounts(uint256 offset, uint256 limit) external view returns (address[] memory page) {
        uint256 count = _known.length;
        uint256 end = limit < count - _min(offset, count) ? offset + limit : count;
        page = new address[](end > offset ? end - offset : 0);
        for (uint256 i; i < page.length; ++i) {
            page[i] = _known[offset + i];
        }
    }

    // -------------------------------------------------------- profit and loss

    function _settleProfit(address account, uint16 market, int256 pnl) private {
        MarketLedger storage ledger = _markets[market];
        uint256 absorbed = _min(uint256(pnl), ledger.residual);
        if (absorbed != 0) ledger.residual -= uint104(absorbed);
        uint256 profit = uint256(pnl) - absorbed;
        Account storage a = _accounts[account];
        if (a.standing == Standing.Unknown) _know(account);
        if (Bits.has(a.debtMarkets, market)) {
            uint256 repaid = _min(profit, _entries[account][market].amount);
            profit -= repaid;
            if (repaid != 0) _repay(account, market, 0, repaid);
        }
        uint256 paid;
        // First claims that would turn into cash at once, at a unit each, need not be written down in between.
        bool atPar = ledger.totalClaims == ledger.totalClaimUnits;
        if (ledger.maturity == 0 && ledger.pool != 0 && atPar && !Bits.has(a.claimMarkets, market)) {
            paid = _min(profit, ledger.pool);
            ledger.pool -= uint120(paid);
            a.cash = (a.cash + paid).toUint120();
        }
        if (profit != paid) _mint(account, market, profit - paid, ledger.maturity);
        emit Settled(account, market, pnl, absorbed, int256(paid));
    }

    function _settleLoss(address account, uint16 market, int256 pnl) private {
        uint256 loss = uint256(-pnl);
        if (_holdsClaims(account, market)) {
            uint256 burnt = _min(loss, _claimValue(account, market));
            _burn(account, market, burnt);
            loss -= burnt;
        }
        uint256 paid = _payLoss(account, market, loss);
        if (paid != loss && _accounts[account].claimMarkets != 0) {
            _convertAll(account);
            paid += _payLoss(account, market, loss - paid);
        }
        emit Settled(account, market, pnl, 0, -int256(paid));
        loss -= paid;
        if (loss != 0) {
            Account storage a = _accounts[account];
            Entry storage entry = _entries[account][market];
            // All claims here are burnt, so the entry holds debt, or nothing.
            entry.amount = (entry.amount + loss).toUint128();
            a.debtMarkets = Bits.set(a.debtMarkets, market);
            emit DebtIncurred(account, market, loss);
        }
    }

    function _payLoss(address account, uint16 market, uint256 loss) private returns (uint256 paid) {
        paid = _min(loss, _accounts[account].cash);
        if (paid == 0) return 0;
        _accounts[account].cash -= uint120(paid);
        _markets[market].pool += uint120(paid);
    }

    // ------------------------------------------------------------------- cash

    function _credit(address account, uint256 amount) private {
        _addCash(account, amount);
        _payDebts(account);
    }

    /// @dev The first cash makes an account known; it needs some, or collateral, before it can have anything else. All but the fund, whose first profit does.
    function _addCash(address account, uint256 amount) private {
        Account storage a = _accounts[account];
        if (a.standing == Standing.Unknown && amount != 0) _know(account);
        a.cash = (a.cash + amount).toUint120();
    }

    function _know(address account) private {
        _accounts[account].standing = Standing.Known;
        _known.push(account);
    }

    function _debit(address account, uint256 amount) private {
        uint256 cash = _accounts[account].cash;
        if (cash < amount) revert InsufficientCash(account, cash, amount);
        _accounts[account].cash = uint120(cash - amount);
    }

    function _debitFree(address account, uint256 amount) private {
        _requireFree(account);
        _debit(account, amount);
    }

    function _requireFree(address account) private view {
        Account storage a = _accounts[account];
        if (a.debtMarkets != 0) revert AccountInDebt(account);
        if (a.standing != Standing.Pledging) return;
        uint256 id = ICollateral(collateral).openDefaultOf(account);
        if (id != 0) revert OpenDefault(account, id);
    }

    /// @dev The liquidator's cash for a fraction of what the account has pledged.
    function _sellCollateral(address account, address liquidator, uint256 fraction) private {
        uint256 cost = ICollateral(collateral).take(account, liquidator, fraction);
        if (cost == 0) return;
        _debitFree(liquidator, cost);
        emit CollateralPaid(account, liquidator, cost);
        _credit(account, cost);
    }

    function _payDebts(address account) private {
        Account storage a = _accounts[account];
        uint64 markets = a.debtMarkets;
        for (uint16 m; markets != 0 && a.cash != 0; markets = Bits.clear(markets, m)) {
            m = Bits.lowest(markets);
            uint256 paid = _min(a.cash, _entries[account][m].amount);
            a.cash -= uint120(paid);
            _markets[m].pool += uint120(paid);
            _repay(account, m, paid, 0);
        }
    }

    function _repay(address account, uint16 market, uint256 fromCash, uint256 fromProfit) private {
        _reduceDebt(account, market, fromCash + fromProfit);
        emit DebtRepaid(account, market, fromCash, fromProfit);
    }

    function _reduceDebt(address account, uint16 market, uint256 amount) private {
        Entry storage entry = _entries[account][market];
        uint256 rest = entry.amount - amount;
        entry.amount = uint128(rest);
        if (rest == 0) _accounts[account].debtMarkets = Bits.clear(_accounts[account].debtMarkets, market);
    }

    // ----------------------------------------------------------------- claims

    function _claimValue(address account, uint16 market) private view returns (uint256) {
        Entry storage entry = _entries[account][market];
        MarketLedger storage ledger = _markets[market];
        if (entry.claimsEpoch != ledger.claimsEpoch) return 0;
        return ClaimsMath.valueDown(entry.amount, ledger.totalClaims, ledger.totalClaimUnits);
    }

    function _mint(address account, uint16 market, uint256 amount, uint256 maturity) private {
        MarketLedger storage ledger = _markets[market];
        Account storage a = _accounts[account];
        Entry storage entry = _entries[account][market];
        bool holds = _holdsClaims(account, market);
        uint256 held = holds ? _claimValue(account, market) : 0;
        uint256 maturesAt =
            block.timestamp + ClaimsMath.waitUp(amount, maturity, held, entry.maturesAt, block.timestamp);
        uint256 units = ClaimsMath.unitsDown(amount, ledger.totalClaims, ledger.totalClaimUnits);

        entry.amount = (entry.amount + units).toUint128();
        entry.claimsEpoch = ledger.claimsEpoch;
        entry.maturesAt = uint40(maturesAt);
        if (!holds) a.claimMarkets = Bits.set(a.claimMarkets, market);
        ledger.totalClaims = (ledger.totalClaims + amount).toUint112();
        ledger.totalClaimUnits = (ledger.totalClaimUnits + units).toUint128();
        emit ClaimsMinted(account, market, amount, units, maturesAt);
    }

    /// @dev Drops an entry whose units were written off entirely, so that what is left counts.
    function _holdsClaims(address account, uint16 market) private returns (bool) {
        Account storage a = _accounts[account];
        if (!Bits.has(a.claimMarkets, market)) return false;
        Entry storage entry = _entries[account][market];
        if (entry.claimsEpoch == _markets[market].claimsEpoch) return true;
        a.claimMarkets = Bits.clear(a.claimMarkets, market);
        (entry.amount, entry.maturesAt) = (0, 0);
        return false;
    }

    /// @dev Burns claims worth `amount`, at most their value; drops the entry when its last units go.
    function _burn(address account, uint16 market, uint256 amount) private {
        uint256 units = _burnUnits(account, market, amount);
        emit ClaimsBurned(account, market, amount, units);
    }

    function _burnUnits(address account, uint16 market, uint256 amount) private returns (uint256 units) {
        MarketLedger storage ledger = _markets[market];
        Entry storage entry = _entries[account][market];
        uint256 held = entry.amount;
        units = ClaimsMath.burnUp(amount, held, ledger.totalClaims, ledger.totalClaimUnits);
        uint256 restUnits = ledger.totalClaimUnits - units;
        ledger.totalClaims = restUnits == 0 ? 0 : uint112(ledger.totalClaims - amount);
        ledger.totalClaimUnits = uint128(restUnits);
        entry.amount = uint128(held - units);
        if (units == held) {
            _accounts[account].claimMarkets = Bits.clear(_accounts[account].claimMarkets, market);
            entry.maturesAt = 0;
        }
    }

    function _convert(address account, uint16 market) private {
        if (!_holdsClaims(account, market)) return;
        MarketLedger storage ledger = _markets[market];
        uint256 pool = ledger.pool;
        if (pool == 0 || block.timestamp < _entries[account][market].maturesAt) return;
        uint256 paid = _min(pool, _claimValue(account, market));
        uint256 units = _burnUnits(account, market, paid);
        ledger.pool = uint120(pool - paid);
        _accounts[account].cash = (_accounts[account].cash + paid).toUint120();
        emit ClaimsConverted(account, market, paid, units);
    }

    function _convertAll(address account) private {
        uint64 markets = _accounts[account].claimMarkets;
        for (uint16 m; markets != 0; markets = Bits.clear(markets, m)) {
            m = Bits.lowest(markets);
            _convert(account, m);
        }
    }

    // ---------------------------------------------------------------- helpers

    function _min(uint256 a, uint256 b) private pure returns (uint256) {
        return a < b ? a : b;
    }
}
