// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IClearingHouse} from "../interfaces/IClearingHouse.sol";
import {ICollateral} from "../interfaces/ICollateral.sol";
import {IFundingPolicy} from "../interfaces/IFundingPolicy.sol";
import {IGuarantyFund} from "../interfaces/IGuarantyFund.sol";
import {IInsuranceFund} from "../interfaces/IInsuranceFund.sol";
import {IMarkets} from "../interfaces/IMarkets.sol";
import {IReserve} from "../interfaces/IReserve.sol";
import {IStablecoins} from "../interfaces/IStablecoins.sol";
import {IVault} from "../interfaces/IVault.sol";
import {Tranche} from "../Tranche.sol";

/// @title What the views show, as plain words, to compare with a model after each call
/// @notice Sections and their words are in the order of weir/fuzz/clearing/views.py. Signed numbers are two's complement, flags 0 or 1.
contract FuzzProbe {
    uint256 internal constant MOST_WORDS = 2048;

    IClearingHouse internal immutable _house;
    IVault internal immutable _vault;
    IInsuranceFund internal immutable _fund;
    IFundingPolicy internal immutable _policy;
    IGuarantyFund internal immutable _guaranty;
    ICollateral internal immutable _collateral;
    IReserve internal immutable _reserve;
    IStablecoins internal immutable _stablecoins;
    Tranche internal immutable _junior;
    Tranche internal immutable _senior;
    IERC20 internal immutable _token;
    uint256 internal immutable _markets;
    uint256 internal immutable _assets;
    address[] internal _accounts;
    address[] internal _stakers;

    /// @dev Where the next word goes.
    struct Words {
        uint256 next;
    }

    constructor(IClearingHouse house, address[] memory accounts, address[] memory stakers) {
        (_accounts, _stakers) = (accounts, stakers);
        _house = house;
        _vault = IVault(house.vault());
        _fund = IInsuranceFund(house.fund());
        _policy = IFundingPolicy(_fund.policy());
        _guaranty = IGuarantyFund(_fund.guaranty());
        _collateral = ICollateral(_vault.collateral());
        _reserve = IReserve(_fund.reserve());
        _stablecoins = IStablecoins(_collateral.stablecoins());
        _assets = _stablecoins.assetCount();
        _junior = Tranche(_fund.junior());
        _senior = Tranche(_fund.senior());
        _token = IERC20(_fund.asset());
        _markets = house.marketCount();
    }

    /// @notice Returns the words themselves, without offset and length.
    /// @param wanted bit set of sections: totals, each market, each account, each account's health, both tranches, other assets.
    /// @param firstDefault id of the first default whose record is wanted.
    function read(uint256 wanted, uint256 firstDefault) external view {
        uint256[] memory list = new uint256[](MOST_WORDS);
        uint256 first;
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            first := add(list, 32)
        }
        Words memory w = Words(first);

        if (wanted & 1 != 0) _readTotals(w);
        wanted >>= 1;
        for (uint16 m; m < _markets; ++m) {
            if (wanted & 1 != 0) _readMarket(w, m);
            wanted >>= 1;
        }
        uint256 accounts = _accounts.length;
        for (uint256 i; i < accounts; ++i) {
            if (wanted & 1 != 0) _readAccount(w, _accounts[i]);
            wanted >>= 1;
        }
        for (uint256 i; i < accounts; ++i) {
            if (wanted & 1 != 0) _readHealth(w, _accounts[i]);
            wanted >>= 1;
        }
        if (wanted & 1 != 0) _readTranche(w, _junior);
        if (wanted & 2 != 0) _readTranche(w, _senior);
        if (wanted & 4 != 0) _readAssets(w);
        for (uint256 id = firstDefault; id <= _fund.defaultCount(); ++id) _readDefault(w, id);

        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            return(first, sub(mload(w), first))
        }
    }

    function _readTotals(Words memory w) internal view {
        (uint256 fees, uint256 levies) = _vault.uncollected();
        _add(w, _token.balanceOf(address(_vault)));
        _add(w, _token.balanceOf(address(_fund)));
        _add(w, _token.balanceOf(_fund.treasury()));
        _add(w, fees);
        _add(w, levies);
        _add(w, _house.insolvencies());
        _add(w, _house.pausedUntil());
        IInsuranceFund.Layers memory layers = _fund.layers();
        _add(w, layers.skin);
        _add(w, layers.unvested);
        _add(w, layers.junior);
        _add(w, layers.senior);
        (uint256 unvested, uint256 since, uint256 end) = _fund.stream();
        _add(w, unvested);
        _add(w, since);
        _add(w, end);
        _add(w, _fund.defaultCount());
        _readPolicy(w);
        (uint256 total, uint256 units, uint256 epoch) = _guaranty.book();
        _add(w, _token.balanceOf(address(_guaranty)));
        _add(w, total);
        _add(w, units);
        _add(w, epoch);
    }

    /// @dev Of the policy, and of the fund's own account, all but the claims that its markets' words show in sum.
    function _readPolicy(Words memory w) internal view {
        (, uint256 total) = _policy.observed(0);
        (uint256 posted, uint256 postedAt, bool fresh) = _policy.postedTarget();
        _add(w, _policy.target());
        _add(w, total);
        _add(w, posted);
        _add(w, postedAt);
        _add(w, fresh ? 1 : 0);
        _add(w, _vault.cashOf(address(_fund)));
    }

    function _readMarket(Words memory w, uint16 m) internal view {
        IVault.MarketLedger memory ledger = _vault.marketLedger(m);
        _add(w, ledger.pool);
        _add(w, ledger.totalClaims);
        _add(w, ledger.totalClaimUnits);
        _add(w, ledger.residual);
        _add(w, ledger.claimsEpoch);
        _add(w, ledger.maturity);
        IMarkets.MarketState memory s = _house.marketState(m);
        _add(w, uint256(s.status));
        _add(w, s.price);
        _add(w, s.openInterest);
        _add(w, uint256(int256(s.valueIndex)));
        _add(w, uint256(int256(s.premium)));
        _add(w, uint256(int256(s.lastPremium)));
        _add(w, s.updatedAt);
        _add(w, s.updatedBlock);
        _readSide(w, m, false, s.long);
        _readSide(w, m, true, s.short);
        _add(w, _fund.available(m));
        (uint256 observed, ) = _policy.observed(m);
        _add(w, observed);
        _readClaim(w, address(_fund), m, true);
        (uint256 left, ) = _guaranty.lossBudget(m);
        _add(w, left);
    }

    function _readSide(Words memory w, uint16 m, bool isShort, IMarkets.Side memory side) internal view {
        _add(w, side.multiplier);
        _add(w, side.epoch);
        _add(w, side.positions);
        _add(w, uint256(side.base));
        _add(w, side.epoch == 0 ? 0 : uint256(_house.finalIndex(m, isShort, side.epoch - 1)));
    }

    /// @dev What is stored of an account.
    function _readAccount(Words memory w, address account) internal view {
        _add(w, _token.balanceOf(account));
        _add(w, _vault.cashOf(account));
        (uint256 flaggedAt, bool insolvent) = _house.flagOf(account);
        _add(w, flaggedAt);
        _add(w, insolvent ? 1 : 0);
        _add(w, _house.generation(account));
        uint64 positions = _house.positionMarkets(account);
        _add(w, positions);
        (uint64 claims, uint64 debts) = _vault.ledgerMarkets(account);
        _add(w, debts);
        (uint256 tier, uint256 postedAt) = _policy.tierOf(account);
        _add(w, tier);
        _add(w, postedAt);
        IGuarantyFund.Member memory member = _guaranty.member(account);
        _add(w, member.balance);
        _add(w, member.noticed);
        _add(w, member.opensAt);
        (uint256 startedAt, ) = _collateral.saleOf(account);
        _add(w, startedAt);
        for (uint256 i; i < _assets; ++i) {
            _add(w, _collateral.heldOf(account, i));
            _add(w, IERC20(_stablecoins.asset(i).token).balanceOf(account));
        }
        for (uint16 m; m < _markets; ++m) {
            _add(w, (debts >> m) & 1 == 0 ? 0 : _vault.debtOf(account, m));
            _readClaim(w, account, m, (claims >> m) & 1 == 1);
            _readPosition(w, account, m, (positions >> m) & 1 == 1);
        }
    }

    function _readClaim(Words memory w, address account, uint16 m, bool has) internal view {
        uint256 value;
        uint256 units;
        uint256 maturesAt;
        if (has) (value, units, maturesAt) = _vault.claimOf(account, m);
        if (value == 0) (units, maturesAt) = (0, 0); // dropped at the next touch
        _add(w, units);
        _add(w, maturesAt);
    }

    function _readPosition(Words memory w, address account, uint16 m, bool has) internal view {
        IMarkets.Position memory p;
        if (has) p = _house.position(account, m);
        _add(w, p.size);
        _add(w, p.multiplier);
        _add(w, p.epoch);
        _add(w, p.isShort ? 1 : 0);
        _add(w, p.size == 0 ? 0 : uint256(p.index)); // of no meaning in an empty record
    }

    /// @dev What follows from the account's and the markets' words.
    function _readHealth(Words memory w, address account) internal view {
        (int256 equity, uint256 initialMargin, uint256 maintenanceMargin, uint256 notional) = _house.health(account);
        _add(w, uint256(equity));
        _add(w, initialMargin);
        _add(w, maintenanceMargin);
        _add(w, notional);
        _add(w, uint256(_vault.net(account)));
        (uint256 requirement, ) = _guaranty.requirementOf(account);
        _add(w, requirement);
        _add(w, _collateral.valueOf(account));
        (uint256 due, uint256 id) = _collateral.dueOf(account);
        _add(w, due);
        _add(w, id);
    }

    function _readTranche(Words memory w, Tranche tranche) internal view {
        address[] memory stakers = _stakers;
        uint256 current = tranche.currentBatch();
        _add(w, _token.balanceOf(address(tranche)));
        _add(w, tranche.totalAssets());
        _add(w, tranche.totalSupply());
        _add(w, tranche.shareEpoch());
        _add(w, current);
        _add(w, tranche.lastRollAt());
        for (uint256 id = current < 2 ? 0 : current - 2; id <= current; ++id) {
            (uint256 shares, uint256 assets, bool priced) = tranche.batch(id);
            _add(w, shares);
            _add(w, assets);
            _add(w, priced ? 1 : 0);
            for (uint256 i; i < stakers.length; ++i) {
                uint256 pending = tranche.pendingRedeemRequest(id, stakers[i]);
                _add(w, pending + tranche.claimableRedeemRequest(id, stakers[i]));
            }
        }
        for (uint256 i; i < stakers.length; ++i) {
            _add(w, _token.balanceOf(stakers[i]));
            _add(w, tranche.balanceOf(stakers[i]));
            _add(w, tranche.maxWithdraw(stakers[i]));
        }
    }

    /// @dev What accounts have pledged, what the reserve holds, and at which prices.
    function _readAssets(Words memory w) internal view {
        IInsuranceFund.Layers memory layers = _fund.layers();
        _add(w, layers.reserve);
        _add(w, layers.advancedJunior);
        _add(w, layers.advancedSenior);
        _add(w, _reserve.worth());
        _add(w, _token.balanceOf(address(_collateral)));
        _add(w, _token.balanceOf(address(_reserve)));
        for (uint256 i; i < _assets; ++i) {
            IStablecoins.Terms memory t = _stablecoins.terms(i);
            _add(w, t.par);
            _add(w, t.price);
            _add(w, _collateral.totalOf(i));
            _add(w, IERC20(t.token).balanceOf(address(_collateral)));
            _add(w, _reserve.amountOf(i));
            _add(w, IERC20(t.token).balanceOf(address(_reserve)));
            (uint256 startedAt, , bool buying) = _reserve.auctionOf(i);
            _add(w, startedAt);
            _add(w, buying ? 1 : 0);
        }
    }

    function _readDefault(Words memory w, uint256 id) internal view {
        (IInsuranceFund.DefaultRecord memory r, uint256 remainder) = _fund.defaultRecord(id);
        _add(w, uint256(uint160(r.account)));
        _add(w, r.market);
        _add(w, r.time);
        _add(w, r.shortfall);
        _add(w, r.own);
        _add(w, r.coinsurance);
        _add(w, r.skin);
        _add(w, r.junior);
        _add(w, r.senior);
        _add(w, r.mutual);
        _add(w, r.unpaidProfit);
        _add(w, remainder);
    }

    function _add(Words memory w, uint256 word) internal pure {
        // In assembly, for a fuzzer spends much of its time here.
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            let at := mload(w)
            mstore(at, word)
            mstore(w, add(at, 32))
        }
    }
}
