// SPDX-License-Identifier: MIT
pragma solidity >=0.8.28;

import {ILiquidations} from "./ILiquidations.sol";
import {IMarkets} from "./IMarkets.sol";

/// @title The clearing house
/// @notice Stands between traders: markets, positions on side indices, signed orders, funding, liquidation, deleveraging,
/// and the allocation of what a defaulter can't pay. SPECIFICATION.md sections 3 to 5 fix the arithmetic.
/// @dev In the units of IMarkets.
interface IClearingHouse is IMarkets, ILiquidations {
    // ------------------------------------------------------------------ types

    struct Order {
        address maker;
        uint16 market;
        bool isBuy;
        bool reduceOnly;
        uint112 size;
        uint128 price;
        uint40 expiry; // last second at which it may be filled
        uint64 generation; // must equal the maker's
        uint64 salt;
    }

    // ----------------------------------------------------------------- events

    /// @notice The standing premium follows from the price, the size, and the market's last MarketRefreshed.
    event Traded(
        bytes32 indexed orderHash,
        address indexed maker,
        address indexed taker,
        uint16 market,
        bool makerBuys,
        uint256 size,
        uint256 price,
        uint256 makerFee,
        uint256 takerFee,
        uint256 openInterest
    );
    event OrderCancelled(bytes32 indexed orderHash, address indexed maker);
    event AllOrdersCancelled(address indexed maker, uint256 generation);

    // ----------------------------------------------------------------- errors

    error OnlyVault();
    /// @notice The module knows another vault, fund, oracle or policy than the house.
    error LiquidationsMismatch(address liquidations);
    error OrderExpired(uint256 expiry);
    error OrderGenerationMismatch(uint256 generation, uint256 current);
    error OrderOverfilled(uint256 requested, uint256 remaining);
    error OrderSignatureInvalid(address maker);
    error OrderReduceOnly(address maker);
    error NotMaker(address caller, address maker);
    error PositionBelowMinimum(address account, uint256 notional, uint256 minNotional);
    error OpenInterestAboveCap(uint16 market, uint256 openInterest, uint256 max);
    error NewRiskIsPaused(uint256 until);

    // ---------------------------------------------------------------- trading

    /// @notice Fills `size` of a signed order with the caller as taker.
    function trade(Order calldata order, bytes calldata signature, uint256 size) external;

    /// @notice Makes the caller's order unfillable.
    function cancel(Order calldata order) external;

    /// @notice Moves the caller to its next generation: every order signed for the current one becomes unfillable.
    function cancelAll() external;

    // -------------------------------------------------------------- the vault

    /// @notice Settles `settleFirst` and the account, then reverts unless the account may withdraw `amount`.
    function authorizeWithdrawal(address account, uint256 amount, address[] calldata settleFirst) external;

    // ------------------------------------------------------------------ views

    /// @notice The code that `liquidate` and `deleverage` run, on the house's own storage.
    function liquidations() external view returns (address);
    function generation(address maker) external view returns (uint64);
    function filled(bytes32 orderHash) external view returns (uint256);
    function hashOrder(Order calldata order) external view returns (bytes32);
}
