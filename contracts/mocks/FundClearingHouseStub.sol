// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IInsuranceFund} from "../interfaces/IInsuranceFund.sol";

/// @title What the insurance fund sees of a clearing house, its vault and the funding policy, in one contract, for tests
/// @notice S that it holds is what it will hand over as income; whatever the fund pays arrives here.
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

    event Resolved(uint256 fromProfit, uint256 fromFund);
    event Paid(uint256 amount);

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
}
