// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IAssetLens} from "./interfaces/IAssetLens.sol";
import {ICollateral} from "./interfaces/ICollateral.sol";
import {IInsuranceFund} from "./interfaces/IInsuranceFund.sol";
import {IPriceOracle} from "./interfaces/IPriceOracle.sol";
import {IReserve} from "./interfaces/IReserve.sol";
import {IStablecoins} from "./interfaces/IStablecoins.sol";
import {IVault} from "./interfaces/IVault.sol";
import {Conversion} from "./libraries/Conversion.sol";

/// @title The lens on other stablecoins
/// @notice Reads only, keeps nothing, and no contract depends on it.
contract AssetLens is IAssetLens {
    using Conversion for IStablecoins.Terms;

    uint256 private constant FIRST_FEED = 32_768;

    ICollateral private immutable _COLLATERAL;
    IReserve private immutable _RESERVE;
    IStablecoins private immutable _STABLECOINS;
    IVault private immutable _VAULT;
    IInsuranceFund private immutable _FUND;
    IPriceOracle private immutable _ORACLE;

    constructor(address collateral, address reserve) {
        (_COLLATERAL, _RESERVE) = (ICollateral(collateral), IReserve(reserve));
        (_STABLECOINS, _VAULT) = (IStablecoins(_COLLATERAL.stablecoins()), IVault(_COLLATERAL.vault()));
        (_FUND, _ORACLE) = (IInsuranceFund(_COLLATERAL.fund()), IPriceOracle(_STABLECOINS.oracle()));
    }

    // ------------------------------------------------------------------ assets

    /// @inheritdoc IAssetLens
    function assets() external view returns (Asset[] memory all) {
        all = new Asset[](_STABLECOINS.assetCount());
        for (uint256 i; i < all.length; ++i) {
            all[i] = _asset(i);
        }
    }

    function _asset(uint256 id) private view returns (Asset memory a) {
        IStablecoins.Terms memory t = _STABLECOINS.terms(id);
        (a.id, a.listing, a.par, a.price) = (id, _STABLECOINS.asset(id), t.par, t.price);
        if (!a.listing.ofSettlement) (, a.status, ) = _ORACLE.peek(uint16(FIRST_FEED + id));
        a.pledged = _COLLATERAL.totalOf(id);
        a.pledgedValue = t.valueDown(a.pledged);
        a.reserve = _RESERVE.amountOf(id);
        a.reserveValue = t.valueDown(a.reserve);
        uint256 band;
        (a.reserveWorth, a.reserveTarget, band) = _RESERVE.weighing(id);
        a.auction = _auction(a, t, band);
    }

    function _auction(
        Asset memory a,
        IStablecoins.Terms memory t,
        uint256 band
    ) private view returns (Auction memory x) {
        (x.startedAt, x.endsAt, x.buying) = _RESERVE.auctionOf(a.id);
        bool runs = block.timestamp < x.endsAt;
        IStablecoins.ConversionParameters memory c = _STABLECOINS.conversionParameters();
        if (runs) {
            uint256 off = t.off(x.startedAt, c.saleDuration);
            x.factor = x.buying ? Conversion.MILLION + off : Conversion.MILLION - off;
        }
        if (a.price == 0) return x;
        (, uint256 owed) = _FUND.skin();
        if (a.reserve != 0 && (owed != 0 || a.reserveWorth > a.reserveTarget + band)) {
            x.startable = !runs || x.buying;
        } else if (a.reserveWorth + band < a.reserveTarget && a.par >= c.parFloor && _FUND.gateOpen()) {
            x.startable = !runs || !x.buying;
        }
    }

    // ----------------------------------------------------------------- pledges

    /// @inheritdoc IAssetLens
    function pledgesOf(address[] calldata accounts) external view returns (Pledge[] memory all) {
        uint256 count = _STABLECOINS.assetCount();
        all = new Pledge[](accounts.length);
        for (uint256 i; i < all.length; ++i) {
            all[i] = _pledge(accounts[i], count);
        }
    }

    /// @inheritdoc IAssetLens
    function pledges(uint256 offset, uint256 limit) external view returns (Pledge[] memory found) {
        uint256 count = _STABLECOINS.assetCount();
        address[] memory page = _VAULT.accounts(offset, limit);
        uint256 pledging;
        for (uint256 i; i < page.length; ++i) {
            if (_COLLATERAL.assetsOf(page[i]) != 0) page[pledging++] = page[i];
        }
        found = new Pledge[](pledging);
        for (uint256 i; i < pledging; ++i) {
            found[i] = _pledge(page[i], count);
        }
    }

    function _pledge(address account, uint256 count) private view returns (Pledge memory p) {
        (p.account, p.value, p.held) = (account, _COLLATERAL.valueOf(account), new uint256[](count));
        for (uint256 i; i < count; ++i) {
            p.held[i] = _COLLATERAL.heldOf(account, i);
        }
        (p.due, p.defaultId) = _COLLATERAL.dueOf(account);
        (p.saleStartedAt, p.saleEndsAt) = _COLLATERAL.saleOf(account);
        p.startable = p.due != 0 && _COLLATERAL.assetsOf(account) != 0 && block.timestamp >= p.saleEndsAt;
    }
}
