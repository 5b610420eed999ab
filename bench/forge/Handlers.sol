// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IClearingHouse} from "../../contracts/interfaces/IClearingHouse.sol";
import {IMarkets} from "../../contracts/interfaces/IMarkets.sol";
import {IPriceOracle} from "../../contracts/interfaces/IPriceOracle.sol";
import {ITranche} from "../../contracts/interfaces/ITranche.sol";
import {SideMath} from "../../contracts/libraries/SideMath.sol";
import {TestFeed} from "../../contracts/mocks/TestFeed.sol";
import {VM} from "./Cheats.sol";
import {Ledger} from "./Ledger.sol";
import {Random, Rng} from "./Random.sol";
import {
    AUCTION,
    DOLLAR,
    MAKER_FEE,
    MARKETS,
    MILLION,
    MIN_NOTIONAL,
    SCALE,
    System,
    TAKER_FEE,
    anchor
} from "./System.sol";

/// @title What traders, keepers and stakers do, at random
/// @notice The actions of the model's campaigns, each with one seed. Who acts, and how much of what, is chosen so that most calls
/// succeed; an action that nobody can take now gives way to another.
contract Handlers is Ledger {
    using Random for Rng;

    struct Known {
        IClearingHouse.Order order;
        uint256 key;
    }

    uint256 private constant TRADERS = 8;
    uint256 private constant ACCOUNTS = 10; // the traders, then two keepers
    uint256 private constant STAKERS = 3;
    uint256 private constant WAD = 1e18;

    Known[] private _open; // orders with something left to fill
    uint256[ACCOUNTS] private _keys;
    address[STAKERS] private _stakers;
    uint256 private _calls;

    constructor(System.Parts memory parts) Ledger(parts) {
        for (uint256 i; i < ACCOUNTS; ++i) {
            _keys[i] = uint256(keccak256(abi.encode("account", i)));
            _accounts.push(VM.addr(_keys[i]));
            uint256 amount = i < TRADERS ? 100 * DOLLAR + (_keys[i] % (4900 * DOLLAR)) : 200_000 * DOLLAR;
            _equip(_accounts[i]);
            VM.prank(_accounts[i]);
            _vault.deposit(_accounts[i], amount);
        }
        for (uint256 i; i < STAKERS; ++i) {
            _stakers[i] = VM.addr(uint256(keccak256(abi.encode("staker", i))));
            _equip(_stakers[i]);
        }
        VM.startPrank(_stakers[0]);
        _fund.contribute(200 * DOLLAR);
        _junior.deposit(500 * DOLLAR, _stakers[0]);
        VM.stopPrank();
        VM.prank(_stakers[1]);
        _senior.deposit(2000 * DOLLAR, _stakers[1]);
        _begin();
    }

    function _equip(address account) private {
        _token.mint(account, 1e15 * DOLLAR);
        VM.startPrank(account);
        _token.approve(address(_vault), type(uint256).max);
        _token.approve(address(_fund), type(uint256).max);
        _token.approve(address(_junior), type(uint256).max);
        _token.approve(address(_senior), type(uint256).max);
        VM.stopPrank();
    }

    // ---------------------------------------------------------------- entries

    function trade(uint256 seed) external {
        _follow(_trade(_rng(seed)));
    }

    function closePosition(uint256 seed) external {
        _follow(_closePosition(_rng(seed)));
    }

    function movePrices(uint256 seed) external {
        _follow(_movePrices(_rng(seed)));
    }

    function waitForAuction(uint256) external {
        _pass(AUCTION + 1, 1);
        _follow(0);
    }

    function settle(uint256 seed) external {
        _follow(_settle(_rng(seed)));
    }

    function flag(uint256 seed) external {
        _follow(_flag(_rng(seed)));
    }

    function liquidate(uint256 seed) external {
        _follow(_liquidate(_rng(seed)));
    }

    function deleverage(uint256 seed) external {
        _follow(_deleverage(_rng(seed)));
    }

    function deposit(uint256 seed) external {
        _follow(_deposit(_rng(seed)));
    }

    function withdraw(uint256 seed) external {
        _follow(_withdraw(_rng(seed)));
    }

    function collect(uint256) external {
        _follow(_collect());
    }

    function stake(uint256 seed) external {
        _follow(_stake(_rng(seed)));
    }

    function requestRedeem(uint256 seed) external {
        _follow(_requestRedeem(_rng(seed)));
    }

    function roll(uint256 seed) external {
        _follow(_roll(_rng(seed)));
    }

    function claim(uint256 seed) external {
        _follow(_claim(_rng(seed)));
    }

    function cancel(uint256 seed) external {
        _follow(_cancel(_rng(seed)));
    }

    function cancelAll(uint256 seed) external {
        VM.prank(_accounts[_rng(seed).below(TRADERS)]);
        _house.cancelAll();
        _follow(0);
    }

    // ---------------------------------------------------------------- trading
    // Each action returns how many accounts it may have settled.

    function _trade(Rng memory r) private returns (uint256) {
        if (r.chance(20) && _fillKnown(r)) return 2;
        uint256 maker;
        uint256 taker;
        uint256 power;
        for (uint256 i; i < 4 && power < DOLLAR; ++i) {
            maker = r.below(TRADERS + 1);
            taker = (maker + 1 + r.below(TRADERS)) % (TRADERS + 1);
            power = Random.min(_power(_accounts[maker]), _power(_accounts[taker]));
        }
        uint16 market = uint16(r.below(MARKETS));
        uint256 mark = _price(market);
        uint256 dollars = (power * r.pick([uint256(1), 30, 60, 90]) * r.between(100, 1800)) / 10_000;
        if (dollars < MIN_NOTIONAL) dollars = MIN_NOTIONAL + DOLLAR;
        uint256 size = r.chance(1) ? r.between(1, 1000) : (dollars * SCALE) / mark;
        uint256 spread = r.pick([uint256(20), 20, 20, 150]);
        uint256 total = r.chance(30) ? size * r.between(2, 3) : size;
        uint256 price = (mark * r.between(10_000 - spread, 10_000 + spread)) / 10_000;
        _fillNew(maker, taker, market, r.chance(50), price, total, size, r.next());
        return 2;
    }

    /// @dev Margin that an account has for more, and at most a multiple of its cash, out of which fees are paid.
    function _power(address account) private view returns (uint256) {
        if (_vault.inDebt(account)) return 0;
        (int256 equity, uint256 initial, , ) = _house.health(account);
        if (equity <= int256(initial)) return 0;
        return Random.min(uint256(equity) - initial, 5 * _vault.cashOf(account));
    }

    function _closePosition(Rng memory r) private returns (uint256) {
        uint256 maker = r.below(ACCOUNTS);
        for (uint256 i; i < ACCOUNTS && _house.positionMarkets(_accounts[maker]) == 0; ++i) {
            maker = (maker + 1) % ACCOUNTS;
        }
        uint16 market = uint16(r.below(MARKETS));
        uint64 held = _house.positionMarkets(_accounts[maker]);
        if (held == 0) return _trade(r);
        while ((held >> market) & 1 == 0) market = uint16((market + 1) % MARKETS);

        IMarkets.MarketState memory state = _house.marketState(market);
        int256 own = _sizeOf(_accounts[maker], market, state);
        uint256 taker = r.below(ACCOUNTS);
        int256 other = _sizeOf(_accounts[taker], market, state);
        for (uint256 i; i < ACCOUNTS && (own > 0 ? other >= 0 : other <= 0); ++i) {
            taker = (taker + 1) % ACCOUNTS;
            other = _sizeOf(_accounts[taker], market, state);
        }
        if (own == 0 || (own > 0 ? other >= 0 : other <= 0)) return _trade(r);
        uint256 size = Random.min(_abs(own), _abs(other));
        if (r.chance(30)) size = (size * r.between(1, 1000)) / 1000;
        uint256 price = (_price(market) * r.between(9980, 10_020)) / 10_000;
        _fillNew(maker, taker, market, own < 0, price, size, size, r.next());
        return 2;
    }

    function _fillNew(
        uint256 maker,
        uint256 taker,
        uint16 market,
        bool isBuy,
        uint256 price,
        uint256 total,
        uint256 size,
        uint256 salt
    ) private {
        IClearingHouse.Order memory order = IClearingHouse.Order({
            maker: _accounts[maker],
            market: market,
            isBuy: isBuy,
            reduceOnly: false,
            size: uint112(total),
            price: uint128(price),
            expiry: type(uint40).max,
            generation: _house.generation(_accounts[maker]),
            salt: uint64(salt)
        });
        if (size < total) _open.push(Known(order, _keys[maker]));
        _fill(order, _keys[maker], _accounts[taker], size);
    }

    /// @dev Fills the rest of a known order, or half of it. False where none can be filled now.
    function _fillKnown(Rng memory r) private returns (bool) {
        if (_open.length == 0) return false;
        uint256 i = r.below(_open.length);
        Known memory known = _open[i];
        IClearingHouse.Order memory order = known.order;
        uint256 left = order.size - _house.filled(_house.hashOrder(order));
        if (order.generation != _house.generation(order.maker) || left < 2) {
            _forget(i);
            return false;
        }
        address taker = _accounts[r.below(TRADERS + 1)];
        uint256 mark = _price(order.market);
        uint256 distance = order.price > mark ? order.price - mark : mark - order.price;
        if (taker == order.maker || distance * 50 > mark) return false;
        bool half = r.chance(50);
        if (!half) _forget(i);
        _fill(order, known.key, taker, half ? left / 2 : left);
        return true;
    }

    function _fill(IClearingHouse.Order memory order, uint256 key, address taker, uint256 size) private {
        bytes32 hash = _house.hashOrder(order);
        (uint8 v, bytes32 r, bytes32 s) = VM.sign(key, hash);
        VM.prank(taker);
        _house.trade(order, abi.encodePacked(r, s, v), size);
        _noteFill(hash, order.size, size);
        _feesPaid += SideMath.partUp(size, order.price, MAKER_FEE, SCALE);
        _feesPaid += SideMath.partUp(size, order.price, TAKER_FEE, SCALE);
    }

    function _cancel(Rng memory r) private returns (uint256) {
        if (_open.length == 0) return _trade(r);
        uint256 i = r.below(_open.length);
        IClearingHouse.Order memory order = _open[i].order;
        VM.prank(order.maker);
        _house.cancel(order);
        _noteCancel(_house.hashOrder(order), order.size);
        if (r.chance(90)) _forget(i);
        return 0;
    }

    function _forget(uint256 i) private {
        _open[i] = _open[_open.length - 1];
        _open.pop();
    }

    // ----------------------------------------------------------------- prices

    function _movePrices(Rng memory r) private returns (uint256) {
        _pass(r.pick([uint256(1), 12, 60, 600, 3600, 86_400]), r.between(1, 3));
        for (uint16 m; m < MARKETS; ++m) {
            uint256 last = _house.marketState(m).price;
            uint256 jump = r.chance(10) ? 250_000 : 10_000; // ppm
            uint256 factor = MILLION - jump + r.below(2 * jump + 1);
            if (last < anchor(m) * 5e17) factor += 100_000;
            if (last > anchor(m) * 2e18) factor -= 100_000;
            uint256 answer = Random.max((last * factor) / MILLION / 1e10, 1);
            bool fails = r.chance(1);
            _feeds[m].setMode(fails ? TestFeed.Mode.Reverting : TestFeed.Mode.Live);
            _feeds[m].setAnswer(int256(answer));
            if (r.chance(50) && !fails) _house.refresh(m);
        }
        return 0;
    }

    function _pass(uint256 time, uint256 blocks) private {
        VM.warp(VM.getBlockTimestamp() + time);
        VM.roll(VM.getBlockNumber() + blocks);
    }

    // ---------------------------------------------------------------- keepers

    function _settle(Rng memory r) private returns (uint256) {
        address[] memory some = _some(r);
        _house.settle(some);
        return some.length;
    }

    /// @dev Flags the account in most need of it, or, a third of the time, any that needs it.
    function _flag(Rng memory r) private returns (uint256) {
        bool any = r.chance(30);
        uint256 start = r.below(ACCOUNTS);
        address found;
        int256 worst;
        for (uint256 i; i < ACCOUNTS && !(any && found != address(0)); ++i) {
            address account = _accounts[(start + i) % ACCOUNTS];
            (int256 equity, uint256 initial, uint256 maintenance, ) = _house.health(account);
            (uint256 flaggedAt, bool insolvent) = _house.flagOf(account);
            int256 room = equity - int256(maintenance);
            bool due = flaggedAt == 0 ? room < 0 : equity >= int256(initial) || insolvent != (equity < 0);
            if (due && (found == address(0) || room < worst)) (found, worst) = (account, room);
        }
        if (found == address(0)) {
            if (r.chance(90)) return _trade(r);
            found = _accounts[start];
        }
        _house.flag(found);
        return 0;
    }

    function _liquidate(Rng memory r) private returns (uint256) {
        uint256 start = r.below(ACCOUNTS);
        address found;
        for (uint256 i; i < ACCOUNTS && found == address(0); ++i) {
            address account = _accounts[(start + i) % ACCOUNTS];
            (uint256 flaggedAt, ) = _house.flagOf(account);
            if (flaggedAt == 0) continue;
            (int256 equity, uint256 initial, , ) = _house.health(account);
            if (equity < int256(initial)) found = account;
        }
        if (found == address(0)) return _flag(r);
        address[] memory some = _some(r);
        uint256 fraction = r.chance(67) ? WAD : r.between(1, WAD);
        address liquidator = _accounts[r.chance(67) ? r.between(TRADERS, ACCOUNTS - 1) : r.below(TRADERS)];
        if (liquidator == found) liquidator = _accounts[start == ACCOUNTS - 1 ? TRADERS : ACCOUNTS - 1];
        VM.prank(liquidator);
        _house.liquidate(found, fraction, some);
        _liquidates = true;
        return some.length + 3;
    }

    function _deleverage(Rng memory r) private returns (uint256) {
        uint256 start = r.below(ACCOUNTS);
        address found;
        for (uint256 i; i < ACCOUNTS && found == address(0); ++i) {
            address account = _accounts[(start + i) % ACCOUNTS];
            (uint256 flaggedAt, ) = _house.flagOf(account);
            if (flaggedAt == 0) continue;
            (int256 equity, , uint256 maintenance, ) = _house.health(account);
            if (equity >= int256(maintenance)) continue;
            if (VM.getBlockTimestamp() > flaggedAt + AUCTION) found = account;
            else if (equity < 0 && r.chance(20)) found = account; // where the fund may not pay
        }
        if (found == address(0)) return _liquidate(r);
        address[] memory some = _some(r);
        _house.deleverage(found, some);
        return some.length + 2;
    }

    // -------------------------------------------------------------- the ledger

    function _deposit(Rng memory r) private returns (uint256) {
        address account = _accounts[r.below(TRADERS)];
        VM.prank(account);
        _vault.deposit(account, r.between(1, 2000 * DOLLAR));
        return 1;
    }

    function _withdraw(Rng memory r) private returns (uint256) {
        uint256 start = r.below(TRADERS);
        for (uint256 i; i < TRADERS; ++i) {
            address account = _accounts[(start + i) % TRADERS];
            uint256 free = _free(account);
            if (free == 0) continue;
            uint256 most = r.pick([free, free / 3, free / 3, Random.min(free, r.between(1, DOLLAR))]);
            address[] memory some = _some(r);
            VM.prank(account);
            _vault.withdraw(Random.max(most, 1), account, some);
            return some.length + 1;
        }
        return _deposit(r);
    }

    function _free(address account) private view returns (uint256) {
        (uint256 flaggedAt, ) = _house.flagOf(account);
        if (flaggedAt != 0 || _vault.inDebt(account)) return 0;
        uint256 cash = _vault.cashOf(account);
        (int256 equity, uint256 initial, , ) = _house.health(account);
        if (initial == 0) return cash;
        return equity <= int256(initial) ? 0 : Random.min(cash, uint256(equity) - initial);
    }

    // --------------------------------------------------------------- the fund

    function _collect() private returns (uint256) {
        uint256 income = _fund.collect();
        _received += income;
        _came += income;
        return 0;
    }

    function _stake(Rng memory r) private returns (uint256) {
        if (!_fund.gateOpen()) return _flag(r);
        uint256 amount = r.chance(50) ? 1 : r.between(1, 500 * DOLLAR);
        address staker = _stakers[r.below(STAKERS)];
        VM.prank(staker);
        _tranche(r).deposit(amount, staker);
        _came += amount;
        return 0;
    }

    function _requestRedeem(Rng memory r) private returns (uint256) {
        ITranche tranche = _tranche(r);
        uint256 start = r.below(STAKERS);
        for (uint256 i; i < STAKERS; ++i) {
            address staker = _stakers[(start + i) % STAKERS];
            uint256 shares = tranche.balanceOf(staker);
            if (shares == 0) continue;
            VM.prank(staker);
            tranche.requestRedeem(r.chance(50) || shares < 3 ? shares : shares / 3, staker, staker);
            return 0;
        }
        return _stake(r);
    }

    function _roll(Rng memory r) private returns (uint256) {
        ITranche tranche = _tranche(r);
        if (!_isDue(tranche)) tranche = _fund.junior() == address(tranche) ? _senior : _junior;
        if (!_isDue(tranche) || !_fund.gateOpen()) return _collect();
        uint256 held = _token.balanceOf(address(tranche));
        tranche.roll();
        _went += _token.balanceOf(address(tranche)) - held;
        return 0;
    }

    function _isDue(ITranche tranche) private view returns (bool) {
        return VM.getBlockTimestamp() >= tranche.lastRollAt() + tranche.epochDuration();
    }

    function _claim(Rng memory r) private returns (uint256) {
        ITranche tranche = _tranche(r);
        for (uint256 i; i < STAKERS; ++i) {
            uint256 shares = tranche.maxRedeem(_stakers[i]);
            if (shares == 0) continue;
            VM.prank(_stakers[i]);
            tranche.redeem(shares, _stakers[i], _stakers[i]);
            return 0;
        }
        return _requestRedeem(r);
    }

    // ---------------------------------------------------------------- helpers

    /// @dev The same seed at another call is another one: forge favours round arguments.
    function _rng(uint256 seed) private returns (Rng memory) {
        return Rng(uint256(keccak256(abi.encode(seed, ++_calls))));
    }

    function _some(Rng memory r) private view returns (address[] memory some) {
        uint256 set = r.below(1 << TRADERS);
        some = new address[](TRADERS);
        uint256 count;
        for (uint256 i; i < TRADERS; ++i) {
            if ((set >> i) & 1 == 1) some[count++] = _accounts[i];
        }
        assembly {
            mstore(some, count)
        }
    }

    function _tranche(Rng memory r) private view returns (ITranche) {
        return r.chance(50) ? _junior : _senior;
    }

    /// @dev What the next refresh will find, or the last price where it would fail.
    function _price(uint16 market) private view returns (uint256) {
        (uint256 price, IPriceOracle.Status status, ) = _oracle.peek(market);
        return status == IPriceOracle.Status.Ok ? price : _house.marketState(market).price;
    }

    function _sizeOf(address account, uint16 market, IMarkets.MarketState memory state) private view returns (int256) {
        IMarkets.Position memory p = _house.position(account, market);
        IMarkets.Side memory side = p.isShort ? state.short : state.long;
        if (p.size == 0 || p.epoch != side.epoch) return 0;
        int256 size = int256(SideMath.sizeDown(p.size, side.multiplier, p.multiplier));
        return p.isShort ? -size : size;
    }

    function _abs(int256 x) private pure returns (uint256) {
        return uint256(x < 0 ? -x : x);
    }
}
