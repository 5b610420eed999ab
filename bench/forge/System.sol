// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IClearingHouse} from "../../contracts/interfaces/IClearingHouse.sol";
import {IFundingPolicy} from "../../contracts/interfaces/IFundingPolicy.sol";
import {IGuarantyFund} from "../../contracts/interfaces/IGuarantyFund.sol";
import {IInsuranceFund} from "../../contracts/interfaces/IInsuranceFund.sol";
import {IMarkets} from "../../contracts/interfaces/IMarkets.sol";
import {IPriceOracle} from "../../contracts/interfaces/IPriceOracle.sol";
import {ITranche} from "../../contracts/interfaces/ITranche.sol";
import {IVault} from "../../contracts/interfaces/IVault.sol";
import {TestFeed} from "../../contracts/mocks/TestFeed.sol";
import {TestToken} from "../../contracts/mocks/TestToken.sol";
import {VM} from "./Cheats.sol";

uint256 constant MARKETS = 3;
uint256 constant DOLLAR = 1e6; // in units of S
uint256 constant SCALE = 1e30; // size * price / SCALE is an amount of S
uint256 constant MILLION = 1e6;
uint256 constant MAKER_FEE = 200; // ppm
uint256 constant TAKER_FEE = 500; // ppm
uint256 constant COINSURANCE = 200_000; // ppm
uint256 constant MIN_NOTIONAL = 10 * DOLLAR;
uint256 constant AUCTION = 600; // seconds
address constant TREASURY = address(0x7ea5);

/// @dev First prices, in dollars.
function anchor(uint256 market) pure returns (uint256) {
    return
        market == 0
            ? 20_000
            : market == 1
                ? 1500
                : 1;
}

/// @title What weir.deployment deploys, from the same creation code
/// @notice Small numbers, so that a gap exhausts the fund: prices, money and the fund's size are those of the model's campaigns.
/// @dev The deployer stays administrator: the campaign governs nothing. Code comes from the manifest that `make setup` leaves, so the
/// bytecode is the project's to the last byte, and forge compiles the campaign only.
abstract contract System {
    struct Parts {
        TestToken token;
        TestFeed[MARKETS] feeds;
        IPriceOracle oracle;
        IVault vault;
        IClearingHouse house;
        IInsuranceFund fund;
        ITranche junior;
        ITranche senior;
    }

    string private constant MANIFEST = ".build/__local__.json";

    Parts internal _parts;

    function _deploy() internal {
        VM.warp(1_700_000_000);
        VM.roll(1000);
        Parts memory p;
        p.token = TestToken(_create("TestToken", abi.encode("Test Dollar", "tUSD", uint8(6))));
        for (uint256 m; m < MARKETS; ++m) {
            p.feeds[m] = TestFeed(_create("TestFeed", abi.encode(uint8(8), int256(anchor(m) * 1e8))));
        }
        _createSystem(p);
        _addMarkets(p);
        _parts = p;
    }

    function _createSystem(Parts memory p) private {
        // Each of these knows others as immutables, so their addresses are computed from the nonces to come.
        address[10] memory planned;
        uint256 nonce = VM.getNonce(address(this));
        for (uint256 i; i < planned.length; ++i) planned[i] = VM.computeCreateAddress(address(this), nonce + i);
        (p.oracle, p.vault, p.house, p.fund) = (
            IPriceOracle(planned[1]),
            IVault(planned[2]),
            IClearingHouse(planned[5]),
            IInsuranceFund(planned[6])
        );
        (p.junior, p.senior) = (ITranche(planned[7]), ITranche(planned[8]));

        bytes[10] memory arguments = [
            abi.encode(address(this)),
            abi.encode(planned[0]),
            abi.encode(planned[0], p.token, p.house, p.fund),
            abi.encode(planned[0], p.vault, p.house, p.fund, planned[9], _funding()),
            abi.encode(planned[0], p.vault, p.fund, p.oracle, planned[3], _liquidation()),
            abi.encode(planned[0], p.vault, p.fund, p.oracle, planned[3], _liquidation(), planned[4]),
            bytes.concat(
                abi.encode(planned[0], p.token, p.vault, p.house, p.junior, p.senior, planned[9], TREASURY),
                abi.encode(planned[3], _income())
            ),
            abi.encode(planned[0], p.token, p.fund, "Weir Junior Tranche", "wJUN", uint32(1 days)),
            abi.encode(planned[0], p.token, p.fund, "Weir Senior Tranche", "wSEN", uint32(1 days)),
            abi.encode(planned[0], p.token, p.vault, p.house, p.fund, planned[3], _guaranty())
        ];
        string[10] memory names = [
            "Authority",
            "PriceOracle",
            "Vault",
            "FundingPolicy",
            "Liquidations",
            "ClearingHouse",
            "InsuranceFund",
            "Tranche",
            "Tranche",
            "GuarantyFund"
        ];
        for (uint256 i; i < planned.length; ++i) require(_create(names[i], arguments[i]) == planned[i], names[i]);
    }

    function _addMarkets(Parts memory p) private {
        for (uint16 m; m < MARKETS; ++m) {
            p.oracle.setFeed(m, address(p.feeds[m]), 2 days, 1e10, 1e30);
            p.house.addMarket(bytes32("M"), _market());
            p.fund.setMarketCover(m, 500_000, uint32(COINSURANCE));
            p.vault.setMaturity(m, m == 2 ? 1 hours : 0);
        }
    }

    function _market() private pure returns (IMarkets.MarketParameters memory) {
        return
            IMarkets.MarketParameters({
                initialMarginRatio: 50_000,
                maintenanceMarginRatio: 30_000,
                makerFee: uint24(MAKER_FEE),
                takerFee: uint24(TAKER_FEE),
                priceBand: 20_000,
                maxFundingRate: 500,
                fundingPeriod: 8 hours,
                maxOpenInterest: 1e33
            });
    }

    function _liquidation() private pure returns (IMarkets.LiquidationParameters memory) {
        return
            IMarkets.LiquidationParameters({
                bountyStart: 2000,
                bountyMax: 15_000,
                penalty: 5000,
                auctionDuration: uint32(AUCTION),
                minNotional: uint128(MIN_NOTIONAL),
                closeBand: 100_000
            });
    }

    function _income() private pure returns (IInsuranceFund.Parameters memory) {
        return
            IInsuranceFund.Parameters({
                skinTarget: uint128(400 * DOLLAR),
                juniorShare: 600_000,
                streamDuration: 7 days,
                budgetWindow: 1 days,
                memberShare: 0
            });
    }

    /// @dev Nobody joins.
    function _guaranty() private pure returns (IGuarantyFund.Parameters memory) {
        return
            IGuarantyFund.Parameters({
                minContribution: uint96(DOLLAR),
                noticePeriod: 14 days,
                exitWindow: 3 days,
                lossWindow: 1 days,
                lossShare: 500_000
            });
    }

    /// @dev It shares out fees, and asks nothing of traders.
    function _funding() private pure returns (IFundingPolicy.Parameters memory p) {
        (p.targetRatio, p.maxTargetRatio) = (50_000, 200_000);
        (p.shareAtTarget, p.shareSlope, p.shareMin, p.shareMax) = (800_000, 400_000, 500_000, 1_000_000);
        (p.leverageFrom, p.leverageTo) = (5_000_000, 20_000_000);
        (p.targetLifetime, p.tierLifetime, p.maxStep) = (2 days, 30 days, 250_000);
        p.capFloor = type(uint96).max;
    }

    /// @dev The manifest takes a megabyte of memory, which a call of its own gives back.
    function creationCode(string calldata name) external view returns (bytes memory) {
        string memory key = string.concat(".contractTypes.", name, ".deploymentBytecode.bytecode");
        return VM.parseJsonBytes(VM.readFile(MANIFEST), key);
    }

    function _create(string memory name, bytes memory arguments) private returns (address made) {
        bytes memory code = bytes.concat(this.creationCode(name), arguments);
        assembly {
            made := create(0, add(code, 32), mload(code))
        }
        require(made != address(0), name);
    }
}
