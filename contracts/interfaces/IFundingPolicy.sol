// SPDX-License-Identifier: MIT
pragma solidity >=0.8.28;

/// @title The funding policy
/// @notice What the insurance fund should hold, which share of fees it gets, what open interest and new risk pay to it, and when new
/// risk stops. SPECIFICATION.md section 6.1 fixes the arithmetic.
/// @dev Amounts: units of S. Sizes: 1e-18 of the underlying. Prices: 1e-18 of a dollar. Ratios and rates: ppm.
interface IFundingPolicy {
    // ------------------------------------------------------------------ types

    /// @notice Five slots.
    struct Parameters {
        uint24 targetRatio; // ppm of open interest notional
        uint24 maxTargetRatio; // ppm of it: the most that a posted target counts for
        uint24 shareAtTarget; // ppm of fees to the fund at a coverage of one
        uint24 shareSlope; // ppm more for each whole coverage that is missing
        uint24 shareMin; // ppm
        uint24 shareMax; // ppm
        uint24 premiumMin; // ppm of notional a year, each side, without stress
        uint24 premiumMax; // ppm of notional a year, each side, at full stress
        uint24 stressFrom; // ppm of the target: coverage below which there is stress
        uint24 stopBelow; // ppm of the target: coverage below which open interest may not grow; stress is full there
        uint24 maxScarcity; // ppm of new notional, at full stress
        uint24 concentrationFrom; // ppm of a market's open interest: an account's share above which it pays
        uint24 maxConcentration; // ppm of new notional, for who holds a whole side
        uint24 maxLeverage; // ppm of new notional, from leverageTo on
        uint32 leverageFrom; // ppm: notional over equity above which an account pays
        uint32 leverageTo; // ppm
        uint32 capMultiple; // ppm of the fund's assets: the most notional a market may have
        uint32 targetLifetime; // seconds for which a posted target counts
        uint32 tierLifetime; // seconds for which a posted tier counts
        uint24[5] tierRates; // ppm of new notional, from the best tier to the worst
        uint96 capFloor; // units of S: notional that a market may have however small the fund
        uint96 concentrationFloor; // units of S: open interest below which shares are measured against it
        uint24 maxStep; // ppm a day by which posted targets may move
        uint96 memberThreshold; // units of S: an account's notional beyond which new risk needs a guaranty contribution
        uint24 memberRatio; // ppm of the notional beyond it, for the best tier
        uint24 memberStep; // ppm more for each tier below
    }

    /// @notice What a trade does to one account; positions and open interest as they are after it.
    struct NewRisk {
        address account;
        uint16 market;
        bool opens; // open interest grew
        uint256 increase; // size of the new risk
        uint256 size; // of the account's position
        uint256 openInterest; // size
        uint256 price; // the mark
        int256 equity; // before the contribution
        uint256 notional; // of all the account's positions
    }

    /// @notice A contribution and its factors.
    struct Contribution {
        uint256 amount; // units of S
        uint256 scarcity; // ppm of the new notional, as the next three
        uint256 concentration;
        uint256 leverage;
        uint256 tierRate;
        uint256 coverage; // ppm of the target after the trade
        uint256 tier; // 0 (best) to 4
    }

    /// @notice A trade that someone thinks about.
    struct Intent {
        address account;
        address counterparty; // 0: somebody without a position in the market
        uint16 market;
        bool isMaker; // which of the two fees the account pays
        int256 size; // signed, long positive
        uint256 price;
    }

    /// @notice Where posted numbers come from.
    struct Evidence {
        bytes32 inputs; // hash of what the model read
        bytes32 outputs; // hash of what it answered
        uint40 blockNumber; // of which it read
    }

    // ----------------------------------------------------------------- events

    /// @notice A contribution for new risk: amount = new notional at the sum of the four rates.
    event ContributionCharged(
        address indexed account,
        uint16 indexed market,
        uint256 amount,
        uint256 scarcity,
        uint256 concentration,
        uint256 leverage,
        uint256 tierRate
    );
    /// @notice A contribution for leverage that a withdrawal adds; leverage: ppm of the account's notional.
    event LeverageCharged(address indexed account, uint256 amount, uint256 leverage);
    event MarketObserved(uint16 indexed market, uint256 notional, uint256 coverage, uint256 premiumRate);
    event TargetPosted(uint256 target, Evidence evidence);
    event TierPosted(address indexed account, uint256 tier);
    event TiersPosted(uint256 count, Evidence evidence);
    event ParametersSet(Parameters parameters);

    // ----------------------------------------------------------------- errors

    error OnlyClearingHouse();
    error ZeroAddress();
    error NewRiskStopped(uint256 coverage, uint256 stopBelow);
    error MembershipRequired(address account, uint256 balance, uint256 requirement);
    error OpenInterestAboveFundCap(uint16 market, uint256 notional, uint256 cap);
    error ParameterOutOfBounds(bytes32 name, uint256 value, uint256 min, uint256 max);
    error TargetStepTooLarge(uint256 target, uint256 min, uint256 max);
    error TierOutOfBounds(address account, uint256 tier, uint256 min, uint256 max);
    error TierTooSoon(address account, uint256 allowedFrom);
    error EvidenceOutOfOrder(uint256 blockNumber, uint256 min, uint256 max);
    error LengthMismatch(uint256 accounts, uint256 tiers);

    // -------------------------------------------------- for the clearing house

    /// @notice What an account owes the fund for new risk; reverts where new risk may not be taken.
    function admit(NewRisk calldata risk) external returns (uint256 amount);

    /// @notice What an account with open positions owes the fund for a withdrawal.
    function admitWithdrawal(
        address account,
        int256 equityBefore,
        int256 equityAfter,
        uint256 notional
    ) external returns (uint256 amount);

    /// @notice Notes a market's open interest; returns what it pays, ppm a year.
    function observe(uint16 market, uint256 notional) external returns (uint256 premiumRate);

    // -------------------------------------------------------------- the poster

    /// @notice What a risk model says the fund should hold, units of S.
    function postTarget(uint96 amount, Evidence calldata evidence) external;

    /// @notice Creditworthiness of accounts, 0 (best) to 4.
    function postTiers(address[] calldata accounts, uint8[] calldata tiers, Evidence calldata evidence) external;

    // ------------------------------------------------------------- governance

    function setParameters(Parameters calldata parameters) external;

    // ------------------------------------------------------------------ views

    function clearingHouse() external view returns (address);
    function fund() external view returns (address);
    function guaranty() external view returns (address);
    function parameters() external view returns (Parameters memory);

    /// @notice What the fund should hold, from all open interest at the marks of the last refresh.
    function target() external view returns (uint256);
    /// @notice The fund's assets over `target`, ppm; the largest uint256 where nothing is needed.
    function coverage() external view returns (uint256);
    /// @notice Coverage as a trade sees it that leaves the market with this notional.
    function coverageWith(uint16 market, uint256 notional) external view returns (uint256);
    /// @notice The fund's share of fees now, ppm.
    function fundShare() external view returns (uint256);
    /// @notice The most notional that a market may have now.
    function openInterestCap() external view returns (uint256);

    /// @notice Notional of a market, and of all, at its last observation.
    function observed(uint16 market) external view returns (uint256 notional, uint256 total);
    /// @notice The last posted target, when, and whether it counts.
    function postedTarget() external view returns (uint256 amount, uint256 postedAt, bool fresh);
    /// @notice The tier that counts for an account; postedAt is 0 where none was posted, or it has expired.
    function tierOf(address account) external view returns (uint256 tier, uint256 postedAt);

    /// @notice The guaranty contribution that an account of this notional needs before it takes new risk, with its tier now.
    function requirementAt(address account, uint256 notional) external view returns (uint256);
    /// @notice What a trade would cost now beyond its fee, at the marks of the last refresh; reverts as the trade would.
    function previewContribution(Intent calldata intent) external view returns (Contribution memory);

    // -------------------------------------------------------------- the curves

    function stressAt(uint256 atCoverage) external view returns (uint256);
    function fundShareAt(uint256 atCoverage) external view returns (uint256);
    function premiumRateAt(uint256 atCoverage) external view returns (uint256);
    function scarcityAt(uint256 atCoverage) external view returns (uint256);
    function concentrationAt(uint256 share) external view returns (uint256);
    function leverageAt(uint256 leverage) external view returns (uint256);
}
