// SPDX-License-Identifier: MIT
pragma solidity >=0.8.28;

/// @title Other stablecoins
/// @notice What stands beside the settlement token S: stablecoins, and ERC-4626 shares of them or of S. What a unit counts for as margin and in the
/// fund's reserve, and at what price it turns into S. SPECIFICATION.md section 2.1 fixes the arithmetic.
/// @dev Assets are numbered from 0. Amounts of an asset: units of its token. Ratios: ppm.
interface IStablecoins {
    // ------------------------------------------------------------------ types

    struct AssetParameters {
        uint24 haircut; // ppm of its worth that does not count
        uint24 discount; // ppm of its worth that a conversion may lose; at most the haircut
        uint24 weight; // ppm of what skin holds, that the reserve should hold in it
        uint24 maxGrowth; // ppm a year by which a share's rate may grow; ignored for others
        uint96 collateralCap; // units that all accounts together may hold
        uint96 reserveCap; // units that the reserve may hold
    }

    /// @notice Four slots.
    struct Asset {
        address token;
        uint8 decimals; // da
        bool isShare; // of an ERC-4626 vault
        bool ofSettlement; // whose asset is S
        uint8 underlyingDecimals; // du
        AssetParameters parameters;
        uint40 since; // of a share: when the parameters were last set and its vault answered
        uint96 rate; // of a share at that time: units of the underlying for 10^da units
    }

    struct ConversionParameters {
        uint32 saleDuration; // seconds in which an auction's price goes from par to the discount; it runs twice as long
        uint24 rebalanceBand; // ppm of what skin holds: how far an asset may be off its weight
        uint64 parFloor; // 1e-18 of a dollar: the reserve buys nothing that is below
    }

    /// @notice An asset at its present price.
    struct Terms {
        address token;
        uint256 par; // u: min(1e18, the feed's price); 0 without one
        uint256 price; // p: of 10^da units, 1e-18 of a dollar
        uint256 scale; // 10^(18 + da - d): units x p / scale is an amount of S
        AssetParameters parameters;
    }

    // ----------------------------------------------------------------- events

    /// @notice rate, since: of a share, as in Asset.
    event AssetSet(
        uint256 indexed asset,
        address indexed token,
        AssetParameters parameters,
        uint256 rate,
        uint256 since
    );
    event ConversionParametersSet(ConversionParameters parameters);

    // ----------------------------------------------------------------- errors

    error ZeroAddress();
    error UnknownAsset(uint256 asset);
    error TooManyAssets(uint256 max);
    error TokenFixed(uint256 asset, address token);
    error TokenListed(address token);
    error DecimalsOutOfBounds(uint256 decimals, uint256 max);
    error RateOutOfBounds(uint256 rate, uint256 min, uint256 max);
    error ParameterOutOfBounds(bytes32 name, uint256 value, uint256 min, uint256 max);

    // ------------------------------------------------------------- governance

    /// @notice Lists the next asset, or sets the parameters of one that is listed, whose token stays what it is. A share's rate is taken anew if its vault answers; to be listed it must.
    function setAsset(uint256 asset, address token, bool isShare, AssetParameters calldata parameters) external;
    function setConversionParameters(ConversionParameters calldata parameters) external;

    // ------------------------------------------------------------------ views

    /// @notice The asset at its present price; never reverts because of a feed or a vault.
    function terms(uint256 asset) external view returns (Terms memory);
    function asset(uint256 asset) external view returns (Asset memory);
    function assetCount() external view returns (uint256);
    function conversionParameters() external view returns (ConversionParameters memory);
    function oracle() external view returns (address);
    /// @notice S.
    function settlement() external view returns (address);
}
