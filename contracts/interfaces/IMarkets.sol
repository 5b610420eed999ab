// SPDX-License-Identifier: MIT
pragma solidity >=0.8.28;

/// @title Markets and the positions in them
/// @notice What the clearing house and its module share: prices, funding, positions on side indices, flags, and the allocation of
/// what a defaulter can't pay. SPECIFICATION.md sections 3 to 5 fix the arithmetic.
/// @dev Sizes: 1e-18 of the underlying. Prices: 1e-18 of a dollar. Ratios: ppm. Amounts: units of the settlement token.
interface IMarkets {
    // ------------------------------------------------------------------ types

    enum MarketStatus {
        None,
        Open,
        Closed
    }

    struct MarketParameters {
        uint32 initialMarginRatio; // ppm of notional
        uint32 maintenanceMarginRatio; // ppm of notional
        uint24 makerFee; // ppm of traded notional
        uint24 takerFee; // ppm of traded notional
        uint24 priceBand; // ppm around the mark within which a trade may lie
        uint24 maxFundingRate; // ppm of the price per funding period
        uint32 fundingPeriod; // seconds
        uint112 maxOpenInterest; // size
    }

    struct LiquidationParameters {
        uint24 bountyStart; // ppm of notional at the time of the flag
        uint24 bountyMax; // ppm of notional at the end of the auction
        uint24 penalty; // ppm of notional, to the fund
        uint32 auctionDuration; // seconds
        uint128 minNotional; // units of S; smallest position, and smallest piece a liquidation takes or leaves
        uint24 closeBand; // ppm around the last good price within which a dead market may be closed
    }

    struct Side {
        uint120 multiplier; // A, 1e36 = one
        uint16 epoch;
        uint32 positions; // live records
        int256 base; // K = base + A * V for longs, base - A * V for shorts
    }

    struct MarketState {
        MarketStatus status;
        uint128 price; // the mark at the last refresh
        uint112 openInterest; // size of each side
        int128 valueIndex; // V
        int24 premium; // time-weighted premium of trades over the mark, ppm
        int24 lastPremium; // standing premium of the last trades, weighted by their size, ppm
        uint40 updatedAt;
        uint40 updatedBlock;
        Side long;
        Side short;
    }

    struct Position {
        uint112 size; // q0
        uint120 multiplier; // A0
        uint16 epoch;
        bool isShort;
        int256 index; // K0
    }

    // ----------------------------------------------------------------- events

    event MarketAdded(uint16 indexed market, bytes32 symbol);
    event MarketParametersSet(uint16 indexed market, MarketParameters parameters);
    event LiquidationParametersSet(LiquidationParameters parameters);
    /// @notice The price and what follows from it; of a market that is closed (MarketClosed comes first) this is the last, and no refresh.
    event MarketRefreshed(uint16 indexed market, uint256 price, int256 valueIndex, int256 premium);
    /// @notice The premium on open interest: perUnit is a price, amount what both sides together owe the fund.
    event PremiumCharged(uint16 indexed market, uint256 perUnit, uint256 amount);
    event MarketClosed(uint16 indexed market, uint256 price);
    event OpenInterestChanged(uint16 indexed market, uint256 openInterest);
    /// @notice One side started a new epoch; finalIndex is what its stale records settle against.
    event EpochEnded(uint16 indexed market, bool indexed isShort, uint256 epoch, int256 finalIndex);
    /// @notice A side's size multiplier or base moved (deleveraging, or a loss charged to open interest).
    event SideChanged(uint16 indexed market, bool indexed isShort, uint256 multiplier, int256 base);
    /// @notice A position's size changed (long positive); the record now stands at its side's multiplier, index and epoch. 0: it is gone,
    /// or kept empty for its debt. A settlement that books something (see the vault's Settled) moves multiplier and index too.
    event PositionChanged(address indexed account, uint16 indexed market, int256 size);
    event Flagged(address indexed account, int256 equity, uint256 maintenanceMargin);
    event Unflagged(address indexed account);
    event InsolvencyMarked(address indexed account);
    event InsolvencyCleared(address indexed account);
    /// @notice The remainder of a default, charged to the open interest opposite to the account.
    event RemainderCharged(uint16 indexed market, bool indexed toShorts, uint256 amount);
    event NewRiskPaused(uint256 until);

    // ----------------------------------------------------------------- errors

    error UnknownMarket(uint16 market);
    error MarketNotOpen(uint16 market);
    error TooManyMarkets(uint256 max);
    error TooManyPositions(address account, uint256 max);
    error PriceStillLive(uint16 market);
    error PauseTooLong(uint256 duration, uint256 max);
    error PauseTooSoon(uint256 allowedFrom);
    error ZeroSize();
    error SelfTrade(address account);
    error PriceOutsideBand(uint256 price, uint256 mark, uint256 band);
    error AccountFlagged(address account);
    error InitialMarginNotMet(address account, int256 equity, uint256 required);
    error NothingToFlag(address account, int256 equity, uint256 maintenanceMargin);

    // ------------------------------------------------------------- settlement

    /// @notice Settles each account in all its markets; an account left with debt and no position is resolved at once.
    function settle(address[] calldata accounts) external;

    /// @notice Brings a market to the present: funding, then the price (at most once a block).
    function refresh(uint16 market) external;

    // ------------------------------------------------ below maintenance margin

    /// @notice Sets, clears, or upgrades (insolvent) the account's flag to what its equity says; reverts if nothing changes.
    function flag(address account) external;

    // ------------------------------------------------------------- governance

    /// @param symbol short ASCII name, left-aligned. The market's feed must be set and live.
    function addMarket(bytes32 symbol, MarketParameters calldata parameters) external returns (uint16 market);
    function setMarketParameters(uint16 market, MarketParameters calldata parameters) external;
    function setLiquidationParameters(LiquidationParameters calldata parameters) external;
    /// @notice Closes a market whose feed is not Ok, and which nobody has refreshed for a day, at `price`, within the close band of the
    /// last good one.
    function closeMarket(uint16 market, uint128 price) external;
    /// @notice Guardian: no risk-increasing trades until now + duration (at most 3 days, and not before 7 days after the last pause began).
    function pauseNewRisk(uint32 duration) external;

    // ------------------------------------------------------------------ views

    function vault() external view returns (address);
    function fund() external view returns (address);
    function oracle() external view returns (address);
    function policy() external view returns (address);
    function marketCount() external view returns (uint16);
    function symbolOf(uint16 market) external view returns (bytes32);
    function marketState(uint16 market) external view returns (MarketState memory);
    function marketParameters(uint16 market) external view returns (MarketParameters memory);
    function liquidationParameters() external view returns (LiquidationParameters memory);
    /// @notice The side's index K at the end of one of its past epochs.
    function finalIndex(uint16 market, bool isShort, uint16 epoch) external view returns (int256);
    function position(address account, uint16 market) external view returns (Position memory);
    /// @notice Bit m is set where the account has a position record in market m.
    function positionMarkets(address account) external view returns (uint64);
    /// @notice When the account was flagged (0: it is not), and whether it is marked insolvent.
    function flagOf(address account) external view returns (uint256 flaggedAt, bool insolvent);
    function pausedUntil() external view returns (uint256);
    /// @notice Number of accounts marked insolvent; the tranche gate is open at zero.
    function insolvencies() external view returns (uint256);
    /// @notice Sum of open interest at the marks of the last refresh, in units of S, rounded down per market.
    function openInterestNotional() external view returns (uint256);

    /// @notice Equity and requirements at the marks of the last refresh.
    function health(
        address account
    ) external view returns (int256 equity, uint256 initialMargin, uint256 maintenanceMargin, uint256 notional);
}
