// SPDX-License-Identifier: MIT
pragma solidity >=0.8.28;

import {IERC165} from "@openzeppelin/contracts/interfaces/IERC165.sol";
import {IERC4626} from "@openzeppelin/contracts/interfaces/IERC4626.sol";

/// @title ERC-7540 operators
interface IERC7540Operator {
    event OperatorSet(address indexed controller, address indexed operator, bool approved);

    function setOperator(address operator, bool approved) external returns (bool);
    function isOperator(address controller, address operator) external view returns (bool);
}

/// @title ERC-7540 asynchronous redemption
interface IERC7540Redeem {
    event RedeemRequest(
        address indexed controller,
        address indexed owner,
        uint256 indexed requestId,
        address sender,
        uint256 shares
    );

    function requestRedeem(uint256 shares, address controller, address owner) external returns (uint256 requestId);
    function pendingRedeemRequest(uint256 requestId, address controller) external view returns (uint256 pendingShares);
    function claimableRedeemRequest(
        uint256 requestId,
        address controller
    ) external view returns (uint256 claimableShares);
}

/// @title A tranche of the insurance fund
/// @notice ERC-4626 shares of one loss-bearing layer: entry is immediate, exit by batch, after at least one full epoch.
/// @dev requestId is the batch, from 1. The layer's S lies in the fund, that of priced batches here for the claimants.
/// - While an insolvency is known the gate is closed: no deposit and no pricing of a batch. Requests are taken all the
///   same, since requested shares bear losses like all others; shares can be transferred; claims on priced batches are
///   always paid.
/// - A wipe-out voids all shares at once, requested ones included: balances read zero. What was priced before stays
///   claimable.
/// - redeem and withdraw claim from priced batches, oldest first, for the controller or its operator.
interface ITranche is IERC4626, IERC7540Operator, IERC7540Redeem, IERC165 {
    event BatchPriced(uint256 indexed batch, uint256 shares, uint256 assets);
    event EpochDurationSet(uint256 duration);

    error GateClosed();
    error EpochNotOver(uint256 endsAt);
    error NotOwnerOrOperator(address caller, address owner);
    error ZeroShares();
    error ZeroAddress();
    error AsynchronousRedemption();
    error InexactTransfer(uint256 expected, uint256 received);
    error SupplyCapExceeded(uint256 shares, uint256 capacity);
    error ClaimExceeded(uint256 wanted, uint256 claimable);
    error EpochDurationOutOfBounds(uint256 duration, uint256 min, uint256 max);

    /// @notice Prices the batch before the current one and starts the next: once an epoch, by anyone, the gate open.
    function roll() external;

    /// @notice Governance. Seconds between two rolls; applies to the running epoch too.
    function setEpochDuration(uint32 duration) external;

    function fund() external view returns (address);
    /// @notice The token of the shares: this contract (ERC-7575).
    function share() external view returns (address);
    function currentBatch() external view returns (uint256);
    function lastRollAt() external view returns (uint256);
    function epochDuration() external view returns (uint32);
    /// @notice Number of wipe-outs that shares have been voided by.
    function shareEpoch() external view returns (uint256);
    /// @notice Shares requested in a batch and not void, and, once priced, the assets they are worth.
    function batch(uint256 id) external view returns (uint256 shares, uint256 assets, bool priced);
}
