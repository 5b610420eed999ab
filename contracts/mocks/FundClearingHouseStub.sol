// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IInsuranceFund} from "../interfaces/IInsuranceFund.sol";

/// @title What the insurance fund sees of a clearing house, its vault and the funding policy, in one contract, for tests
/// @notice It plays the guaranty fund too, one that has only what it is told, and lets it pay: `sources` hold for every account and market. And it
/// plays the reserve, which counts for what it is told.
///  S that it holds is what it will hand over as income; whatever the fund pays arrives here.
contract FundClearingHouseStub {
    using SafeERC20 for IERC20;

    IInsuranceFund public fund;
    IERC20 public asset;
    uint256 public insolvencies;
    uint256 public fundShare = 800_000;
    uint256 internal _fees;
    uint256 internal _levies;
    uint256 internal _premium;
    uint256 internal _withheld;

    uint256 public own;
    uint256 public mutual;
    bool public wipes;
    uint256 public totalAssets;

    uint256 public value; // of the reserve

    event Resolved(uint256 fromProfit, uint256 fromFund);
    event Paid(uint256 amount);
    event Borne(address account, uint16 market, uint256 own, uint256 mutual);
    event Earned(uint256 amount);
    event Restored(address account, uint256 own, uint256 mutual);

    constructor(IERC20 asset_) {
        asset = asset_;
    }

    function setFund(IInsuranceFund fund_) external {
        fund = fund_;
    }

    function setInsolvencies(uint256 count) external {
        insolvencies = count;
    }

    /// @param share ppm of fees.
    function setFundShare(uint256 share) external {
        fundShare = share;
    }

    /// @param withheld how much less is sent than announced.
    function setIncome(uint256 fees, uint256 levies, uint256 premium, uint256 withheld) external {
        (_fees, _levies, _premium, _withheld) = (fees, levies, premium, withheld);
    }

    function collect() external returns (uint256 fees, uint256 levies, uint256 premium) {
        (fees, levies, premium) = (_fees, _levies, _premium);
        (_fees, _levies, _premium) = (0, 0, 0);
        asset.safeTransfer(msg.sender, fees + levies + premium - _withheld);
    }

    function resolve(address account, uint16 market, uint256 shortfall, uint256 unpaidProfit) external {
        (uint256 fromProfit, uint256 fromFund) = fund.resolve(account, market, shortfall, unpaidProfit);
        emit Resolved(fromProfit, fromFund);
    }

    function payBounty(uint16 market, uint256 amount) external {
        emit Paid(fund.payBounty(market, amount));
    }

    // ---------------------------------------------------------------- reserve

    /// @notice What the reserve counts for; the fund hears whether it holds anything.
    function setReserve(uint256 value_, bool holds) external {
        value = value_;
        fund.fromReserve(0, holds);
    }

    /// @notice Only what it counts for: a price has changed.
    function setValue(uint256 value_) external {
        value = value_;
    }

    /// @notice Sells for `amount`, which must be here.
    function sellFromReserve(uint256 amount, bool holds) external {
        asset.safeTransfer(address(fund), amount);
        fund.fromReserve(amount, holds);
    }

    function payForReserve(address to, uint256 amount) external {
        fund.payForReserve(to, amount);
    }

    // ----------------------------------------------------------- guaranty fund

    /// @param wipes_ whether a mutual loss takes the last of it.
    function setSources(uint256 own_, uint256 mutual_, bool wipes_) external {
        (own, mutual, wipes, totalAssets) = (own_, mutual_, wipes_, own_ + mutual_);
    }

    function sources(address, uint16) external view returns (uint256, uint256) {
        return (own, mutual);
    }

    /// @notice Total, units, epoch.
    function book() external view returns (uint256, uint256, uint256) {
        return (totalAssets, totalAssets, 0);
    }

    function bear(address account, uint16 market, uint256 own_, uint256 mutual_) external returns (bool) {
        own -= own_;
        mutual -= mutual_;
        totalAssets -= own_ + mutual_;
        emit Borne(account, market, own_, mutual_);
        return wipes && mutual_ != 0;
    }

    function earn(uint256 amount) external {
        totalAssets += amount;
        emit Earned(amount);
    }

    function restore(address account, uint256 own_, uint256 mutual_) external {
        totalAssets += own_ + mutual_;
        emit Restored(account, own_, mutual_);
    }
}
