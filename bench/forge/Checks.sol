// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {LibString} from "solady/utils/LibString.sol";
import {IClearingHouse} from "../../contracts/interfaces/IClearingHouse.sol";
import {IInsuranceFund} from "../../contracts/interfaces/IInsuranceFund.sol";
import {IMarkets} from "../../contracts/interfaces/IMarkets.sol";
import {IVault} from "../../contracts/interfaces/IVault.sol";
import {Bits} from "../../contracts/libraries/Bits.sol";
import {SideMath} from "../../contracts/libraries/SideMath.sol";

/// @title What must hold of every state: P1, P2, P3 of SPECIFICATION.md, and the shape of the ledger
/// @notice Reads account by account; the accounts given must be all that ever had cash.
contract Checks {
    /// @notice What rounding may have done to a market so far (section 9, slack).
    struct Slack {
        uint256 kept; // units of S, in the pool's favour
        uint256 dropped; // wei of size
        uint256 drift; // units of S, either way: what dropped sizes have made of moves of the index
    }

    struct Figures {
        int256 vaultGap; // P1, units of S: held - booked
        int256 fundGap; // P1, likewise
        MarketFigures[] markets;
        uint256 claimsBesideDebt; // units of S
        uint256 cashBesideDebt; // units of S
    }

    struct MarketFigures {
        int256 surplus; // P2, units of S
        int256[2] missing; // P3, wei of size: open interest beyond the long, and the short sizes
        int256[2] uncounted; // P3: records that the long, the short side counts and nobody has
        bool indexAboveOne; // claims worth more than their units
    }

    IClearingHouse private immutable _HOUSE;
    IVault private immutable _VAULT;
    IInsuranceFund private immutable _FUND;
    IERC20 private immutable _ASSET;
    uint256 private immutable _SCALE;
    uint256 private immutable _MARKETS;

    /// @dev All markets must have been added.
    constructor(IClearingHouse house) {
        _HOUSE = house;
        _VAULT = IVault(house.vault());
        _FUND = IInsuranceFund(house.fund());
        _ASSET = IERC20(_VAULT.asset());
        _SCALE = 10 ** (36 - _VAULT.assetDecimals());
        _MARKETS = house.marketCount();
    }

    // ---------------------------------------------------------------- checking

    /// @notice Reverts with the first property that does not hold, with slack for ten thousand calls.
    function check(address[] calldata accounts) external view {
        Slack[] memory slack = new Slack[](_MARKETS);
        for (uint256 m; m < _MARKETS; ++m) slack[m] = Slack({kept: 1e6, dropped: 1e6, drift: 1e3});
        _check(measure(accounts), slack);
    }

    /// @notice The same, with a slack for each market.
    function checkWithin(address[] calldata accounts, Slack[] calldata slack) external view {
        _check(measure(accounts), slack);
    }

    function _check(Figures memory f, Slack[] memory slack) private pure {
        if (f.vaultGap != 0) _break("P1 vault", f.vaultGap);
        if (f.fundGap != 0) _break("P1 fund", f.fundGap);
        if (f.claimsBesideDebt != 0) _break("claims and debt", int256(f.claimsBesideDebt));
        if (f.cashBesideDebt != 0) _break("cash while in debt", int256(f.cashBesideDebt));
        for (uint256 m; m < f.markets.length; ++m) {
            MarketFigures memory x = f.markets[m];
            Slack memory s = slack[m];
            bool within = x.surplus >= -int256(s.drift) && x.surplus <= int256(s.kept + s.drift);
            if (!within) _break(_in("P2", m), x.surplus);
            if (x.indexAboveOne) _break(_in("claims index", m), 1);
            for (uint256 side; side < 2; ++side) {
                within = x.missing[side] >= 0 && x.missing[side] <= int256(s.dropped);
                if (!within) _break(_in("P3", m), x.missing[side]);
                if (x.uncounted[side] != 0) _break(_in("P3 records", m), x.uncounted[side]);
            }
        }
    }

    function _break(string memory property, int256 measured) private pure {
        revert(string.concat(property, ": ", LibString.toString(measured)));
    }

    function _in(string memory property, uint256 market) private pure returns (string memory) {
        return string.concat(property, " of market ", LibString.toString(market));
    }

    // --------------------------------------------------------------- measuring

    /// @notice How far every property is from what it says.
    function measure(address[] calldata accounts) public view returns (Figures memory f) {
        f.markets = new MarketFigures[](_MARKETS);
        IMarkets.MarketState[] memory states = new IMarkets.MarketState[](_MARKETS);
        uint256 pools;
        for (uint16 m; m < _MARKETS; ++m) {
            IMarkets.MarketState memory s = _HOUSE.marketState(m);
            IVault.MarketLedger memory ledger = _VAULT.marketLedger(m);
            MarketFigures memory x = f.markets[m];
            states[m] = s;
            pools += ledger.pool;
            int256 there = int256(uint256(ledger.pool) + ledger.residual);
            x.surplus = there - int256(uint256(ledger.totalClaims));
            x.missing = [int256(uint256(s.openInterest)), int256(uint256(s.openInterest))];
            x.uncounted = [int256(uint256(s.long.positions)), int256(uint256(s.short.positions))];
            x.indexAboveOne = ledger.totalClaims > ledger.totalClaimUnits;
        }
        uint256 booked = pools + _ofAccounts(accounts, states, f);
        (uint256 fees, uint256 penalties) = _VAULT.uncollected();
        f.vaultGap = int256(_ASSET.balanceOf(address(_VAULT))) - int256(booked + fees + penalties);
        IInsuranceFund.Layers memory layers = _FUND.layers();
        booked = layers.skin + layers.unvested + layers.junior + layers.senior;
        f.fundGap = int256(_ASSET.balanceOf(address(_FUND))) - int256(booked);
    }

    function _ofAccounts(
        address[] calldata accounts,
        IMarkets.MarketState[] memory states,
        Figures memory f
    ) private view returns (uint256 sum) {
        for (uint256 i; i < accounts.length; ++i) {
            address account = accounts[i];
            uint256 cash = _VAULT.cashOf(account);
            sum += cash;
            (uint64 claims, uint64 debts) = _VAULT.ledgerMarkets(account);
            if (debts != 0) f.cashBesideDebt += cash;
            for (uint16 m; debts != 0; debts = Bits.clear(debts, m)) {
                m = Bits.lowest(debts);
                f.markets[m].surplus += int256(_VAULT.debtOf(account, m));
                if (Bits.has(claims, m)) f.claimsBesideDebt += _VAULT.claimsOf(account, m);
            }
            uint64 held = _HOUSE.positionMarkets(account);
            for (uint16 m; held != 0; held = Bits.clear(held, m)) {
                m = Bits.lowest(held);
                _ofRecord(account, m, states[m], f.markets[m]);
            }
        }
    }

    /// @dev A stale record stands at the index at which its epoch ended, and has no size.
    function _ofRecord(
        address account,
        uint16 market,
        IMarkets.MarketState memory s,
        MarketFigures memory x
    ) private view {
        IMarkets.Position memory p = _HOUSE.position(account, market);
        IMarkets.Side memory side = p.isShort ? s.short : s.long;
        bool live = p.epoch == side.epoch;
        int256 index =
            live
                ? SideMath.sideIndex(p.isShort, side.base, side.multiplier, s.valueIndex)
                : _HOUSE.finalIndex(market, p.isShort, p.epoch);
        x.surplus -= SideMath.unsettledDown(p.size, p.multiplier, index - p.index, _SCALE);
        if (!live) return;
        uint256 i = p.isShort ? 1 : 0;
        x.missing[i] -= int256(SideMath.sizeDown(p.size, side.multiplier, p.multiplier));
        x.uncounted[i] -= 1;
    }
}
