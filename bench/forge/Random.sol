// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

struct Rng {
    uint256 state;
}

/// @title Draws from one seed
library Random {
    function next(Rng memory r) internal pure returns (uint256) {
        r.state = uint256(keccak256(abi.encode(r.state)));
        return r.state;
    }

    function below(Rng memory r, uint256 end) internal pure returns (uint256) {
        return next(r) % end;
    }

    function between(Rng memory r, uint256 low, uint256 high) internal pure returns (uint256) {
        return low + (next(r) % (high - low + 1));
    }

    function chance(Rng memory r, uint256 percent) internal pure returns (bool) {
        return below(r, 100) < percent;
    }

    function pick(Rng memory r, uint256[4] memory values) internal pure returns (uint256) {
        return values[below(r, 4)];
    }

    function pick(Rng memory r, uint256[6] memory values) internal pure returns (uint256) {
        return values[below(r, 6)];
    }

    function min(uint256 a, uint256 b) internal pure returns (uint256) {
        return a < b ? a : b;
    }

    function max(uint256 a, uint256 b) internal pure returns (uint256) {
        return a > b ? a : b;
    }
}
