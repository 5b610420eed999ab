// SPDX-License-Identifier: MIT
pragma solidity >=0.8.28;

/// @title The insurance fund
/// @notice A segregated pool of S that pays for bad debt in a fixed order: skin in the game (with income not yet
/// vested), then the junior tranche, then the senior tranche. No role can withdraw from it. It also calls on the guaranty fund, whose layers
/// stand before and after its own. Skin may hold other assets too, in the reserve: the tranches advance what these are to pay, until they are sold.
interface IInsuranceFund {
    // ------------------------------------------------------------------ types

    /// @notice What a default cost and who bore it, in units of S. remainder = shortfall - all that follows it, borne
    /// by opposing open interest.
    struct DefaultRecord {
        address account;
        uint16 market;
        uint40 time;
        uint128 shortfall;
        uint128 own; // the defaulter's guaranty contribution
        uint128 coinsurance; // unpaid profit, before the fund
        uint128 skin; // with what was unvested, and advanced
        uint128 junior;
        uint128 senior;
        uint128 mutual; // the other members' guaranty contributions
        uint128 unpaidProfit; // unpaid profit, after the fund
    }

    /// @notice The paying layers' S, in the order in which they pay; what skin has in other assets, and owes to the tranches.
    struct Layers {
        uint256 skin;
        uint256 unvested;
        uint256 junior;
        uint256 senior;
        uint256 reserve; // what the reserve counts for, units of S
        uint256 advancedJunior; // the tranche's, beside its S
        uint256 advancedSenior;
    }

    /// @notice What each layer has got back of a recovery, in this order.
    struct Recovery {
        uint256 mutual;
        uint256 senior;
        uint256 junior;
        uint256 skin; // with what those bore whose shares are gone; pays advances back first
        uint256 own;
    }

    struct Parameters {
        uint128 skinTarget; // units of S
        uint24 juniorShare; // ppm of vested income
        uint32 streamDuration; // seconds
        uint32 budgetWindow; // seconds
        uint24 memberShare; // ppm of what capital earns for tranches that it earns for members of the guaranty fund
    }

    // ----------------------------------------------------------------- events

    event Defaulted(
        uint256 indexed id,
        address indexed account,
        uint16 indexed market,
        DefaultRecord record,
        uint256 remainder
    );
    /// @notice What the fund paid of a liquidation's bounty; amount 0: it was asked, and could not.
    event BountyPaid(uint16 indexed market, uint256 amount, uint256 skin, uint256 junior, uint256 senior);
    event BudgetOpened(uint16 indexed market, uint256 window, uint256 budget);
    event IncomeCollected(
        uint256 fees,
        uint256 levies,
        uint256 premium,
        uint256 treasury,
        uint256 toSkin,
        uint256 toMembers
    );
    event Recovered(uint256 indexed id, address indexed payer, Recovery recovery);
    event Vested(uint256 junior, uint256 senior);
    event Contributed(address indexed from, uint256 amount);
    event Staked(address indexed tranche, uint256 assets);
    event Unstaked(address indexed tranche, uint256 assets);
    /// @notice The tranches have paid for skin, what its other assets are to pay back.
    event Advanced(uint256 junior, uint256 senior);
    event AdvanceRepaid(uint256 junior, uint256 senior);
    /// @notice What nothing is left to pay back is the tranches' loss.
    event AdvanceWrittenOff(uint256 junior, uint256 senior);
    /// @notice The reserve has sold something, or holds something for the first time (amount 0).
    event FromReserve(uint256 amount, bool holds);
    event PaidForReserve(address indexed to, uint256 amount);
    event TrancheWiped(address indexed tranche, uint256 shareEpoch);
    event MarketCoverSet(uint16 indexed market, uint256 budgetShare, uint256 coinsurance);
    event ParametersSet(Parameters parameters);

    // ----------------------------------------------------------------- errors

    error OnlyClearingHouse();
    error OnlyTranche();
    error OnlyReserve();
    error ZeroAddress();
    error ZeroAmount();
    error CapacityExceeded(uint256 amount, uint256 capacity);
    error InexactTransfer(uint256 expected, uint256 received);
    error ParameterOutOfBounds(bytes32 name, uint256 value, uint256 min, uint256 max);
    error UnknownDefault(uint256 id);
    error NothingToRecover(uint256 id);
    error NoAdvance();
    error AdvancesBacked(uint256 value);

    // -------------------------------------------------- for the clearing house

    /// @notice Pays what the market's budget allows of a liquidation bounty; sends it to the vault.
    function payBounty(uint16 market, uint256 amount) external returns (uint256 paid);

    /// @notice Splits a default's shortfall over the layers, records it, and sends the fund's part to the vault.
    /// @param unpaidProfit the value of all claims outstanding in the market.
    /// @return fromProfit to be written off the market's claims. @return fromFund S sent to the vault, the guaranty fund's included.
    /// shortfall - fromProfit - fromFund is the remainder, for the caller to charge to opposing open interest.
    function resolve(
        address account,
        uint16 market,
        uint256 shortfall,
        uint256 unpaidProfit
    ) external returns (uint256 fromProfit, uint256 fromFund);

    // ------------------------------------------------------- for the tranches

    /// @notice Adds S that has just arrived to the calling tranche's layer, against shares that now exist.
    function stake(uint256 assets) external;

    /// @notice Takes S out of the calling tranche's layer and sends it to the tranche.
    /// @param sharesLeft whether anyone still holds shares of the tranche; if not, income passes it by.
    function unstake(uint256 assets, bool sharesLeft) external;

    // -------------------------------------------------------- for the reserve

    /// @notice Adds S that has just arrived to skin, for what the reserve sold. A reserve that holds nothing any more ends all advances: what is
    /// not paid back is lost.
    function fromReserve(uint256 amount, bool holds) external;

    /// @notice Pays for what the reserve bought, from skin.
    function payForReserve(address to, uint256 amount) external;

    // ------------------------------------------------------------- for anyone

    /// @notice Takes all income from the vault: first advances and skin in the game up to its target, the rest streams to tranches, but for the guaranty
    /// fund's part.
    /// @dev The treasury gets what the funding policy leaves of the fees, and nothing while the gate is shut. Income joins the stream at the average of the time that is left and a full duration, weighted by amount.
    function collect() external returns (uint256 income);

    /// @notice A gift to the skin in the game. Nothing takes it back.
    function contribute(uint256 amount) external;

    /// @notice Money from a defaulter, or for one: gives back what default `id` cost, in the reverse order of the losses, to those who hold the shares now, or
    /// to skin where those of then are gone. Pays at most what is still open.
    function recover(uint256 id, uint256 amount) external returns (uint256 paid);

    // ------------------------------------------------------------- governance

    /// @param budgetShare ppm of the fund's assets, the reserve's included, that the market may cost per window.
    /// @param coinsurance ppm of a shortfall that the market's own unpaid profit bears before the fund.
    /// @dev A new share applies from the market's next budget on, a new coinsurance at once.
    function setMarketCover(uint16 market, uint32 budgetShare, uint32 coinsurance) external;

    /// @dev What has vested so far is shared at the old junior share; a new stream duration applies to the next income.
    /// A new window length renumbers the windows, so every market's budget is opened anew at its next use.
    function setParameters(Parameters calldata parameters) external;

    /// @notice Makes open advances the tranches' loss, where nothing that the reserve holds counts for anything.
    function writeOffAdvances() external;

    // ------------------------------------------------------------------ views

    function asset() external view returns (address);
    /// @notice The layers now, with what has vested up to now already in the tranches.
    function layers() external view returns (Layers memory);
    /// @notice Skin's S, and what it owes to the tranches.
    function skin() external view returns (uint256 held, uint256 owed);
    /// @notice skin + unvested + junior + senior, and what the reserve counts for.
    function totalAssets() external view returns (uint256);
    /// @notice Assets of a tranche (its S, vested up to now, and what it has advanced) and its share epoch (number of wipe-outs).
    function trancheState(address tranche) external view returns (uint256 assets, uint256 shareEpoch);
    /// @notice The share epoch alone, for every reading of a balance.
    function shareEpochOf(address tranche) external view returns (uint256);
    /// @notice S that the fund can still take in: its layers are kept in 96 bits.
    function capacity() external view returns (uint256);
    /// @notice S that the fund may still pay for `market` in this window.
    function available(uint16 market) external view returns (uint256);
    /// @notice left: what is left of the market's budget in this window, whether or not the fund still has as much.
    function marketCover(
        uint16 market
    ) external view returns (uint32 budgetShare, uint32 coinsurance, uint256 left, uint256 window);
    /// @notice No insolvency is known and no advance is open: tranches may be entered and left, the treasury paid.
    function gateOpen() external view returns (bool);
    function defaultCount() external view returns (uint256);
    /// @param id from 1 to defaultCount.
    function defaultRecord(uint256 id) external view returns (DefaultRecord memory record, uint256 remainder);
    /// @notice What has come back of a default's cost so far, and what still can.
    function recovered(uint256 id) external view returns (uint256 back, uint256 open);
    function parameters() external view returns (Parameters memory);
    /// @notice Income that was unvested at `since` and vests evenly until `end`; while no tranche has shares, it waits.
    function stream() external view returns (uint256 unvested, uint256 since, uint256 end);
    function vault() external view returns (address);
    function clearingHouse() external view returns (address);
    function junior() external view returns (address);
    function senior() external view returns (address);
    function treasury() external view returns (address);
    function policy() external view returns (address);
    function guaranty() external view returns (address);
    function reserve() external view returns (address);
}
