// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IClearingHouse} from "./interfaces/IClearingHouse.sol";

/// @title ParameterBounds
/// @notice The hard bounds of the clearing house's parameters, on one page. Stateless; the clearing house creates its own
/// copy and asks it before it accepts any parameter.
contract ParameterBounds {
    error ParameterOutOfBounds(bytes32 name, uint256 value, uint256 min, uint256 max);

    function checkMarket(IClearingHouse.MarketParameters calldata p) external pure {
        _bound("initialMarginRatio", p.initialMarginRatio, 10_000, 1_000_000); // 1% to 100%
        _bound("maintenanceMarginRatio", p.maintenanceMarginRatio, 5000, uint256(p.initialMarginRatio) - 1);
        _bound("makerFee", p.makerFee, 0, 10_000); // to 1%
        _bound("takerFee", p.takerFee, 0, 10_000);
        _bound("priceBand", p.priceBand, 100, 200_000); // 0.01% to 20%
        _bound("maxFundingRate", p.maxFundingRate, 0, 100_000); // to 10% a period
        _bound("fundingPeriod", p.fundingPeriod, 1 hours, 7 days);
    }

    function checkLiquidation(IClearingHouse.LiquidationParameters calldata p) external pure {
        _bound("bountyMax", p.bountyMax, 0, 100_000); // to 10%
        _bound("bountyStart", p.bountyStart, 0, p.bountyMax);
        _bound("penalty", p.penalty, 0, 50_000); // to 5%
        _bound("auctionDuration", p.auctionDuration, 1 minutes, 1 days);
        _bound("minNotional", p.minNotional, 1, type(uint96).max); // units of S
        _bound("closeBand", p.closeBand, 0, 500_000); // to 50%
    }

    function _bound(bytes32 name, uint256 value, uint256 min, uint256 max) private pure {
        if (value < min || value > max) revert ParameterOutOfBounds(name, value, min, max);
    }
}
