// SPDX-License-Identifier: MIT
pragma solidity >=0.8.28;

/// @title The settlement ledger
/// @notice Holds the traders' settlement token S and keeps, per account, cash, and per account and market, either claims (profit
/// earned and not yet paid) or debt (loss recognised and not yet paid). A market pays its winners only from its own pool.
/// @dev Amounts are units of S. Only the clearing house moves the ledger; only an account itself withdraws.
interface IVault {
    // ------------------------------------------------------------------ types

    /// @notice A market's side of the ledger.
    struct MarketLedger {
        uint120 pool; // S paid in by losers and the fund, not yet taken by winners
        uint112 totalClaims; // value of all claims
        uint24 claimsEpoch; // grows with each full write-off
        uint128 totalClaimUnits; // units those claims are held in; index C = totalClaims / totalClaimUnits
        uint104 residual; // remainder of a default that profits must bear when they settle
        uint24 maturity; // seconds a claim waits before it can turn into cash
    }

    // ----------------------------------------------------------------- events

    event Deposited(address indexed account, address indexed payer, uint256 amount);
    event Withdrawn(address indexed account, address indexed to, uint256 amount);
    /// @notice A position's profit or loss reached the ledger. absorbed: the part of a profit that bore the residual.
    /// cash: what it moved at once, from the market's pool to the account (> 0) or from the account to the pool (< 0).
    event Settled(address indexed account, uint16 indexed market, int256 pnl, uint256 absorbed, int256 cash);
    event ClaimsMinted(
        address indexed account,
        uint16 indexed market,
        uint256 amount,
        uint256 units,
        uint256 maturesAt
    );
    event ClaimsBurned(address indexed account, uint16 indexed market, uint256 amount, uint256 units);
    /// @notice Claims turned into cash at par, from the market's pool.
    event ClaimsConverted(address indexed account, uint16 indexed market, uint256 amount, uint256 units);
    event DebtIncurred(address indexed account, uint16 indexed market, uint256 amount);
    event DebtRepaid(address indexed account, uint16 indexed market, uint256 fromCash, uint256 fromProfit);
    /// @notice What a liquidation or deleveraging took from the account's cash: the caller's bounty, then the penalty.
    event LiquidationCharged(address indexed account, address indexed liquidator, uint256 bounty, uint256 penalty);
    /// @notice What a liquidator paid from its cash for collateral that it took over.
    event CollateralPaid(address indexed account, address indexed liquidator, uint256 cost);
    /// @notice Cash credited from S that the fund has sent to the vault (a liquidation bounty).
    event CashCredited(address indexed account, uint256 amount);
    /// @notice The cash side of a trade: the price difference, and each side's fee.
    event Exchanged(address indexed payer, address indexed payee, uint256 amount, uint256 payerFee, uint256 payeeFee);
    event ClaimsWrittenOff(uint16 indexed market, uint256 amount, uint256 claimsEpoch);
    /// @notice A default's shortfall was taken off the debt: by a write-off of claims, by S from the fund, and the remainder by others.
    event DebtResolved(
        address indexed account,
        uint16 indexed market,
        uint256 shortfall,
        uint256 fromProfit,
        uint256 fromFund
    );
    event ResidualAdded(uint16 indexed market, uint256 amount);
    event ContributionPaid(address indexed account, uint256 amount);
    event Collected(uint256 fees, uint256 levies, uint256 premium);
    event MaturitySet(uint16 indexed market, uint256 maturity);

    // ----------------------------------------------------------------- errors

    error OnlyClearingHouse();
    error OnlyFund();
    error OnlyCollateral();
    error ZeroAmount();
    error ZeroAddress();
    /// @notice The token delivered another amount than stated (it takes a fee, or rebases).
    error InexactTransfer(uint256 expected, uint256 received);
    error AccountInDebt(address account);
    /// @notice The account holds collateral, which is to pay first for its default.
    error OpenDefault(address account, uint256 id);
    error InsufficientCash(address account, uint256 cash, uint256 needed);
    error MaturityOutOfBounds(uint256 maturity, uint256 max);

    // ------------------------------------------------------------- for anyone

    /// @notice Moves `amount` of S from the caller into `account`'s cash; the account's debts are paid from it first.
    function deposit(address account, uint256 amount) external;

    /// @notice Settles `settleFirst` and the caller, then sends `amount` of the caller's cash to `to`.
    /// @dev Reverts while the caller is flagged or in debt, or if its equity afterwards is below initial margin.
    function withdraw(uint256 amount, address to, address[] calldata settleFirst) external;

    // -------------------------------------------------- for the clearing house

    /// @notice Books a position's profit (> 0) or loss (< 0); see SPECIFICATION.md section 2 for the order.
    function settle(address account, uint16 market, int256 pnl) external;

    /// @notice Turns what claims of the account can be turned into cash, and pays its debts from it.
    /// @return net of the account afterwards.
    function convert(address account) external returns (int256 net);

    /// @notice Credits cash for S that has just arrived from the fund.
    function creditCash(address account, uint256 amount) external;

    /// @notice The cash side of a trade: `amount` goes from payer to payee, then each pays its fee. Reverts if either is in debt.
    /// @return payerNet and payeeNet: `net` of each afterwards.
    function exchange(
        address payer,
        address payee,
        uint256 amount,
        uint256 payerFee,
        uint256 payeeFee
    ) external returns (int256 payerNet, int256 payeeNet);

    /// @notice Takes a contribution to the fund from the account's cash. Reverts if it is in debt, or has less.
    function chargeContribution(address account, uint256 amount) external;

    /// @notice Sells `fraction` (1e-18) of the account's collateral to the liquidator, for its cash; reverts if it is in debt, or has less. Then pays, as
    /// far as the account's cash goes, `bounty` to the liquidator, then `penalty` to be collected.
    /// @return bountyPaid and penaltyPaid, and net of the account afterwards.
    function chargeLiquidation(
        address account,
        address liquidator,
        uint256 fraction,
        uint256 bounty,
        uint256 penalty
    ) external returns (uint256 bountyPaid, uint256 penaltyPaid, int256 net);

    /// @notice Takes `shortfall` off the account's debt in `market`: writes `fromProfit` off the market's claims and adds `fromFund`,
    /// S that has just arrived, to its pool. The remainder is the caller's to charge.
    function resolveDebt(
        address account,
        uint16 market,
        uint256 shortfall,
        uint256 fromProfit,
        uint256 fromFund
    ) external;

    function addResidual(uint16 market, uint256 amount) external;

    // --------------------------------------------------------- for collateral

    /// @notice Refuses what a withdrawal of `amount` in cash would be refused for, except for want of cash; charges the account what that would be charged.
    function authorizeCollateral(address account, uint256 amount, address[] calldata settleFirst) external;

    /// @notice Whether the account holds collateral, which then counts in its net.
    function setPledging(address account, bool pledging) external;

    // --------------------------------------------------------------- the fund

    /// @notice Sends to the fund all fees, all levies (penalties and contributions), and the cash of its own account, which its claims
    /// on the premium have turned into.
    function collect() external returns (uint256 fees, uint256 levies, uint256 premium);

    // ------------------------------------------------------------- governance

    /// @notice Seconds new claims in `market` wait before they can turn into cash (at most 7 days).
    function setMaturity(uint16 market, uint24 maturity) external;

    // ------------------------------------------------------------------ views

    function asset() external view returns (address);
    function assetDecimals() external view returns (uint8);
    function collateral() external view returns (address);
    function cashOf(address account) external view returns (uint256);
    function claimsOf(address account, uint16 market) external view returns (uint256);
    function claimOf(
        address account,
        uint16 market
    ) external view returns (uint256 value, uint256 units, uint256 maturesAt);
    function debtOf(address account, uint16 market) external view returns (uint256);
    function inDebt(address account) external view returns (bool);
    /// @notice Reverts unless the account may trade, take over positions and withdraw: not in debt, and not holding collateral that is to pay for an open default.
    function requireFree(address account) external view;
    /// @notice Bit m of each is set where the account has claims, or debt, in market m.
    function ledgerMarkets(address account) external view returns (uint64 claimMarkets, uint64 debtMarkets);
    /// @notice cash + value of claims - debt + value of collateral, in units of S.
    function net(address account) external view returns (int256);
    function marketLedger(uint16 market) external view returns (MarketLedger memory);
    /// @notice The market's unpaid profit: the value of all claims in it.
    function totalClaims(uint16 market) external view returns (uint256);
    /// @notice Collected from accounts and not yet handed to the fund; levies: penalties and contributions.
    function uncollected() external view returns (uint256 fees, uint256 levies);
    /// @notice Every account that ever had cash, collateral or a profit, in the order of their first (only the fund has a profit without the others).
    function accountCount() external view returns (uint256);
    function accounts(uint256 offset, uint256 limit) external view returns (address[] memory page);
}
