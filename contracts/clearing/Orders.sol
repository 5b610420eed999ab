// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ECDSA} from "solady/utils/ECDSA.sol";
import {EIP712} from "solady/utils/EIP712.sol";
import {SafeCastLib} from "solady/utils/SafeCastLib.sol";
import {SignatureCheckerLib} from "solady/utils/SignatureCheckerLib.sol";
import {IClearingHouse} from "../interfaces/IClearingHouse.sol";
import {IFundingPolicy} from "../interfaces/IFundingPolicy.sol";
import {SideMath} from "../libraries/SideMath.sol";
import {Solvency} from "./Solvency.sol";

/// @title Orders
/// @notice Signed orders and trades. SPECIFICATION.md section 3.
/// - The maker signs (EOA or ERC-1271), anyone fills any part as taker, at the order's price, within a band around the mark.
/// - The difference between price and mark is paid at once, in cash; so are the fees. Positions then start at the mark.
abstract contract Orders is IClearingHouse, Solvency, EIP712 {
    using SafeCastLib for uint256;
    using SafeCastLib for int256;

    bytes32 private constant ORDER_TYPEHASH = keccak256(
        "Order(address maker,uint16 market,bool isBuy,bool reduceOnly,uint112 size,uint128 price,uint40 expiry,uint64 generation,uint64 salt)"
    );

    /// @dev One side of a trade, from before it to after it.
    struct Leg {
        address account;
        int256 from; // signed size
        int256 to; // signed size
        int256 cash; // what difference and fee added, units of S
        int256 net; // in the vault afterwards, units of S
        bool reduceOnly;
    }

    /// @inheritdoc IClearingHouse
    mapping(bytes32 orderHash => uint256) public filled;

    // ---------------------------------------------------------------- trading

    /// @inheritdoc IClearingHouse
    function trade(Order calldata order, bytes calldata signature, uint256 size) external nonReentrant {
        uint16 market = order.market;
        if (order.maker == msg.sender) revert SelfTrade(msg.sender);
        if (size == 0) revert ZeroSize();
        if (_markets[market].status != MarketStatus.Open) revert MarketNotOpen(market);
        bytes32 orderHash = _fill(order, signature, size);
        _refresh(market);
        uint256 mark = _markets[market].price;
        _requireWithinBand(order.price, mark, _parameters[market].priceBand);

        Leg memory maker = Leg(order.maker, 0, 0, 0, 0, order.reduceOnly);
        Leg memory taker = Leg(msg.sender, 0, 0, 0, 0, false);
        bool opens = _exchange(order, size, mark, maker, taker, orderHash);
        // All that either has is brought to the present first: both pay for the same open interest.
        Health memory makerHealth = _presentHealth(maker.account, maker.net);
        Health memory takerHealth = _presentHealth(taker.account, taker.net);
        _requireMargin(market, maker, mark, opens, makerHealth);
        _requireMargin(market, taker, mark, opens, takerHealth);
    }

    /// @inheritdoc IClearingHouse
    function cancel(Order calldata order) external {
        if (order.maker != msg.sender) revert NotMaker(msg.sender, order.maker);
        bytes32 orderHash = hashOrder(order);
        filled[orderHash] = order.size;
        emit OrderCancelled(orderHash, msg.sender);
    }

    /// @inheritdoc IClearingHouse
    function cancelAll() external {
        uint64 current = ++_accounts[msg.sender].generation;
        emit AllOrdersCancelled(msg.sender, current);
    }

    // --------------------------------------------------------------- the fill

    function _fill(Order calldata order, bytes calldata signature, uint256 size) private returns (bytes32 orderHash) {
        if (block.timestamp > order.expiry) revert OrderExpired(order.expiry);
        uint64 current = _accounts[order.maker].generation;
        if (order.generation != current) revert OrderGenerationMismatch(order.generation, current);
        orderHash = hashOrder(order);
        uint256 before = filled[orderHash];
        if (size > order.size - before) revert OrderOverfilled(size, order.size - before);
        _requireSigned(order.maker, orderHash, signature);
        filled[orderHash] = before + size;
    }

    /// @dev By the maker's key, else by what the maker's code says (ERC-1271).
    function _requireSigned(address maker, bytes32 orderHash, bytes calldata signature) private view {
        address signer = ECDSA.tryRecoverCalldata(orderHash, signature);
        if (signer == maker && signer != address(0)) return;
        if (!SignatureCheckerLib.isValidERC1271SignatureNowCalldata(maker, orderHash, signature)) {
            revert OrderSignatureInvalid(maker);
        }
    }

    /// @dev Settles both, moves cash, then sizes. opens: open interest grew.
    function _exchange(
        Order calldata order,
        uint256 size,
        uint256 mark,
        Leg memory maker,
        Leg memory taker,
        bytes32 orderHash
    ) private returns (bool opens) {
        uint16 market = order.market;
        (Position memory makerPosition, bool makerLive, ) = _book(maker.account, market);
        (Position memory takerPosition, bool takerLive, ) = _book(taker.account, market);
        (uint256 makerFee, uint256 takerFee) = _pay(order, size, mark, maker, taker);

        int256 delta = order.isBuy ? int256(size) : -int256(size);
        (maker.from, taker.from) = (_signed(makerPosition), _signed(takerPosition));
        maker.to = _change(maker.account, market, makerPosition, makerLive, delta);
        taker.to = _change(taker.account, market, takerPosition, takerLive, -delta);
        int256 change = _longChange(maker.from, maker.to) + _longChange(taker.from, taker.to);
        uint256 openInterest = _moveMarket(order, size, mark, change);
        opens = change > 0;
        emit Traded(
            orderHash,
            maker.account,
            taker.account,
            market,
            order.isBuy,
            size,
            order.price,
            makerFee,
            takerFee,
            openInterest
        );
        _turnEpochs(market);
    }

    /// @dev The difference to the mark, from whom the price harms to the other; and the fees.
    function _pay(
        Order calldata order,
        uint256 size,
        uint256 mark,
        Leg memory maker,
        Leg memory taker
    ) private returns (uint256 makerFee, uint256 takerFee) {
        uint256 price = order.price;
        MarketParameters storage p = _parameters[order.market];
        makerFee = SideMath.partUp(size, price, p.makerFee, _SCALE);
        takerFee = SideMath.partUp(size, price, p.takerFee, _SCALE);
        uint256 amount = SideMath.notionalDown(size, price > mark ? price - mark : mark - price, _SCALE);
        if (order.isBuy == price > mark) {
            (maker.net, taker.net) = _VAULT.exchange(maker.account, taker.account, amount, makerFee, takerFee);
            (maker.cash, taker.cash) = (-int256(amount + makerFee), int256(amount) - int256(takerFee));
        } else {
            (taker.net, maker.net) = _VAULT.exchange(taker.account, maker.account, amount, takerFee, makerFee);
            (taker.cash, maker.cash) = (-int256(amount + takerFee), int256(amount) - int256(makerFee));
        }
    }

    /// @dev Open interest, and the premium over the mark at which it trades.
    function _moveMarket(
        Order calldata order,
        uint256 size,
        uint256 mark,
        int256 change
    ) private returns (uint256 openInterest) {
        MarketState storage s = _markets[order.market];
        openInterest = uint256(int256(uint256(s.openInterest)) + change);
        if (change > 0) {
            uint256 max = _parameters[order.market].maxOpenInterest;
            if (openInterest > max) revert OpenInterestAboveCap(order.market, openInterest, max);
        }
        if (change != 0) s.openInterest = openInterest.toUint112();
        int256 premium = ((int256(uint256(order.price)) - int256(mark)) * int256(SideMath.MILLION)) / int256(mark);
        s.lastPremium = SideMath.premiumAfterTrade(s.lastPremium, premium, size, openInterest).toInt24();
    }

    // ----------------------------------------------------------------- checks

    /// @dev New risk pays the fund. Then initial margin after the trade; a trade that only reduces may instead not worsen the ratio of equity to it. Either way no
    /// dust is left.
    function _requireMargin(uint16 market, Leg memory leg, uint256 mark, bool opens, Health memory h) private {
        bool met = h.equity >= int256(h.initialMargin);
        bool grows = leg.to != 0 && (leg.from > 0 != leg.to > 0 || _abs(leg.to) > _abs(leg.from));
        if (grows) {
            if (leg.reduceOnly) revert OrderReduceOnly(leg.account);
            h = _contribute(leg.account, h, _POLICY.admit(_newRisk(market, leg, mark, opens, h)));
            _requireInitialMargin(leg.account, h);
            if (block.timestamp < pausedUntil) revert NewRiskIsPaused(pausedUntil);
        } else if (!met) {
            uint256 ratio = _parameters[market].initialMarginRatio;
            uint256 requiredBefore =
                h.initialMargin +
                    SideMath.partUp(_abs(leg.from), mark, ratio, _SCALE) -
                    SideMath.partUp(_abs(leg.to), mark, ratio, _SCALE);
            int256 equityBefore = h.equity - leg.cash;
            if (h.equity < 0 || h.equity * int256(requiredBefore) < equityBefore * int256(h.initialMargin)) {
                _requireInitialMargin(leg.account, h);
            }
        }
        uint256 notional = SideMath.notionalDown(_abs(leg.to), mark, _SCALE);
        if (leg.to != 0 && notional < _liquidation.minNotional) {
            revert PositionBelowMinimum(leg.account, notional, _liquidation.minNotional);
        }
        if (met && _accounts[leg.account].flaggedAt != 0) _updateFlag(leg.account, h);
    }

    function _newRisk(
        uint16 market,
        Leg memory leg,
        uint256 mark,
        bool opens,
        Health memory h
    ) private view returns (IFundingPolicy.NewRisk memory) {
        uint256 size = _abs(leg.to);
        bool sameSide = leg.from > 0 == leg.to > 0;
        return
            IFundingPolicy.NewRisk({
                account: leg.account,
                market: market,
                opens: opens,
                increase: sameSide ? size - _abs(leg.from) : size,
                size: size,
                openInterest: _markets[market].openInterest,
                price: mark,
                equity: h.equity,
                notional: h.notional
            });
    }

    function _abs(int256 x) private pure returns (uint256) {
        return uint256(x < 0 ? -x : x);
    }

    // ------------------------------------------------------------------ views

    /// @inheritdoc IClearingHouse
    function hashOrder(Order calldata order) public view returns (bytes32) {
        return _hashTypedData(keccak256(abi.encode(ORDER_TYPEHASH, order)));
    }

    /// @inheritdoc IClearingHouse
    function generation(address maker) external view returns (uint64) {
        return _accounts[maker].generation;
    }

    function _domainNameAndVersion() internal pure override returns (string memory, string memory) {
        return ("Weir", "1");
    }
}
