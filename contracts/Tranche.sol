// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC165} from "@openzeppelin/contracts/interfaces/IERC165.sol";
import {IERC4626} from "@openzeppelin/contracts/interfaces/IERC4626.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuard} from "@openzeppelin/contracts/utils/ReentrancyGuard.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {EpochShares} from "./EpochShares.sol";
import {IInsuranceFund} from "./interfaces/IInsuranceFund.sol";
import {IERC7540Operator, IERC7540Redeem, ITranche} from "./interfaces/ITranche.sol";

/// @title Tranche
/// @notice SPECIFICATION.md section 6.
/// - Assets are what the fund has booked for this layer, so S that is merely sent here or there changes no price.
/// - Virtual shares (1e6) and one virtual unit of S stand in every conversion, and every conversion rounds against the caller: the
///   share price falls only through a loss (P7), and no division is by zero.
/// - Batch b is priced by the second roll after its requests, so at most two batches wait, and nobody chooses the moment of exit.
/// - Shares belong to the share epoch in which they were minted (EpochShares); so do requests, until they are priced.
contract Tranche is ITranche, EpochShares, AccessManaged, ReentrancyGuard {
    using Math for uint256;
    using SafeERC20 for IERC20Metadata;

    // ------------------------------------------------------------------ types

    /// @dev All requests of one batch. Priced once two batches have followed.
    struct Batch {
        uint160 shares;
        uint24 shareEpoch;
        uint128 assets; // that the shares were worth
    }

    /// @dev One slot: what a controller has requested in one batch and not yet claimed. A controller's newest request lies at NEWEST
    /// and knows where the older ones lie: at [first, last), oldest first.
    struct Request {
        uint160 shares;
        uint24 batch;
        uint24 shareEpoch;
        uint24 first; // of the newest only
        uint24 last; // of the newest only
    }

    // -------------------------------------------------------------- constants

    uint8 internal constant DECIMALS_OFFSET = 6;
    uint256 internal constant VIRTUAL_SHARES = 10 ** DECIMALS_OFFSET;
    uint256 internal constant MAX_SUPPLY = type(uint160).max; // so that every request fits
    uint256 internal constant NEWEST = type(uint256).max;
    uint256 internal constant MIN_EPOCH_DURATION = 1 days;
    uint256 internal constant MAX_EPOCH_DURATION = 30 days;

    // ---------------------------------------------------------------- storage

    IERC20Metadata internal immutable _ASSET;
    IInsuranceFund internal immutable _FUND;

    uint24 internal _currentBatch = 1;
    uint40 internal _lastRollAt;
    uint32 internal _epochDuration;
    mapping(uint256 id => Batch) internal _batches;
    mapping(address controller => mapping(uint256 position => Request)) internal _requests;
    /// @inheritdoc IERC7540Operator
    mapping(address controller => mapping(address operator => bool)) public isOperator;

    constructor(
        address manager,
        address asset_,
        address fund_,
        string memory name_,
        string memory symbol_,
        uint32 epochDuration_
    ) EpochShares(name_, symbol_, IERC20Metadata(asset_).decimals() + DECIMALS_OFFSET) AccessManaged(manager) {
        if (fund_ == address(0)) revert ZeroAddress();
        _ASSET = IERC20Metadata(asset_);
        _FUND = IInsuranceFund(fund_);
        _lastRollAt = uint40(block.timestamp);
        _setEpochDuration(epochDuration_);
    }

    // ------------------------------------------------------------------ entry

    /// @inheritdoc IERC4626
    function deposit(uint256 assets, address receiver) external nonReentrant returns (uint256 shares) {
        shares = previewDeposit(assets);
        _enter(assets, shares, receiver);
    }

    /// @inheritdoc IERC4626
    function mint(uint256 shares, address receiver) external nonReentrant returns (uint256 assets) {
        assets = previewMint(shares);
        _enter(assets, shares, receiver);
    }

    function _enter(uint256 assets, uint256 shares, address receiver) private {
        if (!_FUND.gateOpen()) revert GateClosed();
        if (shares == 0) revert ZeroShares();
        uint256 epoch = shareEpoch();
        uint256 free = MAX_SUPPLY - _supply[epoch];
        if (shares > free) revert CapacityExceeded(shares, free);
        _mint(epoch, receiver, shares);

        uint256 held = _ASSET.balanceOf(address(_FUND));
        _ASSET.safeTransferFrom(msg.sender, address(_FUND), assets);
        _requireReceived(address(_FUND), assets, held);
        _FUND.stake(assets);
        emit Deposit(msg.sender, receiver, assets, shares);
    }

    // ------------------------------------------------------------------- exit

    /// @inheritdoc IERC7540Redeem
    function requestRedeem(uint256 shares, address controller, address owner) external returns (uint256 requestId) {
        if (shares == 0) revert ZeroShares();
        if (controller == address(0)) revert ZeroAddress();
        if (msg.sender != owner && !isOperator[owner][msg.sender]) _spendAllowance(owner, msg.sender, shares);
        uint256 epoch = shareEpoch();
        requestId = _currentBatch;
        _transfer(epoch, owner, address(this), shares);

        Batch storage current = _batches[requestId];
        current.shares = uint160(shares + (current.shareEpoch == epoch ? current.shares : 0));
        current.shareEpoch = uint24(epoch);

        Request memory newest = _requests[controller][NEWEST];
        if (newest.batch != requestId || newest.shareEpoch != epoch) {
            if (newest.batch != requestId && newest.shares > 0) _requests[controller][newest.last++] = newest;
            newest.batch = uint24(requestId);
            newest.shareEpoch = uint24(epoch);
            newest.shares = 0;
        }
        newest.shares += uint160(shares);
        _requests[controller][NEWEST] = newest;
        emit RedeemRequest(controller, owner, requestId, msg.sender, shares);
    }

    /// @inheritdoc ITranche
    function roll() external nonReentrant {
        uint256 endsAt = uint256(_lastRollAt) + _epochDuration;
        if (block.timestamp < endsAt) revert EpochNotOver(endsAt);
        if (!_FUND.gateOpen()) revert GateClosed();
        (uint256 total, uint256 epoch) = _FUND.trancheState(address(this));
        uint256 id = _currentBatch++ - 1;
        _lastRollAt = uint40(block.timestamp);

        Batch storage priced = _batches[id];
        if (priced.shareEpoch != epoch) delete _batches[id]; // void
        uint256 shares = priced.shares;
        uint256 assets = _toAssets(shares, total, _supply[epoch], Math.Rounding.Floor);
        emit BatchPriced(id, shares, assets);
        if (shares == 0) return;
        priced.assets = uint128(assets);
        _burn(epoch, address(this), shares);

        uint256 held = _ASSET.balanceOf(address(this));
        _FUND.unstake(assets, _supply[epoch] > 0);
        _requireReceived(address(this), assets, held);
    }

    /// @inheritdoc IERC4626
    function redeem(uint256 shares, address receiver, address controller) external returns (uint256 assets) {
        (, assets) = _claim(shares, false, receiver, controller);
    }

    /// @inheritdoc IERC4626
    function withdraw(uint256 assets, address receiver, address controller) external returns (uint256 shares) {
        (shares, ) = _claim(assets, true, receiver, controller);
    }

    /// @dev Takes `wanted` shares, or units of S, from the controller's priced requests, oldest first; within a batch, shares are
    /// rounded up and S down.
    function _claim(
        uint256 wanted,
        bool inAssets,
        address receiver,
        address controller
    ) private nonReentrant returns (uint256 shares, uint256 assets) {
        if (msg.sender != controller && !isOperator[controller][msg.sender]) {
            revert NotOwnerOrOperator(msg.sender, controller);
        }
        if (receiver == address(0)) revert ZeroAddress();
        Request storage newest = _requests[controller][NEWEST];
        uint256 last = newest.last;
        uint256 position = newest.first;
        for (; position <= last; ++position) {
            Request storage request = position == last ? newest : _requests[controller][position];
            (uint256 takeShares, uint256 takeAssets) = _claimable(request);
            bool whole = inAssets ? assets + takeAssets <= wanted : shares + takeShares <= wanted;
            ...
        }
    }
}
