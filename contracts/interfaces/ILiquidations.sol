// SPDX-License-Identifier: MIT
pragma solidity >=0.8.28;

/// @title What happens to flagged accounts
/// @notice Dutch auction, then deleveraging. SPECIFICATION.md section 4.
interface ILiquidations {
    // ----------------------------------------------------------------- events

    event Liquidated(
        address indexed account,
        address indexed liquidator,
        uint256 fraction,
        uint256 notional,
        uint256 bountyFromAccount,
        uint256 bountyFromFund,
        uint256 penalty
    );
    event Deleveraged(address indexed account, uint16 indexed market, bool isShort, uint256 size, uint256 price);

    // ----------------------------------------------------------------- errors

    error AccountNotFlagged(address account);
    error NothingToLiquidate(address account);
    error NotLiquidatable(address account, int256 equity, uint256 required);
    error AuctionStillRunning(address account, uint256 endsAt);

    // ------------------------------------------------ below maintenance margin

    /// @notice Takes over up to `fraction` (1e18 = all) of the account's positions at the mark, for a bounty.
    /// @param accounts settled first.
    function liquidate(address account, uint256 fraction, address[] calldata accounts) external;

    /// @notice Closes the account against the opposing open interest, pro rata, once its auction has run out or the fund may not pay.
    /// @param accounts settled first.
    function deleverage(address account, address[] calldata accounts) external;
}
