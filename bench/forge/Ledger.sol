// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IClearingHouse} from "../../contracts/interfaces/IClearingHouse.sol";
import {IInsuranceFund} from "../../contracts/interfaces/IInsuranceFund.sol";
import {IMarkets} from "../../contracts/interfaces/IMarkets.sol";
import {IPriceOracle} from "../../contracts/interfaces/IPriceOracle.sol";
import {ITranche} from "../../contracts/interfaces/ITranche.sol";
import {IVault} from "../../contracts/interfaces/IVault.sol";
import {TestFeed} from "../../contracts/mocks/TestFeed.sol";
import {TestToken} from "../../contracts/mocks/TestToken.sol";
import {Checks} from "./Checks.sol";
import {COINSURANCE, MARKETS, MILLION, SCALE, System, TREASURY} from "./System.sol";

/// @title What the campaign remembers from call to call, and what can be told only from two states: P4, P7, P9, P10
/// @notice A call that reverts changes nothing here either. The first property broken stays in `broken`.
abstract contract Ledger {
    struct MarketBefore {
        int128 valueIndex;
        uint112 openInterest;
        uint128 claimUnits;
    }

    struct TrancheBefore {
        uint256 assets;
        uint256 shares;
        uint256 epoch;
    }

    struct Counts {
        uint256 calls; // that succeeded
        uint256 defaults;
        uint256 fromFund; // defaults to which the fund paid
        uint256 charged; // defaults with a remainder
    }

    uint256 private constant VIRTUAL_SHARES = 1e6;
    uint256 private constant WIPE_OUT = 1e9; // claims below a billionth of their units count as written off

    TestToken internal immutable _token;
    IPriceOracle internal immutable _oracle;
    IVault internal immutable _vault;
    IClearingHouse internal immutable _house;
    IInsuranceFund internal immutable _fund;
    ITranche internal immutable _junior;
    ITranche internal immutable _senior;
    TestFeed[MARKETS] internal _feeds;

    bytes32 public broken;
    Counts public counts;
    address[] internal _accounts;
    Checks.Slack[MARKETS] private _slack;
    MarketBefore[MARKETS] private _markets;
    TrancheBefore[2] private _tranches;

    bytes32[] private _orders;
    mapping(bytes32 order => uint256) private _sizes;
    mapping(bytes32 order => uint256) private _fills;

    // Units of S, since the beginning.
    uint256 internal _feesPaid;
    uint256 private _leviesPaid;
    uint256 internal _received; // by the fund, as income
    uint256 internal _came; // into the fund
    uint256 internal _went; // out of the fund, but for losses
    uint256 private _lost; // by the fund
    uint256 private _assetsAtFirst;
    uint256 private _leviesBefore;
    bool internal _liquidates; // the call may cost the fund a bounty

    constructor(System.Parts memory parts) {
        (_token, _oracle, _vault, _house) = (parts.token, parts.oracle, parts.vault, parts.house);
        (_fund, _junior, _senior) = (parts.fund, parts.junior, parts.senior);
        _feeds = parts.feeds;
    }

    // ------------------------------------------------------------------ views

    function accounts() external view returns (address[] memory) {
        return _accounts;
    }

    function slack() external view returns (Checks.Slack[] memory all) {
        all = new Checks.Slack[](MARKETS);
        for (uint256 m; m < MARKETS; ++m) all[m] = _slack[m];
    }

    /// @notice P9: each order is filled as far as trades say (cancelled: entirely), never beyond its size.
    function ordersHold() external view returns (bool) {
        for (uint256 i; i < _orders.length; ++i) {
            bytes32 order = _orders[i];
            uint256 filled = _house.filled(order);
            if (filled != _fills[order] || filled > _sizes[order]) return false;
        }
        return true;
    }

    /// @notice P10: fees and levies paid are with the fund, with the treasury, or not yet collected.
    function feesHold() external view returns (bool) {
        (uint256 fees, uint256 levies) = _vault.uncollected();
        return _feesPaid + _leviesPaid == _received + _token.balanceOf(TREASURY) + fees + levies;
    }

    // -------------------------------------------------------------- following

    function _begin() internal {
        _assetsAtFirst = _fund.totalAssets();
        for (uint16 m; m < MARKETS; ++m) _markets[m] = _market(m);
        _followTranche(0, _junior, true);
        _followTranche(1, _senior, true);
    }

    /// @dev After every call, which settled so many accounts at most.
    function _follow(uint256 settled) internal {
        ++counts.calls;
        (, uint256 levies) = _vault.uncollected();
        if (levies > _leviesBefore) _leviesPaid += levies - _leviesBefore;
        _leviesBefore = levies;

        MarketBefore[MARKETS] memory before = _markets;
        for (uint16 m; m < MARKETS; ++m) {
            _markets[m] = _market(m);
            _round(_slack[m], before[m].valueIndex, _markets[m].valueIndex, settled);
        }
        uint256 defaults = counts.defaults;
        uint256 lost = _followDefaults(before);
        // What else has left the fund it paid as bounties.
        int256 bounties = int256(_assetsAtFirst + _came) - int256(_went + _lost + lost + _fund.totalAssets());
        if (bounties < 0 || (bounties != 0 && !_liquidates)) _break("P10 fund");
        _lost += lost + uint256(bounties);
        _liquidates = false;
        bool mayFall = bounties != 0 || counts.defaults != defaults;
        _followTranche(0, _junior, mayFall);
        _followTranche(1, _senior, mayFall);
    }

    function _market(uint16 m) private view returns (MarketBefore memory) {
        IMarkets.MarketState memory state = _house.marketState(m);
        return MarketBefore(state.valueIndex, state.openInterest, _vault.marketLedger(m).totalClaimUnits);
    }

    /// @dev Section 9, slack: what a call may have rounded, generously.
    function _round(Checks.Slack storage s, int256 from, int256 to, uint256 settled) private {
        s.kept += 4 * settled;
        s.dropped += 2 * settled;
        s.drift += (s.dropped * uint256(from < to ? to - from : from - to)) / SCALE + 1;
    }

    /// @dev P4, as far as a record and the fund after it tell. Returns what the fund paid.
    function _followDefaults(MarketBefore[MARKETS] memory before) private returns (uint256 lost) {
        uint256 count = _fund.defaultCount();
        for (uint256 id = counts.defaults + 1; id <= count; ++id) {
            (IInsuranceFund.DefaultRecord memory d, uint256 remainder) = _fund.defaultRecord(id);
            uint256 paid = uint256(d.skin) + d.junior + d.senior;
            _checkDefault(d, paid, remainder);
            lost += paid;
            if (paid != 0) ++counts.fromFund;
            if (remainder != 0) ++counts.charged;
            // A write-off rounds, or ends what little it leaves; dropped sizes bear no part of a remainder.
            Checks.Slack storage s = _slack[d.market];
            s.kept += 2 + (before[d.market].claimUnits + 1e12) / WIPE_OUT;
            if (remainder != 0) s.drift += (remainder * s.dropped) / (before[d.market].openInterest + 1);
        }
        counts.defaults = count;
    }

    function _checkDefault(IInsuranceFund.DefaultRecord memory d, uint256 paid, uint256 remainder) private {
        uint256 profit = uint256(d.coinsurance) + d.unpaidProfit;
        if (d.shortfall != paid + profit + remainder) _break("P4 sum");
        if (d.coinsurance > (d.shortfall * COINSURANCE) / MILLION) _break("P4 coinsurance");
        IInsuranceFund.Layers memory left = _fund.layers();
        if (d.junior != 0 && left.skin + left.unvested != 0) _break("P4 junior");
        if (d.senior != 0 && left.junior != 0) _break("P4 senior");
        if (d.unpaidProfit + remainder != 0 && _fund.available(d.market) != 0) _break("P4 fund");
    }

    /// @dev P7: a share's price falls only by a loss; a wipe-out is one.
    function _followTranche(uint256 i, ITranche tranche, bool mayFall) private {
        TrancheBefore memory then = _tranches[i];
        (uint256 assets, uint256 epoch) = _fund.trancheState(address(tranche));
        TrancheBefore memory present = TrancheBefore(assets, tranche.totalSupply(), epoch);
        _tranches[i] = present;
        if (mayFall) return;
        uint256 fell = (then.assets + 1) * (present.shares + VIRTUAL_SHARES);
        if (epoch != then.epoch || fell > (assets + 1) * (then.shares + VIRTUAL_SHARES)) _break("P7");
    }

    function _noteFill(bytes32 order, uint256 size, uint256 fill) internal {
        if (_sizes[order] == 0) {
            _sizes[order] = size;
            _orders.push(order);
        }
        _fills[order] += fill;
    }

    function _noteCancel(bytes32 order, uint256 size) internal {
        _fills[order] = size;
    }

    function _break(bytes32 property) private {
        if (broken == 0) broken = property;
    }
}
