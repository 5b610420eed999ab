// SPDX-License-Identifier: MIT
pragma solidity >=0.8.28;

/// @title The part of a Chainlink price feed that Weir reads
interface IAggregatorV3 {
    function decimals() external view returns (uint8);

    /// @return roundId the round
    /// @return answer the price, with the feed's decimals
    /// @return startedAt when the round began; of a sequencer feed, when its status last changed
    /// @return updatedAt when the answer was computed (0: never)
    /// @return answeredInRound deprecated by Chainlink; not used
    function latestRoundData()
        external
        view
        returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound);
}
