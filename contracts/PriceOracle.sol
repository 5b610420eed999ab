// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {LibCall} from "solady/utils/LibCall.sol";
import {IAggregatorV3} from "./interfaces/IAggregatorV3.sol";
import {IPriceOracle} from "./interfaces/IPriceOracle.sol";

/// @title The price oracle
/// @notice Reads each market's feed anew at every call and says what is wrong with the answer; keeps nothing but settings.
/// @dev What is assumed of a feed: that its answers are honest while they are fresh and within bounds. What is not: that it has
/// code, answers in the right shape, returns little data, or uses little gas. A feed that does not answer counts as one without a
/// round. Feed.decimals is read once, when the feed is set.
contract PriceOracle is IPriceOracle, AccessManaged {
    uint256 internal constant MIN_HEARTBEAT = 60 seconds;
    uint256 internal constant MAX_HEARTBEAT = 2 days;
    uint256 internal constant MAX_GRACE_PERIOD = 1 days;
    uint256 internal constant PRICE_DECIMALS = 18;

    /// @dev Gas a feed may use, several times what a proxied one needs. A caller can't pass off a live feed as a dead one by sending
    /// too little gas: the 1/64 that is left to the caller then is too little to do anything with.
    uint256 internal constant FEED_GAS = 100_000;
    uint16 internal constant ROUND_BYTES = 5 * 32;
    uint256 internal constant NEVER = type(uint256).max;

    struct Sequencer {
        address feed; // 0: the chain has no sequencer
        uint32 gracePeriod; // seconds after the sequencer's return in which prices are not used
    }

    mapping(uint16 market => Feed) internal _feeds;
    Sequencer internal _sequencer;

    constructor(address authority_) AccessManaged(authority_) {}

    // ------------------------------------------------------------------ prices

    /// @inheritdoc IPriceOracle
    function price(uint16 market) external view returns (uint256) {
        (uint256 price_, Status status, ) = _read(market);
        if (status != Status.Ok) revert PriceUnavailable(market, status);
        return price_;
    }

    /// @inheritdoc IPriceOracle
    function peek(uint16 market) external view returns (uint256, Status, uint256) {
        return _read(market);
    }

    /// @inheritdoc IPriceOracle
    function feedOf(uint16 market) external view returns (Feed memory) {
        return _feeds[market];
    }

    /// @inheritdoc IPriceOracle
    function sequencerFeed() external view returns (address, uint32) {
        return (_sequencer.feed, _sequencer.gracePeriod);
    }

    // -------------------------------------------------------------- governance

    /// @inheritdoc IPriceOracle
    function setFeed(
        uint16 market,
        address feed,
        uint32 heartbeat,
        uint128 minPrice,
        uint128 maxPrice
    ) external restricted {
        if (feed == address(0)) revert ZeroAddress();
        if (heartbeat < MIN_HEARTBEAT || heartbeat > MAX_HEARTBEAT) {
            revert HeartbeatOutOfBounds(heartbeat, MIN_HEARTBEAT, MAX_HEARTBEAT);
        }
        if (minPrice == 0 || minPrice >= maxPrice) revert BoundsOutOfOrder(minPrice, maxPrice);
        uint8 decimals = IAggregatorV3(feed).decimals();
        if (decimals > PRICE_DECIMALS) revert DecimalsOutOfBounds(decimals, PRICE_DECIMALS);

        _feeds[market] = Feed(feed, heartbeat, decimals, minPrice, maxPrice);
        emit FeedSet(market, feed, heartbeat, minPrice, maxPrice);
    }

    /// @inheritdoc IPriceOracle
    function setSequencerFeed(address feed, uint32 gracePeriod) external restricted {
        if (gracePeriod > MAX_GRACE_PERIOD) revert GracePeriodOutOfBounds(gracePeriod, MAX_GRACE_PERIOD);
        _sequencer = Sequencer(feed, gracePeriod);
        emit SequencerFeedSet(feed, gracePeriod);
    }

    // ---------------------------------------------------------------- internals

    function _read(uint16 market) internal view returns (uint256 price_, Status status, uint256 updatedAt) {
        Feed memory feed = _feeds[market];
        if (feed.feed == address(0)) return (0, Status.Unset, 0);

        int256 answer;
        (answer, , updatedAt) = _latestRound(feed.feed);
        // The answer's bound keeps the product far from overflow; a price above uint128 is above every maxPrice.
        if (answer > 0 && answer <= int256(uint256(type(uint128).max))) {
            price_ = uint256(answer) * 10 ** (PRICE_DECIMALS - feed.decimals);
        }

        if (!_sequencerUp()) status = Status.SequencerDown;
        else if (_secondsSince(updatedAt) > feed.heartbeat) status = Status.Stale;
        else if (price_ < feed.minPrice || price_ > feed.maxPrice) status = Status.OutOfBounds;
    }

    /// @dev A sequencer feed answers 0 while the sequencer is up; startedAt is when it last went up or down.
    function _sequencerUp() internal view returns (bool) {
        (address feed, uint256 gracePeriod) = (_sequencer.feed, _sequencer.gracePeriod);
        if (feed == address(0)) return true;
        (int256 answer, uint256 startedAt, ) = _latestRound(feed);
        uint256 elapsed = _secondsSince(startedAt);
        return answer == 0 && elapsed >= gracePeriod && elapsed != NEVER;
    }

    /// @dev NEVER for a time that is not set or lies in the future.
    function _secondsSince(uint256 time) internal view returns (uint256) {
        return time == 0 || time > block.timestamp ? NEVER : block.timestamp - time;
    }

    /// @dev Never reverts: a call that fails or returns less than a round gives zeros, which is what a round that was never
    /// answered looks like.
    function _latestRound(address feed) internal view returns (int256 answer, uint256 startedAt, uint256 updatedAt) {
        (bool success, , bytes memory data) = LibCall.tryStaticCall(
            feed,
            FEED_GAS,
            ROUND_BYTES,
            abi.encodeCall(IAggregatorV3.latestRoundData, ())
        );
        if (!success || data.length < ROUND_BYTES) return (0, 0, 0);
        // Words, not uint80: decoding must accept whatever bits the feed returned.
        (, answer, startedAt, updatedAt, ) = abi.decode(data, (uint256, int256, uint256, uint256, uint256));
    }
}
