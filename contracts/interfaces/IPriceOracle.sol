// SPDX-License-Identifier: MIT
pragma solidity >=0.8.28;

/// @title Prices of the markets, from Chainlink-shaped feeds
/// @notice Stateless between calls: the clearing house keeps one price per market and block.
interface IPriceOracle {
    enum Status {
        Ok,
        Stale, // older than the heartbeat, from the future, or an unset round
        OutOfBounds, // zero, negative, or outside [minPrice, maxPrice]
        SequencerDown, // the L2 sequencer is down or came back less than the grace period ago
        Unset // the market has no feed
    }

    struct Feed {
        address feed;
        uint32 heartbeat; // seconds after which an answer is stale
        uint8 decimals; // of the feed's answers
        uint128 minPrice; // 1e-18 of a dollar
        uint128 maxPrice; // 1e-18 of a dollar
    }

    event FeedSet(uint16 indexed market, address indexed feed, uint256 heartbeat, uint256 minPrice, uint256 maxPrice);
    event SequencerFeedSet(address indexed feed, uint256 gracePeriod);

    error PriceUnavailable(uint16 market, Status status);
    error HeartbeatOutOfBounds(uint256 heartbeat, uint256 min, uint256 max);
    error BoundsOutOfOrder(uint256 minPrice, uint256 maxPrice);
    error DecimalsOutOfBounds(uint256 decimals, uint256 max);
    error GracePeriodOutOfBounds(uint256 gracePeriod, uint256 max);
    error ZeroAddress();

    /// @notice The price of one underlying, 1e-18 of a dollar; reverts with PriceUnavailable unless the status is Ok.
    function price(uint16 market) external view returns (uint256);

    /// @notice The price and what is wrong with it; never reverts because of the feed. The price is 0 when it can't be read.
    function peek(uint16 market) external view returns (uint256 price, Status status, uint256 updatedAt);

    function feedOf(uint16 market) external view returns (Feed memory);
    function sequencerFeed() external view returns (address feed, uint32 gracePeriod);

    /// @notice Governance, behind the timelock.
    function setFeed(uint16 market, address feed, uint32 heartbeat, uint128 minPrice, uint128 maxPrice) external;
    function setSequencerFeed(address feed, uint32 gracePeriod) external;
}
