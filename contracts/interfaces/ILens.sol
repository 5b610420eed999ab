// SPDX-License-Identifier: MIT
pragma solidity >=0.8.28;

import {IFundingPolicy} from "./IFundingPolicy.sol";
import {IGuarantyFund} from "./IGuarantyFund.sol";
import {IInsuranceFund} from "./IInsuranceFund.sol";
import {IMarkets} from "./IMarkets.sol";
import {IPriceOracle} from "./IPriceOracle.sol";
import {IVault} from "./IVault.sol";

/// @title The lens
/// @notice Reads the whole system for bots and pages, and never changes it.
/// @dev Markets are shown as a refresh in the next transaction would leave them: funding and premium up to now, and the oracle's price of now. Where
/// the oracle's status is not Ok, or the market is closed, what is stored counts instead. Units as in IClearingHouse.
/// Functions with `offset` and `limit` look at that part of the vault's list of accounts (or of the defaults, from the oldest) and
/// stop at its end; those that select return only what they found, so a short or an empty page does not mean the end.
interface ILens {
    // ----------------------------------------------------------------- markets

    struct Quote {
        uint256 price; // 1e-18 of a dollar
        IPriceOracle.Status status;
        uint256 updatedAt;
    }

    /// @notice What the fund may pay for a market, units of S.
    struct Cover {
        uint32 budgetShare; // ppm of the fund's assets
        uint32 coinsurance; // ppm of a shortfall
        uint256 window; // of time, counted in budget windows
        uint256 left; // of this window's budget
        uint256 available; // the same, at most what the fund has
    }

    struct Market {
        uint16 id;
        bytes32 symbol; // ASCII, left-aligned
        Quote oracle;
        uint256 storedPrice; // the mark at the last refresh
        IMarkets.MarketState state; // now; updatedAt and updatedBlock are those of the last refresh
        int256 indexLong; // K now
        int256 indexShort; // K now
        int256 fundingRate; // ppm of the price per funding period, from longs to shorts, clamped
        uint256 premiumRate; // ppm of the notional a year, each side, to the fund
        uint256 notional; // of one side, units of S
        IMarkets.MarketParameters parameters;
        IVault.MarketLedger ledger;
        Cover cover;
    }

    // ---------------------------------------------------------------- accounts

    struct Position {
        uint16 market;
        bool isShort;
        bool live; // of its side's current epoch; otherwise its size is 0
        uint256 size;
        uint256 storedSize; // at its last settlement; 0: an empty record, kept while the account has debt in the market
        int256 unsettled; // units of S
        uint256 notional; // units of S
    }

    /// @notice equity = net + unsettled, net = cash + claims - debt + collateral; all in units of S.
    struct Account {
        address account;
        uint256 cash;
        uint256 claims;
        uint256 debt;
        uint256 collateral; // what its other stablecoins count for
        int256 net;
        int256 unsettled;
        int256 equity;
        uint256 initialMargin;
        uint256 maintenanceMargin;
        uint256 notional;
        uint256 flaggedAt; // 0: not flagged
        bool insolvent; // marked as such
        bool priced; // every price that settling it takes is there
        Position[] positions;
    }

    /// @notice What anyone may do with an account now. Rounding and the caller's own margin apart, the calls would succeed.
    struct Actions {
        address account;
        bool settle; // without any size now, it has a position to book, or debts beyond its claims to resolve
        bool flag; // flag() would set the flag
        bool unflag; // flag() would clear it
        bool mark; // flag() would set or remove the insolvency mark of an account that is flagged already
        bool liquidate;
        bool deleverage;
        uint256 bountyRate; // ppm of the notional taken over, 0 while it is not flagged
        int256 equity;
        uint256 initialMargin;
        uint256 maintenanceMargin;
        uint256 notional;
        uint256 flaggedAt;
    }

    // -------------------------------------------------------------------- fund

    struct Tranche {
        address tranche;
        uint256 assets; // units of S
        uint256 shares; // total supply
        uint256 sharePrice; // units of S for one whole share
        uint256 shareEpoch; // wipe-outs so far
        uint256 batch; // the current one: requests made now join it
        uint256 rollsFrom; // time from which the batch before it may be priced
        uint256 requested; // shares waiting in the current batch
        uint256 noticed; // shares waiting in the batch before it
    }

    /// @notice What the funding policy makes of the fund's state now, all open interest at its last marks.
    struct Funding {
        uint256 target;
        uint256 coverage; // ppm of the target; the largest uint256 where that is 0
        uint256 stress; // ppm
        uint256 fundShare; // ppm of fees
        uint256 premiumRate; // ppm of notional a year, each side
        uint256 scarcity; // ppm of new notional
        uint256 openInterestCap; // notional of one market, units of S
        uint256 postedTarget; // units of S
        uint256 postedAt;
        bool fresh; // the posted target counts
        IFundingPolicy.Parameters parameters;
    }

    struct Guaranty {
        uint256 total; // units of S
        uint256 units; // total / units is the index
        uint256 epoch; // wipe-outs so far
        IGuarantyFund.Parameters parameters;
    }

    /// @notice What an account has in the guaranty fund, and what its positions ask for. Units of S.
    struct Member {
        address account;
        uint256 balance;
        uint256 noticed; // part of it that is to leave; 0: no notice
        uint256 opensAt; // when it may first be released
        uint256 closesAt; // before when
        uint256 notional;
        uint256 tier;
        uint256 requirement; // before it may take new risk
        uint256 owed; // what is missing of it
    }

    struct Fund {
        IInsuranceFund.Layers layers;
        uint256 assets;
        Guaranty guaranty;
        Funding funding;
        bool gateOpen;
        uint256 insolvencies;
        uint256 defaults;
        uint256 streamSince;
        uint256 streamEnd;
        Tranche junior;
        Tranche senior;
        IInsuranceFund.Parameters parameters;
    }

    struct Default {
        uint256 id;
        IInsuranceFund.DefaultRecord record;
        uint256 remainder;
        uint256 recovered; // has come back of it
    }

    // -------------------------------------------------------------- identities

    /// @notice P1 but for the accounts' cash: held = the sum of cashSum over all accounts + everything else here, and donations.
    struct Backing {
        uint256 held; // S that lies in the vault
        uint256 pools;
        uint256 fees;
        uint256 levies;
        uint256 accounts; // how many there are
    }

    /// @notice P2 and P3 of one market, its own figures.
    struct MarketTotals {
        uint256 pool;
        uint256 residual;
        uint256 totalClaims;
        uint256 openInterest;
        uint256 accrued; // premium that a refresh would book for the fund: it will be claims
    }

    /// @notice P2 and P3 of one market, sums over some accounts.
    struct MarketSums {
        uint256 claims;
        uint256 debts;
        int256 unsettled;
        uint256 longSize;
        uint256 shortSize;
    }

    // ------------------------------------------------------------------- views

    function markets() external view returns (Market[] memory);

    function accountHealth(address account) external view returns (Account memory);
    function healthOf(address[] calldata accounts) external view returns (Account[] memory);
    function accountsHealth(uint256 offset, uint256 limit) external view returns (Account[] memory);

    /// @notice The accounts of the page for which something may be done.
    function actionable(uint256 offset, uint256 limit) external view returns (Actions[] memory);
    function actionsOf(address account) external view returns (Actions memory);

    function fundState() external view returns (Fund memory);
    function membersOf(address[] calldata accounts) external view returns (Member[] memory);
    /// @notice Defaults offset + 1 to offset + limit.
    function defaults(uint256 offset, uint256 limit) external view returns (Default[] memory);
    /// @notice The accounts of the page that are marked insolvent or have debt, covered by their own claims or not.
    function openDefaults(uint256 offset, uint256 limit) external view returns (Account[] memory);

    function backing() external view returns (Backing memory);
    function cashSum(uint256 offset, uint256 limit) external view returns (uint256);
    function poolTotals(uint16 market) external view returns (MarketTotals memory);
    function poolIdentity(uint16 market, uint256 offset, uint256 limit) external view returns (MarketSums memory);
}
