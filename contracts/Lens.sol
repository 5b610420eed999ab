// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {IClearingHouse} from "./interfaces/IClearingHouse.sol";
import {IFundingPolicy} from "./interfaces/IFundingPolicy.sol";
import {IGuarantyFund} from "./interfaces/IGuarantyFund.sol";
import {IInsuranceFund} from "./interfaces/IInsuranceFund.sol";
import {ILens} from "./interfaces/ILens.sol";
import {IMarkets} from "./interfaces/IMarkets.sol";
import {IPriceOracle} from "./interfaces/IPriceOracle.sol";
import {ITranche} from "./interfaces/ITranche.sol";
import {IVault} from "./interfaces/IVault.sol";
import {Bits} from "./libraries/Bits.sol";
import {SideMath} from "./libraries/SideMath.sol";

/// @title The lens
/// @notice Reads only, keeps nothing, and no contract depends on it: it can be replaced at any time.
/// @dev A refresh is computed here with the clearing house's own arithmetic (SideMath), so that health, actions and identities are those of
/// the next transaction. It never reverts because of a feed.
contract Lens is ILens {
    IClearingHouse internal immutable _HOUSE;
    IVault internal immutable _VAULT;
    IInsuranceFund internal immutable _FUND;
    IGuarantyFund internal immutable _GUARANTY;
    IPriceOracle internal immutable _ORACLE;
    IFundingPolicy internal immutable _POLICY;
    uint256 internal immutable _SCALE;

    /// @dev A market now: what valuing a position in it takes.
    struct Mark {
        Quote oracle;
        bool priced; // the state is that of now: the market is closed, or the oracle's status is Ok
        uint256 storedPrice;
        IMarkets.MarketState state;
        IMarkets.MarketParameters parameters;
        uint256 premiumRate; // ppm a year
        uint256 accrued; // premium that the refresh books for the fund, units of S
    }

    constructor(address clearingHouse, address vault, address fund, address oracle) {
        _HOUSE = IClearingHouse(clearingHouse);
        _VAULT = IVault(vault);
        _FUND = IInsuranceFund(fund);
        _ORACLE = IPriceOracle(oracle);
        _GUARANTY = IGuarantyFund(IInsuranceFund(fund).guaranty());
        _POLICY = IFundingPolicy(IInsuranceFund(fund).policy());
        _SCALE = 10 ** (36 - IVault(vault).assetDecimals());
    }

    // ----------------------------------------------------------------- markets

    /// @inheritdoc ILens
    function markets() external view returns (Market[] memory all) {
        Mark[] memory marks = _marks();
        all = new Market[](marks.length);
        for (uint16 m; m < marks.length; ++m) {
            all[m] = _market(m, marks[m]);
        }
    }

    function _market(uint16 id, Mark memory mark) internal view returns (Market memory market) {
        (market.id, market.symbol) = (id, _HOUSE.symbolOf(id));
        (market.oracle, market.storedPrice) = (mark.oracle, mark.storedPrice);
        (market.state, market.parameters) = (mark.state, mark.parameters);
        (market.indexLong, market.indexShort) = (_index(mark.state, false), _index(mark.state, true));
        int256 maxRate = int256(uint256(mark.parameters.maxFundingRate));
        market.fundingRate = FixedPointMathLib.clamp(mark.state.premium, -maxRate, maxRate);
        market.premiumRate = mark.premiumRate;
        market.notional = SideMath.notionalDown(mark.state.openInterest, mark.state.price, _SCALE);
        market.ledger = _VAULT.marketLedger(id);
        (market.cover.budgetShare, market.cover.coinsurance, market.cover.left, market.cover.window) = _FUND
            .marketCover(id);
        market.cover.available = _FUND.available(id);
    }

    function _marks() internal view returns (Mark[] memory marks) {
        marks = new Mark[](_HOUSE.marketCount());
        for (uint16 m; m < marks.length; ++m) {
            marks[m] = _mark(m);
        }
    }

    /// @dev ClearingHouse.refresh, computed instead of stored. It disregards that a market is refreshed only once a block: the next
    /// transaction may lie in the next one.
    function _mark(uint16 market) internal view returns (Mark memory mark) {
        IMarkets.MarketState memory s = _HOUSE.marketState(market);
        IMarkets.MarketParameters memory p = _HOUSE.marketParameters(market);
        (mark.state, mark.parameters, mark.storedPrice) = (s, p, s.price);
        (mark.oracle.price, mark.oracle.status, mark.oracle.updatedAt) = _ORACLE.peek(market);
        bool isOpen = s.status == IMarkets.MarketStatus.Open;
        mark.priced = !isOpen || mark.oracle.status == IPriceOracle.Status.Ok;
        if (isOpen) mark.premiumRate = _premiumRate(market, s);
        if (!isOpen || !mark.priced) return mark;

        uint256 elapsed = block.timestamp - s.updatedAt;
        int256 premium = SideMath.premiumAfter(s.premium, s.lastPremium, elapsed, p.fundingPeriod);
        int256 funding = SideMath.fundingPerUnit(s.price, premium, p.maxFundingRate, elapsed, p.fundingPeriod);
        int256 change = int256(mark.oracle.price) - int256(uint256(s.price)) - funding;
        _accrue(mark);
        s.premium = int24(premium);
        s.valueIndex = int128(s.valueIndex + change);
        s.price = uint128(mark.oracle.price);
    }

    /// @dev As the policy will answer when it observes the market.
    function _premiumRate(uint16 market, IMarkets.MarketState memory s) internal view returns (uint256) {
        uint256 notional = SideMath.notionalDown(s.openInterest, s.price, _SCALE);
        return _POLICY.premiumRateAt(_POLICY.coverageWith(market, notional));
    }

    /// @dev The premium on open interest up to now, at the price before.
    function _accrue(Mark memory mark) internal view {
        IMarkets.MarketState memory s = mark.state;
        uint256 hoursOwed = SideMath.hoursBegun(s.updatedAt, block.timestamp);
        if (s.openInterest < SideMath.DUST) return;
        uint256 perUnit = SideMath.premiumPerUnitDown(s.price, mark.premiumRate, hoursOwed);
        mark.accrued = SideMath.premiumDown(s.openInterest, perUnit, _SCALE);
        s.long.base = SideMath.paidBase(s.long.base, s.long.multiplier, perUnit);
        s.short.base = SideMath.paidBase(s.short.base, s.short.multiplier, perUnit);
    }

    function _index(IMarkets.MarketState memory s, bool isShort) internal pure returns (int256) {
        IMarkets.Side memory side = isShort ? s.short : s.long;
        return SideMath.sideIndex(isShort, side.base, side.multiplier, s.valueIndex);
    }

    // ---------------------------------------------------------------- accounts

    /// @inheritdoc ILens
    function accountHealth(address account) external view returns (Account memory) {
        return _account(account, _marks());
    }

    /// @inheritdoc ILens
    function healthOf(address[] calldata accounts) external view returns (Account[] memory) {
        return _accounts(accounts);
    }

    /// @inheritdoc ILens
    function accountsHealth(uint256 offset, uint256 limit) external view returns (Account[] memory) {
        return _accounts(_VAULT.accounts(offset, limit));
    }

    function _accounts(address[] memory accounts) internal view returns (Account[] memory all) {
        Mark[] memory marks = _marks();
        all = new Account[](accounts.length);
        for (uint256 i; i < accounts.length; ++i) {
            all[i] = _account(accounts[i], marks);
        }
    }

    function _account(address account, Mark[] memory marks) internal view returns (Account memory a) {
        a.account = account;
        a.cash = _VAULT.cashOf(account);
        (a.claims, a.debt) = _claimsAndDebt(account);
        a.net = _VAULT.net(account);
        a.collateral = uint256(a.net - int256(a.cash) - int256(a.claims) + int256(a.debt));
        (a.flaggedAt, a.insolvent) = _HOUSE.flagOf(account);
        a.priced = true;
        uint64 held = _HOUSE.positionMarkets(account);
        a.positions = new Position[](Bits.count(held));
        for (uint256 i; held != 0; ++i) {
            uint16 m = Bits.lowest(held);
            held = Bits.clear(held, m);
            Mark memory mark = marks[m];
            Position memory p = _position(account, m, mark.state);
            a.positions[i] = p;
            a.unsettled += p.unsettled;
            a.notional += p.notional;
            a.initialMargin += _part(p.size, mark, mark.parameters.initialMarginRatio);
            a.maintenanceMargin += _part(p.size, mark, mark.parameters.maintenanceMarginRatio);
            if (p.live && p.storedSize != 0 && !mark.priced) a.priced = false;
        }
        a.equity = a.net + a.unsettled;
    }

    function _position(
        address account,
        uint16 market,
        IMarkets.MarketState memory s
    ) internal view returns (Position memory p) {
        IMarkets.Position memory stored = _HOUSE.position(account, market);
        IMarkets.Side memory side = stored.isShort ? s.short : s.long;
        (p.market, p.isShort, p.live) = (market, stored.isShort, stored.epoch == side.epoch);
        p.storedSize = stored.size;
        int256 index = p.live ? _index(s, p.isShort) : _HOUSE.finalIndex(market, p.isShort, stored.epoch);
        p.unsettled = SideMath.unsettledDown(stored.size, stored.multiplier, index - stored.index, _SCALE);
        if (!p.live) return p;
        p.size = SideMath.sizeDown(stored.size, side.multiplier, stored.multiplier);
        p.notional = SideMath.notionalDown(p.size, s.price, _SCALE);
    }

    function _claimsAndDebt(address account) internal view returns (uint256 claims, uint256 debt) {
        (uint64 claimMarkets, uint64 debtMarkets) = _VAULT.ledgerMarkets(account);
        for (uint16 m; claimMarkets != 0; claimMarkets = Bits.clear(claimMarkets, m)) {
            m = Bits.lowest(claimMarkets);
            claims += _VAULT.claimsOf(account, m);
        }
        for (uint16 m; debtMarkets != 0; debtMarkets = Bits.clear(debtMarkets, m)) {
            m = Bits.lowest(debtMarkets);
            debt += _VAULT.debtOf(account, m);
        }
    }

    function _part(uint256 size, Mark memory mark, uint256 ratio) internal view returns (uint256) {
        return SideMath.partUp(size, mark.state.price, ratio, _SCALE);
    }

    // ----------------------------------------------------------------- actions

    /// @inheritdoc ILens
    function actionsOf(address account) external view returns (Actions memory) {
        return _actions(_account(account, _marks()), _HOUSE.liquidationParameters());
    }

    /// @inheritdoc ILens
    function actionable(uint256 offset, uint256 limit) external view returns (Actions[] memory found) {
        IClearingHouse.LiquidationParameters memory p = _HOUSE.liquidationParameters();
        Account[] memory page = _accounts(_VAULT.accounts(offset, limit));
        Actions[] memory all = new Actions[](page.length);
        uint256 count;
        for (uint256 i; i < page.length; ++i) {
            Actions memory x = _actions(page[i], p);
            if (x.settle || x.flag || x.unflag || x.mark || x.liquidate || x.deleverage) all[count++] = x;
        }
        found = new Actions[](count);
        for (uint256 i; i < count; ++i) {
            found[i] = all[i];
        }
    }

    function _actions(
        Account memory a,
        IClearingHouse.LiquidationParameters memory p
    ) internal view returns (Actions memory x) {
        (x.account, x.equity, x.notional, x.flaggedAt) = (a.account, a.equity, a.notional, a.flaggedAt);
        (x.initialMargin, x.maintenanceMargin) = (a.initialMargin, a.maintenanceMargin);
        if (a.flaggedAt != 0) x.bountyRate = _bountyRate(p, block.timestamp - a.flaggedAt);
        if (!a.priced) return x; // every call would revert

        bool hasSize = a.initialMargin != 0; // rounded up: 0 only without any size
        x.settle = !hasSize && (a.net < 0 || _isUnbooked(a.positions));
        bool belowMaintenance = a.equity < int256(a.maintenanceMargin);
        if (a.flaggedAt == 0) {
            x.flag = belowMaintenance;
            return x;
        }
        x.unflag = a.equity >= int256(a.initialMargin);
        x.mark = !x.unflag && a.insolvent != (a.equity < 0);
        x.liquidate = hasSize && !x.unflag;
        x.deleverage =
            hasSize &&
            belowMaintenance &&
            (block.timestamp > a.flaggedAt + p.auctionDuration || (a.equity < 0 && _fundIsSpent(a.positions)));
    }

    function _bountyRate(
        IClearingHouse.LiquidationParameters memory p,
        uint256 elapsed
    ) internal pure returns (uint256) {
        uint256 time = FixedPointMathLib.min(elapsed, p.auctionDuration);
        return p.bountyStart + (uint256(p.bountyMax - p.bountyStart) * time) / p.auctionDuration;
    }

    function _isUnbooked(Position[] memory positions) internal pure returns (bool) {
        for (uint256 i; i < positions.length; ++i) {
            if (positions[i].storedSize != 0) return true;
        }
        return false;
    }

    function _fundIsSpent(Position[] memory positions) internal view returns (bool) {
        for (uint256 i; i < positions.length; ++i) {
            if (positions[i].size != 0 && _FUND.available(positions[i].market) == 0) return true;
        }
        return false;
    }

    // -------------------------------------------------------------------- fund

    /// @inheritdoc ILens
    function fundState() external view returns (Fund memory f) {
        f.layers = _FUND.layers();
        f.assets = _FUND.totalAssets();
        (f.guaranty.total, f.guaranty.units, f.guaranty.epoch) = _GUARANTY.book();
        f.guaranty.parameters = _GUARANTY.parameters();
        f.funding = _funding();
        f.gateOpen = _FUND.gateOpen();
        f.insolvencies = _HOUSE.insolvencies();
        f.defaults = _FUND.defaultCount();
        (, f.streamSince, f.streamEnd) = _FUND.stream();
        f.junior = _tranche(_FUND.junior());
        f.senior = _tranche(_FUND.senior());
        f.parameters = _FUND.parameters();
    }

    function _funding() internal view returns (Funding memory f) {
        f.target = _POLICY.target();
        f.coverage = _POLICY.coverage();
        f.stress = _POLICY.stressAt(f.coverage);
        f.fundShare = _POLICY.fundShareAt(f.coverage);
        f.premiumRate = _POLICY.premiumRateAt(f.coverage);
        f.scarcity = _POLICY.scarcityAt(f.coverage);
        f.openInterestCap = _POLICY.openInterestCap();
        (f.postedTarget, f.postedAt, f.fresh) = _POLICY.postedTarget();
        f.parameters = _POLICY.parameters();
    }

    function _tranche(address tranche) internal view returns (Tranche memory t) {
        ITranche source = ITranche(tranche);
        (t.tranche, t.assets, t.shares) = (tranche, source.totalAssets(), source.totalSupply());
        t.sharePrice = source.convertToAssets(10 ** source.decimals());
        t.shareEpoch = source.shareEpoch();
        t.batch = source.currentBatch();
        t.rollsFrom = source.lastRollAt() + source.epochDuration();
        (t.requested, , ) = source.batch(t.batch);
        (t.noticed, , ) = source.batch(t.batch - 1);
    }

    /// @inheritdoc ILens
    function membersOf(address[] calldata accounts) external view returns (Member[] memory page) {
        Mark[] memory marks = _marks();
        page = new Member[](accounts.length);
        for (uint256 i; i < page.length; ++i) {
            Member memory m = page[i];
            IGuarantyFund.Member memory held = _GUARANTY.member(accounts[i]);
            (m.account, m.balance, m.noticed) = (accounts[i], held.balance, held.noticed);
            (m.opensAt, m.closesAt) = (held.opensAt, held.closesAt);
            m.notional = _account(accounts[i], marks).notional;
            (m.tier, ) = _POLICY.tierOf(accounts[i]);
            m.requirement = _POLICY.requirementAt(accounts[i], m.notional);
            m.owed = FixedPointMathLib.zeroFloorSub(m.requirement, m.balance);
        }
    }

    /// @inheritdoc ILens
    function defaults(uint256 offset, uint256 limit) external view returns (Default[] memory page) {
        uint256 rest = FixedPointMathLib.zeroFloorSub(_FUND.defaultCount(), offset);
        page = new Default[](FixedPointMathLib.min(limit, rest));
        for (uint256 i; i < page.length; ++i) {
            page[i].id = offset + i + 1;
            (page[i].record, page[i].remainder) = _FUND.defaultRecord(page[i].id);
            (page[i].recovered, ) = _FUND.recovered(page[i].id);
        }
    }

    /// @inheritdoc ILens
    function openDefaults(uint256 offset, uint256 limit) external view returns (Account[] memory found) {
        Account[] memory page = _accounts(_VAULT.accounts(offset, limit));
        uint256 count;
        for (uint256 i; i < page.length; ++i) {
            if (page[i].insolvent || page[i].debt != 0) page[count++] = page[i];
        }
        found = new Account[](count);
        for (uint256 i; i < count; ++i) {
            found[i] = page[i];
        }
    }

    // -------------------------------------------------------------- identities

    /// @inheritdoc ILens
    function backing() external view returns (Backing memory b) {
        b.held = IERC20(_VAULT.asset()).balanceOf(address(_VAULT));
        for (uint16 m; m < _HOUSE.marketCount(); ++m) {
            b.pools += _VAULT.marketLedger(m).pool;
        }
        (b.fees, b.levies) = _VAULT.uncollected();
        b.accounts = _VAULT.accountCount();
    }

    /// @inheritdoc ILens
    function cashSum(uint256 offset, uint256 limit) external view returns (uint256 sum) {
        address[] memory page = _VAULT.accounts(offset, limit);
        for (uint256 i; i < page.length; ++i) {
            sum += _VAULT.cashOf(page[i]);
        }
    }

    /// @inheritdoc ILens
    function poolTotals(uint16 market) external view returns (MarketTotals memory t) {
        IVault.MarketLedger memory ledger = _VAULT.marketLedger(market);
        (t.pool, t.residual, t.totalClaims) = (ledger.pool, ledger.residual, ledger.totalClaims);
        t.openInterest = _HOUSE.marketState(market).openInterest;
        t.accrued = _mark(market).accrued;
    }

    /// @inheritdoc ILens
    function poolIdentity(uint16 market, uint256 offset, uint256 limit) external view returns (MarketSums memory t) {
        Mark memory mark = _mark(market);
        address[] memory page = _VAULT.accounts(offset, limit);
        for (uint256 i; i < page.length; ++i) {
            address account = page[i];
            t.claims += _VAULT.claimsOf(account, market);
            t.debts += _VAULT.debtOf(account, market);
            if (!Bits.has(_HOUSE.positionMarkets(account), market)) continue;
            Position memory p = _position(account, market, mark.state);
            t.unsettled += p.unsettled;
            if (p.isShort) t.shortSize += p.size;
            else t.longSize += p.size;
        }
    }
}
