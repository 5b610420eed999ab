// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IAggregatorV3} from "../interfaces/IAggregatorV3.sol";

/// @title A price feed, or sequencer feed, for development chains; anyone may set its answer
contract TestFeed is IAggregatorV3 {
    enum Mode {
        Live,
        Reverting, // latestRoundData reverts
        UnsetRound // the round has never been answered: zeros
    }

    error FeedIsDown();

    uint8 public immutable decimals;

    /// @dev One slot, so that a read costs what reading a production feed's storage costs at least.
    struct Round {
        int168 answer; // in `decimals`
        uint40 updatedAt;
        uint32 id;
        Mode mode;
    }

    Round internal _round;

    constructor(uint8 decimals_, int256 answer) {
        decimals = decimals_;
        _set(answer, block.timestamp);
    }

    /// @notice A new round, now.
    function setAnswer(int256 answer) external {
        _set(answer, block.timestamp);
    }

    /// @notice A new round at any time, the future included. A sequencer feed reads it as the time of the last change.
    function setAnswerAt(int256 answer, uint256 updatedAt) external {
        _set(answer, updatedAt);
    }

    function setMode(Mode mode) public {
        _round.mode = mode;
    }

    /// @notice All at once.
    function setRound(int256 answer, uint256 updatedAt, Mode mode) external {
        _set(answer, updatedAt);
        setMode(mode);
    }

    /// @inheritdoc IAggregatorV3
    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        Round memory round = _round;
        if (round.mode == Mode.Reverting) revert FeedIsDown();
        if (round.mode == Mode.UnsetRound) return (0, 0, 0, 0, 0);
        return (round.id, round.answer, round.updatedAt, round.updatedAt, round.id);
    }

    function _set(int256 answer, uint256 updatedAt) internal {
        (_round.answer, _round.updatedAt) = (int168(answer), uint40(updatedAt));
        _round.id += 1;
    }
}

/// @title A feed that answers whatever bytes it was told to, or burns all the gas it gets
contract RawFeed {
    // solhint-disable-next-line const-name-snakecase
    uint8 public constant decimals = 8;
    bytes internal _response;
    bool internal _burnsGas;

    function respondWith(bytes calldata response) external {
        (_response, _burnsGas) = (response, false);
    }

    function burnGas() external {
        _burnsGas = true;
    }

    // solhint-disable-next-line no-complex-fallback
    fallback(bytes calldata) external returns (bytes memory) {
        uint256 i;
        while (_burnsGas) i += 1;
        return _response;
    }
}
