// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IClearingHouse} from "./interfaces/IClearingHouse.sol";
import {IFundingPolicy} from "./interfaces/IFundingPolicy.sol";
import {IGuarantyFund} from "./interfaces/IGuarantyFund.sol";
import {IInsuranceFund} from "./interfaces/IInsuranceFund.sol";
import {IMarkets} from "./interfaces/IMarkets.sol";
import {IVault} from "./interfaces/IVault.sol";
import {FundingMath} from "./libraries/FundingMath.sol";
import {SideMath} from "./libraries/SideMath.sol";

/// @title FundingPolicy
/// @notice SPECIFICATION.md section 6.1.
/// - It holds no money and moves none: it answers how much, the clearing house and the fund do it.
/// - Everything follows from coverage, the fund's assets over its target. The target is never below the formula's, whatever is posted.
/// - Each market's open interest is noted once an hour; a trade sees its own market as it leaves it.
/// - Nothing here can stop a settlement, a liquidation or a trade that does not raise open interest.
contract FundingPolicy is IFundingPolicy, AccessManaged {
    using SafeCast for uint256;

    /// @dev One slot: what coverage needs.
    struct Exposure {
        uint112 total; // notional of all markets, units of S
        uint96 posted; // target, units of S
        uint40 postedAt;
    }

    /// @dev One slot.
    struct Anchor {
        uint96 target; // units of S
        uint40 since;
        uint40 targetBlock; // of the last target's evidence
        uint40 tiersBlock; // of the last tiers'
    }

    /// @dev One slot.
    struct Tier {
        uint8 tier;
        uint40 postedAt;
        uint40 changedAt;
    }

    uint256 private constant MILLION = 1e6;
    uint256 private constant DEFAULT_TIER = 2;
    uint256 private constant WORST_TIER = 4;
    uint256 private constant STEP_PERIOD = 1 days;

    address public immutable clearingHouse;
    address public immutable fund;
    address public immutable guaranty;
    IVault private immutable _VAULT;
    /// @dev size * price / SCALE is an amount of S.
    uint256 private immutable _SCALE;

    Parameters private _parameters;
    Exposure private _exposure;
    Anchor private _anchor;
    mapping(uint16 market => uint256) private _observed;
    mapping(address account => Tier) private _tiers;

    constructor(
        address manager,
        address vault,
        address clearingHouse_,
        address fund_,
        address guaranty_,
        Parameters memory parameters_
    ) AccessManaged(manager) {
        address[4] memory wiring = [vault, clearingHouse_, fund_, guaranty_];
        for (uint256 i; i < wiring.length; ++i) if (wiring[i] == address(0)) revert ZeroAddress();
        (clearingHouse, fund, guaranty, _VAULT) = (clearingHouse_, fund_, guaranty_, IVault(vault));
        _SCALE = 10 ** (36 - IVault(vault).assetDecimals());
        _setParameters(parameters_);
    }

    modifier onlyClearingHouse() {
        if (msg.sender != clearingHouse) revert OnlyClearingHouse();
        _;
    }

    // -------------------------------------------------- for the clearing house

    /// @inheritdoc IFundingPolicy
    function admit(NewRisk calldata risk) external onlyClearingHouse returns (uint256) {
        Contribution memory c = _contribution(risk);
        if (c.amount == 0) return 0;
        emit ContributionCharged(
            risk.account,
            risk.market,
            c.amount,
            c.scarcity,
            c.concentration,
            c.leverage,
            c.tierRate
        );
        return c.amount;
    }

    /// @inheritdoc IFundingPolicy
    function admitWithdrawal(
        address account,
        int256 equityBefore,
        int256 equityAfter,
        uint256 notional
    ) external onlyClearingHouse returns (uint256 amount) {
        Parameters memory p = _parameters;
        uint256 before = _leverageRate(p, notional, equityBefore);
        uint256 rate = _leverageRate(p, notional, equityAfter);
        if (rate <= before) return 0;
        amount = Math.mulDiv(notional, rate - before, MILLION, Math.Rounding.Ceil);
        if (amount != 0) emit LeverageCharged(account, amount, rate - before);
    }

    /// @inheritdoc IFundingPolicy
    function observe(uint16 market, uint256 notional) external onlyClearingHouse returns (uint256 premiumRate) {
        Exposure memory e = _exposure;
        notional = Math.min(notional, type(uint104).max); // no price may stop a settlement; 256 such markets fit
        e.total = uint112(e.total - _observed[market] + notional);
        _exposure = e;
        _observed[market] = notional;
        uint256 coverage_ = _coverageOf(_parameters, e, e.total, _assets());
        premiumRate = premiumRateAt(coverage_);
        emit MarketObserved(market, notional, coverage_, premiumRate);
    }

    // -------------------------------------------------------------- the poster

    /// @inheritdoc IFundingPolicy
    function postTarget(uint96 amount, Evidence calldata evidence) external restricted {
        (Parameters memory p, Anchor memory anchor) = (_parameters, _anchor);
        _requireInOrder(evidence.blockNumber, anchor.targetBlock);
        bool fresh = _isFresh(_exposure.postedAt, p.targetLifetime);
        if (!fresh || block.timestamp >= anchor.since + STEP_PERIOD) {
            uint256 formula = (_openInterest() * p.targetRatio) / MILLION;
            uint256 from = fresh ? Math.max(formula, _exposure.posted) : formula;
            (anchor.target, anchor.since) = (from.toUint96(), uint40(block.timestamp));
        }
        uint256 step = (uint256(anchor.target) * p.maxStep) / MILLION;
        (uint256 min, uint256 max) = (anchor.target - step, anchor.target + step);
        if (amount < min || amount > max) revert TargetStepTooLarge(amount, min, max);
        anchor.targetBlock = evidence.blockNumber;
        _anchor = anchor;
        (_exposure.posted, _exposure.postedAt) = (amount, uint40(block.timestamp));
        emit TargetPosted(amount, evidence);
    }

    /// @inheritdoc IFundingPolicy
    function postTiers(
        address[] calldata accounts,
        uint8[] calldata tiers,
        Evidence calldata evidence
    ) external restricted {
        if (accounts.length != tiers.length) revert LengthMismatch(accounts.length, tiers.length);
        _requireInOrder(evidence.blockNumber, _anchor.tiersBlock);
        _anchor.tiersBlock = evidence.blockNumber;
        for (uint256 i; i < accounts.length; ++i) {
            _postTier(accounts[i], tiers[i]);
        }
        emit TiersPosted(accounts.length, evidence);
    }

    function _postTier(address account, uint8 tier) private {
        Tier storage entry = _tiers[account];
        (uint256 from, ) = tierOf(account);
        if (tier != from) {
            uint256 min = from == 0 ? 0 : from - 1;
            uint256 max = Math.min(from + 1, WORST_TIER);
            if (tier < min || tier > max) revert TierOutOfBounds(account, tier, min, max);
            uint256 allowedFrom = entry.changedAt == 0 ? 0 : entry.changedAt + STEP_PERIOD;
            if (block.timestamp < allowedFrom) revert TierTooSoon(account, allowedFrom);
            entry.changedAt = uint40(block.timestamp);
        }
        (entry.tier, entry.postedAt) = (tier, uint40(block.timestamp));
        emit TierPosted(account, tier);
    }

    function _requireInOrder(uint256 blockNumber, uint256 last) private view {
        if (blockNumber < last || blockNumber > block.number)
            revert EvidenceOutOfOrder(blockNumber, last, block.number);
    }

    // ------------------------------------------------------------- governance

    /// @inheritdoc IFundingPolicy
    function setParameters(Parameters calldata parameters_) external restricted {
        _setParameters(parameters_);
    }

    // ------------------------------------------------------------------ views

    /// @inheritdoc IFundingPolicy
    function parameters() external view returns (Parameters memory) {
        return _parameters;
    }

    /// @inheritdoc IFundingPolicy
    function target() external view returns (uint256) {
        return _targetOf(_parameters, _exposure, _openInterest());
    }

    /// @inheritdoc IFundingPolicy
    function coverage() public view returns (uint256) {
        return _coverageOf(_parameters, _exposure, _openInterest(), _assets());
    }

    /// @inheritdoc IFundingPolicy
    function coverageWith(uint16 market, uint256 notional) external view returns (uint256) {
        return _coverageWith(_parameters, market, notional, _assets());
    }

    /// @inheritdoc IFundingPolicy
    function fundShare() external view returns (uint256) {
        return fundShareAt(coverage());
    }

    /// @inheritdoc IFundingPolicy
    function openInterestCap() external view returns (uint256) {
        return _capOf(_parameters, _assets());
    }

    /// @inheritdoc IFundingPolicy
    function observed(uint16 market) external view returns (uint256 notional, uint256 total) {
        return (_observed[market], _exposure.total);
    }

    /// @inheritdoc IFundingPolicy
    function postedTarget() external view returns (uint256, uint256, bool) {
        Exposure memory e = _exposure;
        return (e.posted, e.postedAt, _isFresh(e.postedAt, _parameters.targetLifetime));
    }

    /// @inheritdoc IFundingPolicy
    function tierOf(address account) public view returns (uint256 tier, uint256 postedAt) {
        return _tierOf(_parameters, account);
    }

    /// @inheritdoc IFundingPolicy
    function requirementAt(address account, uint256 notional) external view returns (uint256) {
        (uint256 tier, ) = tierOf(account);
        return _requirement(_parameters, tier, notional);
    }

    /// @inheritdoc IFundingPolicy
    function previewContribution(Intent calldata intent) external view returns (Contribution memory c) {
        NewRisk memory risk = _foresee(intent);
        if (risk.increase != 0) c = _contribution(risk);
    }

    // -------------------------------------------------------------- the curves

    /// @inheritdoc IFundingPolicy
    function stressAt(uint256 atCoverage) public view returns (uint256) {
        return FundingMath.stressUp(atCoverage, _parameters.stressFrom, _parameters.stopBelow);
    }

    /// @inheritdoc IFundingPolicy
    function fundShareAt(uint256 atCoverage) public view returns (uint256) {
        Parameters storage p = _parameters;
        if (atCoverage == type(uint256).max) return p.shareMin;
        return FundingMath.shareDown(atCoverage, p.shareAtTarget, p.shareSlope, p.shareMin, p.shareMax);
    }

    /// @inheritdoc IFundingPolicy
    function premiumRateAt(uint256 atCoverage) public view returns (uint256) {
        (uint256 min, uint256 max) = (_parameters.premiumMin, _parameters.premiumMax);
        return min + FundingMath.partUp(max - min, stressAt(atCoverage));
    }

    /// @inheritdoc IFundingPolicy
    function scarcityAt(uint256 atCoverage) external view returns (uint256) {
        return _scarcity(_parameters, atCoverage);
    }

    /// @inheritdoc IFundingPolicy
    function concentrationAt(uint256 share) external view returns (uint256) {
        return _concentration(_parameters, share);
    }

    /// @inheritdoc IFundingPolicy
    function leverageAt(uint256 leverage) external view returns (uint256) {
        return _leverage(_parameters, leverage);
    }

    function _scarcity(Parameters memory p, uint256 coverage_) private pure returns (uint256) {
        return FundingMath.partUp(p.maxScarcity, FundingMath.stressUp(coverage_, p.stressFrom, p.stopBelow));
    }

    function _concentration(Parameters memory p, uint256 share) private pure returns (uint256) {
        return FundingMath.rampUp(share, p.concentrationFrom, MILLION, p.maxConcentration);
    }

    function _leverage(Parameters memory p, uint256 leverage) private pure returns (uint256) {
        return FundingMath.rampUp(leverage, p.leverageFrom, p.leverageTo, p.maxLeverage);
    }

    // ---------------------------------------------------- target and coverage

    function _openInterest() private view returns (uint256) {
        return IClearingHouse(clearingHouse).openInterestNotional();
    }

    function _targetOf(Parameters memory p, Exposure memory e, uint256 notional) private view returns (uint256) {
        uint256 formula = (notional * p.targetRatio) / MILLION;
        if (!_isFresh(e.postedAt, p.targetLifetime)) return formula;
        return Math.max(formula, Math.min(e.posted, (notional * p.maxTargetRatio) / MILLION));
    }

    function _coverageOf(
        Parameters memory p,
        Exposure memory e,
        uint256 notional,
        uint256 assets
    ) private view returns (uint256) {
        uint256 target_ = _targetOf(p, e, notional);
        return target_ == 0 ? type(uint256).max : (assets * MILLION) / target_;
    }

    /// @dev With the market at this notional, the others as they were observed.
    function _coverageWith(
        Parameters memory p,
        uint16 market,
        uint256 notional,
        uint256 assets
    ) private view returns (uint256) {
        Exposure memory e = _exposure;
        return _coverageOf(p, e, e.total - _observed[market] + notional, assets);
    }

    function _capOf(Parameters memory p, uint256 assets) private pure returns (uint256) {
        return Math.max(p.capFloor, (assets * p.capMultiple) / MILLION);
    }

    function _assets() private view returns (uint256) {
        return IInsuranceFund(fund).totalAssets();
    }

    function _isFresh(uint256 postedAt, uint256 lifetime) private view returns (bool) {
        return postedAt != 0 && block.timestamp < postedAt + lifetime;
    }

    // ----------------------------------------------------------- contribution

    function _contribution(NewRisk memory risk) private view returns (Contribution memory c) {
        Parameters memory p = _parameters;
        uint256 notional = SideMath.notionalDown(risk.openInterest, risk.price, _SCALE);
        uint256 assets = _assets();
        c.coverage = _coverageWith(p, risk.market, notional, assets);
        if (risk.opens) {
            if (c.coverage < p.stopBelow) revert NewRiskStopped(c.coverage, p.stopBelow);
            uint256 cap = _capOf(p, assets);
            if (notional > cap) revert OpenInterestAboveFundCap(risk.market, notional, cap);
        }
        (c.tier, ) = _tierOf(p, risk.account);
        _requireMembership(risk.account, _requirement(p, c.tier, risk.notional));
        c.scarcity = _scarcity(p, c.coverage);
        c.concentration = _concentration(p, _shareUp(p, risk, notional));
        c.leverage = _leverageRate(p, risk.notional, risk.equity);
        c.tierRate = p.tierRates[c.tier];
        uint256 rate = c.scarcity + c.concentration + c.leverage + c.tierRate;
        c.amount = SideMath.partUp(risk.increase, risk.price, rate, _SCALE);
    }

    /// @dev Of the notional beyond the threshold: it starts at zero.
    function _requirement(Parameters memory p, uint256 tier, uint256 notional) private pure returns (uint256) {
        uint256 ratio = p.memberRatio + tier * p.memberStep;
        return Math.ceilDiv(Math.saturatingSub(notional, p.memberThreshold) * ratio, MILLION);
    }

    function _requireMembership(address account, uint256 requirement) private view {
        if (requirement == 0) return;
        uint256 balance = IGuarantyFund(guaranty).balanceOf(account);
        if (balance < requirement) revert MembershipRequired(account, balance, requirement);
    }

    /// @dev The account's share of the market's open interest, ppm, at most all of it.
    function _shareUp(Parameters memory p, NewRisk memory risk, uint256 notional) private view returns (uint256) {
        uint256 base = Math.max(notional, p.concentrationFloor);
        uint256 own = SideMath.partUp(risk.size, risk.price, MILLION, _SCALE);
        return own >= base ? MILLION : Math.ceilDiv(own * MILLION, base);
    }

    function _leverageRate(Parameters memory p, uint256 notional, int256 equity) private pure returns (uint256) {
        uint256 leverage = equity > 0 ? Math.ceilDiv(notional * MILLION, uint256(equity)) : type(uint256).max;
        return _leverage(p, leverage);
    }

    function _tierOf(Parameters memory p, address account) private view returns (uint256 tier, uint256 postedAt) {
        Tier memory entry = _tiers[account];
        if (_isFresh(entry.postedAt, p.tierLifetime)) return (entry.tier, entry.postedAt);
        return (DEFAULT_TIER, 0);
    }

    /// @dev The account as the trade would leave it.
    function _foresee(Intent calldata intent) private view returns (NewRisk memory risk) {
        IClearingHouse house = IClearingHouse(clearingHouse);
        IMarkets.MarketState memory market = house.marketState(intent.market);
        int256 from = _size(intent.account, intent.market, market);
        int256 other = _size(intent.counterparty, intent.market, market); // nobody's is 0
        int256 to = from + intent.size;
        bool sameSide = (from > 0) == (to > 0) && from != 0;
        (uint256 before, uint256 size) = (sameSide ? _abs(from) : 0, _abs(to));
        if (size <= before) return risk;

        int256 openInterest = int256(uint256(market.openInterest));
        int256 change = _long(to) - _long(from) + _long(other - intent.size) - _long(other);
        (risk.account, risk.market, risk.price) = (intent.account, intent.market, market.price);
        (risk.increase, risk.size) = (size - before, size);
        risk.openInterest = uint256(openInterest + change);
        risk.opens = change > 0;

        uint256 notional;
        (risk.equity, , , notional) = house.health(intent.account);
        risk.equity -= _cost(intent, house.marketParameters(intent.market), market.price);
        risk.notional =
            notional -
            SideMath.notionalDown(_abs(from), market.price, _SCALE) +
            SideMath.notionalDown(size, market.price, _SCALE);
    }

    /// @dev Fee and difference to the mark, as the house charges them.
    function _cost(
        Intent calldata intent,
        IMarkets.MarketParameters memory p,
        uint256 mark
    ) private view returns (int256) {
        (uint256 size, uint256 price) = (_abs(intent.size), intent.price);
        uint256 fee = SideMath.partUp(size, price, intent.isMaker ? p.makerFee : p.takerFee, _SCALE);
        uint256 difference = SideMath.notionalDown(size, price > mark ? price - mark : mark - price, _SCALE);
        bool pays = (intent.size > 0) == (price > mark);
        return int256(fee) + (pays ? int256(difference) : -int256(difference));
    }

    function _size(address account, uint16 market, IMarkets.MarketState memory s) private view returns (int256 size) {
        IMarkets.Position memory p = IClearingHouse(clearingHouse).position(account, market);
        IMarkets.Side memory side = p.isShort ? s.short : s.long;
        if (p.size == 0 || p.epoch != side.epoch) return 0;
        size = int256(SideMath.sizeDown(p.size, side.multiplier, p.multiplier));
        if (p.isShort) size = -size;
    }

    function _abs(int256 x) private pure returns (uint256) {
        return uint256(x < 0 ? -x : x);
    }

    function _long(int256 x) private pure returns (int256) {
        return x > 0 ? x : int256(0);
    }

    // ------------------------------------------------------------- parameters

    function _setParameters(Parameters memory p) private {
        _bound("targetRatio", p.targetRatio, 0, MILLION);
        _bound("maxTargetRatio", p.maxTargetRatio, p.targetRatio, MILLION);
        _bound("shareMin", p.shareMin, 500_000, MILLION); // at least half of all fees
        _bound("shareMax", p.shareMax, p.shareMin, MILLION);
        _bound("shareAtTarget", p.shareAtTarget, p.shareMin, p.shareMax);
        _bound("shareSlope", p.shareSlope, 0, 10 * MILLION);
        _bound("premiumMax", p.premiumMax, 0, 500_000); // to 50% a year
        _bound("premiumMin", p.premiumMin, 0, p.premiumMax);
        _bound("stressFrom", p.stressFrom, 0, 5 * MILLION); // to five times the target
        _bound("stopBelow", p.stopBelow, 0, Math.min(p.stressFrom, MILLION));
        _bound("maxScarcity", p.maxScarcity, 0, 20_000); // each to 2% of new notional
        _bound("maxConcentration", p.maxConcentration, 0, 20_000);
        _bound("maxLeverage", p.maxLeverage, 0, 20_000);
        _bound("concentrationFrom", p.concentrationFrom, 0, MILLION - 1);
        _bound("leverageTo", p.leverageTo, uint256(p.leverageFrom) + 1, 1000 * MILLION);
        _bound("targetLifetime", p.targetLifetime, 1 hours, 30 days);
        _bound("tierLifetime", p.tierLifetime, 1 days, 365 days);
        _bound("maxStep", p.maxStep, 10_000, MILLION); // 1% to 100% a day
        _bound("memberRatio", p.memberRatio, 0, 200_000); // to 20% of notional
        _bound("memberStep", p.memberStep, 0, 50_000);
        for (uint256 t; t < p.tierRates.length; ++t) {
            _bound("tierRates", p.tierRates[t], t == 0 ? 0 : p.tierRates[t - 1], 20_000);
        }
        _parameters = p;
        emit ParametersSet(p);
    }

    function _bound(bytes32 name, uint256 value, uint256 min, uint256 max) private pure {
        if (value < min || value > max) revert ParameterOutOfBounds(name, value, min, max);
    }
}
