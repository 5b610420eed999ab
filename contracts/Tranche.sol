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
/// - Virtual shares (1e6) and one virtual unit of S stand in every conversion, and every conversion rounds against the
///   caller: the share price falls only through a loss (P7), and no division is by zero.
/// - Batch b is priced by the second roll after its requests, so at most two batches wait, and nobody chooses the
///   moment of exit.
/// - Shares belong to the share epoch in which they were minted (EpochShares); so do requests, until they are priced.
contract Tranche is ITranche, EpochShares, AccessManaged, ReentrancyGuard {
    using Math for uint256;
    using SafeERC20 for IERC20Metadata;

    // ------------------------------------------------------------------ types

    /// @dev All requests of one batch.
    struct Batch {
        uint160 shares;
        uint24 shareEpoch;
        uint96 assets; // that the shares were worth, units of S
    }

    /// @dev One slot: what a controller has requested in one batch and not yet claimed. The controller's newest request
    /// is kept at NEWEST and knows where the older ones lie: at [first, last), oldest first.
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
    bytes4 internal constant ERC7575_ID = 0x2f0a18c5;
    uint256 internal constant MIN_EPOCH_DURATION = 1 days;
    uint256 internal constant MAX_EPOCH_DURATION = 30 days;

    // ---------------------------------------------------------------- storage

    IERC20Metadata internal immutable _ASSET;
    IInsuranceFund internal immutable _FUND;

    uint32 public epochDuration;
    uint40 internal _lastRollAt;
    uint24 internal _currentBatch = 1;
    mapping(uint256 id => Batch) internal _batches;
    mapping(address controller => mapping(uint256 position => Request)) internal _requests;
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
        (uint256 total, uint256 supply, uint256 epoch) = _state();
        shares = assets.mulDiv(supply + VIRTUAL_SHARES, total + 1);
        _enter(assets, shares, receiver, supply, epoch);
    }

    /// @inheritdoc IERC4626
    function mint(uint256 shares, address receiver) external nonReentrant returns (uint256 assets) {
        (uint256 total, uint256 supply, uint256 epoch) = _state();
        assets = shares.mulDiv(total + 1, supply + VIRTUAL_SHARES, Math.Rounding.Ceil);
        _enter(assets, shares, receiver, supply, epoch);
    }

    function _enter(uint256 assets, uint256 shares, address receiver, uint256 supply, uint256 epoch) private {
        if (!_FUND.gateOpen()) revert GateClosed();
        if (shares == 0) revert ZeroShares();
        if (shares > MAX_SUPPLY - supply) revert SupplyCapExceeded(shares, MAX_SUPPLY - supply);
        _mint(epoch, receiver, shares);
        emit Deposit(msg.sender, receiver, assets, shares);

        uint256 held = _ASSET.balanceOf(address(_FUND));
        _ASSET.safeTransferFrom(msg.sender, address(_FUND), assets);
        _requireReceived(address(_FUND), assets, held);
        _FUND.stake(assets);
    }

    // ------------------------------------------------------------------- exit

    /// @inheritdoc IERC7540Redeem
    function requestRedeem(uint256 shares, address controller, address owner) external returns (uint256 requestId) {
        if (shares == 0) revert ZeroShares();
        if (controller == address(0)) revert ZeroAddress();
        if (msg.sender != owner && !isOperator[owner][msg.sender]) _spendAllowance(owner, msg.sender, shares);
        uint256 epoch = shareEpoch();
        _transfer(epoch, owner, address(this), shares);
        requestId = _currentBatch;
        emit RedeemRequest(controller, owner, requestId, msg.sender, shares);

        Batch storage current = _batches[requestId];
        current.shares = uint160(current.shareEpoch == epoch ? current.shares + shares : shares);
        current.shareEpoch = uint24(epoch);

        Request memory newest = _requests[controller][NEWEST];
        if (newest.batch != requestId && newest.shares > 0) _requests[controller][newest.last++] = newest;
        if (newest.batch != requestId || newest.shareEpoch != epoch) {
            (newest.shares, newest.batch, newest.shareEpoch) = (0, uint24(requestId), uint24(epoch));
        }
        newest.shares += uint160(shares);
        _requests[controller][NEWEST] = newest;
    }

    /// @inheritdoc ITranche
    function roll() external nonReentrant {
        uint256 endsAt = uint256(_lastRollAt) + epochDuration;
        if (block.timestamp < endsAt) revert EpochNotOver(endsAt);
        if (!_FUND.gateOpen()) revert GateClosed();
        (uint256 total, uint256 supply, uint256 epoch) = _state();
        _lastRollAt = uint40(block.timestamp);
        uint256 id = _currentBatch++ - 1;

        Batch storage priced = _batches[id];
        if (priced.shareEpoch != epoch) delete _batches[id]; // requested before a wipe-out
        uint256 shares = priced.shares;
        uint256 assets = shares.mulDiv(total + 1, supply + VIRTUAL_SHARES);
        emit BatchPriced(id, shares, assets);
        if (shares > 0) {
            priced.assets = uint96(assets);
            _burn(epoch, address(this), shares);
        }

        uint256 held = _ASSET.balanceOf(address(this));
        _FUND.unstake(assets, shares < supply);
        _requireReceived(address(this), assets, held);
    }

    /// @inheritdoc IERC4626
    function redeem(
        uint256 shares,
        address receiver,
        address controller
    ) external nonReentrant returns (uint256 assets) {
        (, assets) = _claim(shares, false, receiver, controller);
    }

    /// @inheritdoc IERC4626
    function withdraw(
        uint256 assets,
        address receiver,
        address controller
    ) external nonReentrant returns (uint256 shares) {
        (shares, ) = _claim(assets, true, receiver, controller);
    }

    /// @dev Takes `wanted` shares (or units of S) out of the controller's priced requests, oldest first. A part of a
    /// request rounds shares up and S down.
    function _claim(
        uint256 wanted,
        bool inAssets,
        address receiver,
        address controller
    ) private returns (uint256 shares, uint256 assets) {
        if (msg.sender != controller && !isOperator[controller][msg.sender]) {
            revert NotOwnerOrOperator(msg.sender, controller);
        }
        if (receiver == address(0)) revert ZeroAddress();
        (uint256 position, uint256 last) = _positions(controller);
        uint256 left = wanted;
        while (left > 0 && position <= last) {
            Request storage request = _requestAt(controller, position, last);
            if (!_isPriced(request.batch)) break;
            (uint256 takeShares, uint256 takeAssets) = _claimable(request);
            if (left < (inAssets ? takeAssets : takeShares)) {
                Batch storage priced = _batches[request.batch];
                if (inAssets) {
                    (takeShares, takeAssets) = (left.mulDiv(priced.shares, priced.assets, Math.Rounding.Ceil), left);
                } else {
                    (takeShares, takeAssets) = (left, left.mulDiv(priced.assets, priced.shares));
                }
                request.shares -= uint160(takeShares);
            } else {
                request.shares = 0;
                ++position;
            }
            shares += takeShares;
            assets += takeAssets;
            left -= inAssets ? takeAssets : takeShares;
        }
        if (left > 0) revert ClaimExceeded(wanted, wanted - left);
        _requests[controller][NEWEST].first = uint24(Math.min(position, last));
        emit Withdraw(msg.sender, receiver, controller, assets, shares);
        if (assets > 0) _ASSET.safeTransfer(receiver, assets);
    }

    /// @inheritdoc IERC7540Operator
    function setOperator(address operator, bool approved) external returns (bool) {
        isOperator[msg.sender][operator] = approved;
        emit OperatorSet(msg.sender, operator, approved);
        return true;
    }

    // ------------------------------------------------------------- governance

    /// @inheritdoc ITranche
    function setEpochDuration(uint32 duration) external restricted {
        _setEpochDuration(duration);
    }

    // ------------------------------------------------------- views: the shares

    /// @inheritdoc ITranche
    function shareEpoch() public view override(ITranche, EpochShares) returns (uint256) {
        return _FUND.shareEpochOf(address(this));
    }

    /// @inheritdoc IERC4626
    function asset() external view returns (address) {
        return address(_ASSET);
    }

    /// @inheritdoc ITranche
    function share() external view returns (address) {
        return address(this);
    }

    /// @inheritdoc ITranche
    function fund() external view returns (address) {
        return address(_FUND);
    }

    /// @inheritdoc IERC4626
    function totalAssets() external view returns (uint256 total) {
        (total, , ) = _state();
    }

    /// @inheritdoc IERC4626
    function convertToShares(uint256 assets) public view returns (uint256) {
        (uint256 total, uint256 supply, ) = _state();
        return assets.mulDiv(supply + VIRTUAL_SHARES, total + 1);
    }

    /// @inheritdoc IERC4626
    function convertToAssets(uint256 shares) public view returns (uint256) {
        (uint256 total, uint256 supply, ) = _state();
        return shares.mulDiv(total + 1, supply + VIRTUAL_SHARES);
    }

    /// @inheritdoc IERC4626
    function previewDeposit(uint256 assets) external view returns (uint256) {
        return convertToShares(assets);
    }

    /// @inheritdoc IERC4626
    function previewMint(uint256 shares) external view returns (uint256) {
        (uint256 total, uint256 supply, ) = _state();
        return shares.mulDiv(total + 1, supply + VIRTUAL_SHARES, Math.Rounding.Ceil);
    }

    /// @inheritdoc IERC4626
    function maxDeposit(address) external view returns (uint256) {
        if (!_FUND.gateOpen()) return 0;
        (uint256 total, uint256 supply, ) = _state();
        uint256 forShares = (MAX_SUPPLY - supply).saturatingMul(total + 1) / (supply + VIRTUAL_SHARES);
        return Math.min(_FUND.capacity(), forShares);
    }

    /// @inheritdoc IERC4626
    function maxMint(address) external view returns (uint256) {
        if (!_FUND.gateOpen()) return 0;
        (uint256 total, uint256 supply, ) = _state();
        uint256 forAssets = _FUND.capacity().mulDiv(supply + VIRTUAL_SHARES, total + 1);
        return Math.min(MAX_SUPPLY - supply, forAssets);
    }

    // ------------------------------------------------------- views: redemption

    /// @inheritdoc IERC4626
    function maxRedeem(address controller) external view returns (uint256 shares) {
        (shares, ) = _allClaimable(controller);
    }

    /// @inheritdoc IERC4626
    function maxWithdraw(address controller) external view returns (uint256 assets) {
        (, assets) = _allClaimable(controller);
    }

    /// @inheritdoc IERC4626
    function previewRedeem(uint256) external pure returns (uint256) {
        revert AsynchronousRedemption();
    }

    /// @inheritdoc IERC4626
    function previewWithdraw(uint256) external pure returns (uint256) {
        revert AsynchronousRedemption();
    }

    /// @inheritdoc IERC7540Redeem
    function pendingRedeemRequest(uint256 requestId, address controller) external view returns (uint256) {
        Request memory request = _find(requestId, controller);
        return _isPriced(requestId) || request.shareEpoch != shareEpoch() ? 0 : request.shares;
    }

    /// @inheritdoc IERC7540Redeem
    function claimableRedeemRequest(uint256 requestId, address controller) external view returns (uint256 shares) {
        if (_isPriced(requestId)) (shares, ) = _claimable(_find(requestId, controller));
    }

    /// @inheritdoc ITranche
    function currentBatch() external view returns (uint256) {
        return _currentBatch;
    }

    /// @inheritdoc ITranche
    function lastRollAt() external view returns (uint256) {
        return _lastRollAt;
    }

    /// @inheritdoc ITranche
    function batch(uint256 id) external view returns (uint256 shares, uint256 assets, bool priced) {
        Batch memory found = _batches[id];
        priced = _isPriced(id);
        if (priced || found.shareEpoch == shareEpoch()) shares = found.shares;
        assets = found.assets;
    }

    /// @inheritdoc IERC165
    function supportsInterface(bytes4 interfaceId) external pure returns (bool) {
        return
            interfaceId == type(IERC165).interfaceId ||
            interfaceId == type(IERC7540Operator).interfaceId ||
            interfaceId == type(IERC7540Redeem).interfaceId ||
            interfaceId == ERC7575_ID;
    }

    // ---------------------------------------------------------------- internal

    /// @dev Assets of the layer (units of S), shares outstanding, and their epoch.
    function _state() private view returns (uint256 total, uint256 supply, uint256 epoch) {
        (total, epoch) = _FUND.trancheState(address(this));
        supply = _supply[epoch];
    }

    function _isPriced(uint256 id) private view returns (bool) {
        return id + 1 < _currentBatch;
    }

    /// @dev What a request in a priced batch can claim: nothing if a wipe-out came before the price.
    function _claimable(Request memory request) private view returns (uint256 shares, uint256 assets) {
        Batch memory priced = _batches[request.batch];
        if (priced.shares == 0 || priced.shareEpoch != request.shareEpoch) return (0, 0);
        return (request.shares, uint256(request.shares).mulDiv(priced.assets, priced.shares));
    }

    function _allClaimable(address controller) private view returns (uint256 shares, uint256 assets) {
        (uint256 position, uint256 last) = _positions(controller);
        for (; position <= last; ++position) {
            Request memory request = _requestAt(controller, position, last);
            if (!_isPriced(request.batch)) break;
            (uint256 moreShares, uint256 moreAssets) = _claimable(request);
            shares += moreShares;
            assets += moreAssets;
        }
    }

    function _find(uint256 id, address controller) private view returns (Request memory request) {
        (uint256 position, uint256 last) = _positions(controller);
        for (; position <= last; ++position) {
            request = _requestAt(controller, position, last);
            if (request.batch == id) return request;
        }
        delete request;
    }

    /// @dev The controller's requests lie at positions first to last, of which the last is kept at NEWEST.
    function _positions(address controller) private view returns (uint256 first, uint256 last) {
        Request storage newest = _requests[controller][NEWEST];
        return (newest.first, newest.last);
    }

    function _requestAt(address controller, uint256 position, uint256 last) private view returns (Request storage) {
        return _requests[controller][position == last ? NEWEST : position];
    }

    function _requireReceived(address receiver, uint256 expected, uint256 heldBefore) private view {
        uint256 received = _ASSET.balanceOf(receiver) - heldBefore;
        if (received != expected) revert InexactTransfer(expected, received);
    }

    function _setEpochDuration(uint32 duration) private {
        if (duration < MIN_EPOCH_DURATION || duration > MAX_EPOCH_DURATION) {
            revert EpochDurationOutOfBounds(duration, MIN_EPOCH_DURATION, MAX_EPOCH_DURATION);
        }
        epochDuration = duration;
        emit EpochDurationSet(duration);
    }
}
