// SPDX-License-Identifier: MIT
pragma solidity >=0.8.28;

/// @title The reserve
/// @notice What the insurance fund's skin in the game holds beside S: other stablecoins, and shares of them. They come as gifts or are bought with skin,
/// and turn into S only where somebody buys them, whose S goes to skin. SPECIFICATION.md section 6.3 fixes the arithmetic.
/// @dev Assets are numbered as in IStablecoins. Amounts of an asset: units of its token; worth, value, cost: units of S. Ratios: ppm.
interface IReserve {
    // ----------------------------------------------------------------- events

    event Contributed(uint256 indexed asset, address indexed from, uint256 amount);
    /// @notice The reserve sells the asset, or buys it, until `endsAt`. An auction in the other direction has ended.
    event AuctionStarted(uint256 indexed asset, bool buying, uint256 endsAt);
    /// @notice The reserve sold: `buyer` paid `cost` to skin.
    event AssetSold(uint256 indexed asset, address indexed buyer, address to, uint256 amount, uint256 cost);
    /// @notice The reserve bought: skin paid `paid`.
    event AssetBought(uint256 indexed asset, address indexed seller, address to, uint256 amount, uint256 paid);

    // ----------------------------------------------------------------- errors

    error ZeroAddress();
    error ZeroAmount();
    error CapExceeded(uint256 asset, uint256 total, uint256 cap);
    error AdvanceOpen();
    error NothingToConvert(uint256 asset);
    error AuctionRunning(uint256 asset, uint256 endsAt);
    error AuctionNotRunning(uint256 asset);
    error NoPrice(uint256 asset);
    error OffPeg(uint256 asset);
    error GateClosed();
    error CostAboveMax(uint256 cost, uint256 maxCost);
    error PaymentBelowMin(uint256 paid, uint256 minPaid);
    error InexactTransfer(uint256 expected, uint256 received);

    // ------------------------------------------------------------- for anyone

    /// @notice A gift. Nothing takes it back. Refused while an advance is open: a little of it would keep a worthless reserve from being written off.
    function contribute(uint256 asset, uint256 amount) external;

    /// @notice Starts an auction in which the reserve sells what is above the asset's weight (or pays back an advance), or buys what is below it.
    function start(uint256 asset) external;

    /// @notice Buys from the reserve, at most what it has to sell now.
    /// @param amount at most so many units. @param maxCost units of S that they may cost.
    function buy(
        uint256 asset,
        uint256 amount,
        address to,
        uint256 maxCost
    ) external returns (uint256 bought, uint256 cost);

    /// @notice Sells to the reserve, at most what it wants and skin can pay.
    /// @param amount at most so many units. @param minPaid units of S that `to` must get.
    function sell(
        uint256 asset,
        uint256 amount,
        address to,
        uint256 minPaid
    ) external returns (uint256 sold, uint256 paid);

    // ------------------------------------------------------------------ views

    /// @notice R: what all of it counts for.
    function value() external view returns (uint256);
    /// @notice W: skin in S, and what all of the reserve is worth.
    function worth() external view returns (uint256);
    function amountOf(uint256 asset) external view returns (uint256);
    /// @notice What the reserve holds of an asset is worth, and by its weight should be; only what is more than `band` off is converted.
    function weighing(uint256 asset) external view returns (uint256 worth, uint256 target, uint256 band);
    /// @notice The last auction. It runs while the time is below `endsAt`; both times are 0 where there was none.
    function auctionOf(uint256 asset) external view returns (uint256 startedAt, uint256 endsAt, bool buying);
    /// @notice What `buy` (or, where the reserve is buying, `sell`) would convert of `amount` now, and for how much S; reverts where it would.
    function quote(uint256 asset, uint256 amount) external view returns (uint256 units, uint256 price);
    function stablecoins() external view returns (address);
    function fund() external view returns (address);
}
