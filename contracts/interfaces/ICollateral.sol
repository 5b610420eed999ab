// SPDX-License-Identifier: MIT
pragma solidity >=0.8.28;

/// @title Collateral
/// @notice Other stablecoins that accounts have pledged. They count toward margin at their haircut and are never money: they turn into S when
/// somebody buys them, so that an account whose cash is spent while its collateral is not need not be insolvent. SPECIFICATION.md
/// section 2.2 fixes the arithmetic.
/// @dev Amounts of an asset: units of its token. Costs: units of S. Only an account itself pledges and withdraws.
interface ICollateral {
    // ----------------------------------------------------------------- events

    event Deposited(address indexed account, uint256 indexed asset, uint256 amount);
    event Withdrawn(address indexed account, uint256 indexed asset, address indexed to, uint256 amount);
    /// @notice A liquidation moved the units to the liquidator, for `cost` of its cash.
    event Taken(
        address indexed account,
        address indexed liquidator,
        uint256 indexed asset,
        uint256 amount,
        uint256 cost
    );
    event SaleStarted(address indexed account, uint256 endsAt);
    /// @notice Paid for the account's debts (default 0) or to those who bore its default.
    event Sold(
        address indexed account,
        address indexed buyer,
        uint256 indexed asset,
        uint256 amount,
        uint256 cost,
        uint256 id
    );
    event DefaultNoted(address indexed account, uint256 indexed id);

    // ----------------------------------------------------------------- errors

    error OnlyVault();
    error ZeroAddress();
    error ZeroAmount();
    error InexactTransfer(uint256 expected, uint256 received);
    error CapExceeded(uint256 asset, uint256 total, uint256 cap);
    error InsufficientCollateral(address account, uint256 asset, uint256 held, uint256 amount);
    error NothingToSell(address account);
    error SaleRunning(address account, uint256 endsAt);
    error SaleNotRunning(address account);
    error OwnCollateral(address account);
    error NoPrice(uint256 asset);
    error CostAboveMax(uint256 cost, uint256 maxCost);

    // ------------------------------------------------------------- for anyone

    /// @notice Pledges the caller's units, within the asset's cap.
    function deposit(uint256 asset, uint256 amount) external;

    /// @notice Takes units back, under the conditions of a withdrawal of cash in the amount by which the collateral's value falls. Refused while
    /// a default of the caller is open.
    /// @param settleFirst accounts to settle before, so that what the caller has won from them counts
    function withdraw(uint256 asset, uint256 amount, address to, address[] calldata settleFirst) external;

    /// @notice Starts the auction of `account`'s collateral: the account, settled first, is in debt, or has an open default.
    function startSale(address account) external;

    /// @notice Buys at most `amount` units, and no more than pay the account's debts, or else its first open default, while its auction runs.
    /// The S comes from the caller's wallet.
    /// @param maxCost in units of S
    function buy(
        address account,
        uint256 asset,
        uint256 amount,
        address to,
        uint256 maxCost
    ) external returns (uint256 bought, uint256 cost);

    // ---------------------------------------------------------- for the vault

    /// @notice Moves a fraction (1e-18) of each of the account's priced assets to the liquidator.
    /// @return cost what the liquidator owes the account for it, in units of S
    function take(address account, address liquidator, uint256 fraction) external returns (uint256 cost);

    /// @notice The fund's last default is the account's.
    function noteDefault(address account) external;

    // ------------------------------------------------------------------ views

    /// @notice What the account's collateral counts for, in units of S.
    function valueOf(address account) external view returns (uint256);
    function heldOf(address account, uint256 asset) external view returns (uint256);
    /// @notice Bit i is set where the account holds asset i.
    function assetsOf(address account) external view returns (uint256);
    function totalOf(uint256 asset) external view returns (uint256);
    /// @notice What a buyer would pay for: the account's debts (id 0), or the open part of a default.
    function dueOf(address account) external view returns (uint256 due, uint256 id);
    /// @notice The first of the account's noted defaults that somebody can still be paid back for; 0: none.
    function openDefaultOf(address account) external view returns (uint256 id);
    /// @notice When the account's last auction was started (0: never), and the first moment at which it no longer runs.
    function saleOf(address account) external view returns (uint256 startedAt, uint256 endsAt);
    /// @notice Its defaults while it held collateral, those that are settled too.
    function defaultsOf(address account) external view returns (uint256[] memory ids);
    function stablecoins() external view returns (address);
    function vault() external view returns (address);
    function clearingHouse() external view returns (address);
    function fund() external view returns (address);
}
