// SPDX-License-Identifier: MIT
pragma solidity >=0.8.28;

import {IPriceOracle} from "./IPriceOracle.sol";
import {IStablecoins} from "./IStablecoins.sol";

/// @title The lens on other stablecoins
/// @notice What accounts have pledged and what the reserve holds, for bots and pages; it never changes anything.
/// @dev Amounts of an asset: units of its token. Worth, value, cost: units of S. Functions with `offset` and `limit` look at that part of the vault's
/// list of accounts and stop at its end; they return only what they found, so a short or an empty page does not mean the end.
interface IAssetLens {
    struct Asset {
        uint256 id;
        IStablecoins.Asset listing;
        IPriceOracle.Status status; // of its feed; Ok for a share of S
        uint256 par; // u, 1e-18 of a dollar
        uint256 price; // p, 1e-18 of a dollar for 10^decimals units
        uint256 pledged; // by all accounts
        uint256 pledgedValue; // what that counts for
        uint256 reserve; // amount in the reserve
        uint256 reserveWorth;
        uint256 reserveValue; // what that counts for
        uint256 reserveTarget; // worth that its weight asks for
        Auction auction; // the reserve's
    }

    struct Auction {
        uint256 startedAt; // 0: never
        uint256 endsAt; // the first moment at which it no longer runs
        bool buying; // the reserve buys; else it sells
        bool startable; // start() would start one
        uint256 factor; // ppm of the price, while it runs; else 0
    }

    struct Pledge {
        address account;
        uint256 value; // what all of it counts for
        uint256[] held; // by asset
        uint256 due; // what a sale would pay now: its debts, or an open default
        uint256 defaultId; // 0: debts, or nothing
        uint256 saleStartedAt; // 0: never
        uint256 saleEndsAt;
        bool startable; // startSale() would start one, but for what settling the account changes
    }

    function assets() external view returns (Asset[] memory);
    function pledgesOf(address[] calldata accounts) external view returns (Pledge[] memory);
    /// @notice Those of the page that hold any.
    function pledges(uint256 offset, uint256 limit) external view returns (Pledge[] memory);
}
