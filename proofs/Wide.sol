// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title Products of two words
/// @notice 512 bits in two words: what a quotient is compared with where the product of its factors doesn't fit into one.
library Wide {
    struct Product {
        uint256 high;
        uint256 low;
    }

    function mul(uint256 a, uint256 b) internal pure returns (Product memory product) {
        unchecked {
            uint256 modulo = mulmod(a, b, type(uint256).max);
            product.low = a * b;
            product.high = modulo - product.low - (modulo < product.low ? 1 : 0);
        }
    }

    function add(Product memory a, uint256 b) internal pure returns (Product memory sum) {
        unchecked {
            sum.low = a.low + b;
            sum.high = a.high + (sum.low < b ? 1 : 0);
        }
    }

    function lessThan(Product memory a, Product memory b) internal pure returns (bool) {
        return a.high < b.high || (a.high == b.high && a.low < b.low);
    }
}
