"""Scenarios of everything that is done in the settlement token alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from weir.artifacts import artifact
from weir.bench.actions import FEW, LEAVES, MANY, BenchError
from weir.bench.stage import PARAMETERS, Figures, Stage, account
from weir.chain import encode_arguments
from weir.states import DefaultRecord
from weir.units import DAY, HOUR

__all__ = ["SCENARIOS"]


def _money(stage: Stage) -> Figures:
    yield "deposit", stage.send("trader", stage.deposit("trader", 1_000))
    yield "deposit_first", stage.send("stranger", stage.deposit("stranger", 1_000))
    saver = account("saver").address
    withdraw = stage.weir.vault.functions.withdraw(stage.units(1_000), saver, [])
    yield "withdraw", stage.send("saver", withdraw)


def trades(stage: Stage) -> Figures:
    stage.price(BTC=60_300)
    yield "open", stage.buy("buyer", "seller", "BTC", 1, 60_330)

    order = stage.order("dealer", "BTC", 2, 60_130, buys=False)
    stage.price(BTC=60_100)
    yield "trade", stage.send("trader", stage.fill(order, "dealer", Decimal(1)))
    stage.price(BTC=60_200)
    yield "trade_partly_filled", stage.send("trader", stage.fill(order, "dealer", Decimal("0.5")))
    yield "trade_two_markets", stage.buy("other_trader", "market_maker", "BTC", 1, 60_230)

    order = stage.order("dealer", "BTC", 1, 60_080, buys=True)
    stage.price(BTC=60_100)
    yield "close", stage.send("buyer", stage.fill(order, "dealer"))


def _settlements(stage: Stage) -> Figures:
    stage.price(BTC=60_100)
    yield "settle_loss", stage.send("keeper", stage.settle("dealer"))
    stage.price(BTC=60_200)
    yield "settle_profit", stage.send("keeper", stage.settle("trader"))

    refresh = stage.weir.clearing_house.functions.refresh(stage.weir.market_id("BTC"))
    stage.price(BTC=60_300)
    _, loss, profit = stage.same_block("keeper", [refresh, stage.settle("dealer"), stage.settle("trader")])
    yield "settle_loss_again", loss.gas_used
    yield "settle_profit_again", profit.gas_used


def _settlements_with_claims(stage: Stage) -> Figures:
    stage.price(BTC=60_300)
    stage.send("keeper", stage.settle("holder"))  # empties the pool, and has claims on it now
    stage.price(BTC=60_400)
    yield "settle_profit_unpaid", stage.send("keeper", stage.settle("trader"))
    stage.price(BTC=59_800)
    stage.send("keeper", stage.settle("other_trader", "liquidator"))  # losers: the pool has something again
    stage.price(BTC=59_750)
    yield "settle_profit_beside_claims", stage.send("keeper", stage.settle("dealer"))


def _indebted(stage: Stage) -> None:
    """The debtor is long 600,000 dollars of BTC and 300,000 of ETH, with 60,000 of cash."""
    stage.buy("debtor", "market_maker", "BTC", 10, 60_010)
    stage.buy("debtor", "market_maker", "ETH", 100, 3_001)


def liquidation_of_a_part(stage: Stage) -> Figures:
    _indebted(stage)
    stage.price(BTC=57_300, ETH=2_865)
    yield "flag", stage.send("keeper", stage.flag("debtor"))
    stage.price(BTC=57_350, ETH=2_870)
    yield "liquidate_part", stage.send("liquidator", stage.liquidate("debtor", "0.3"))


def _liquidation_of_all(stage: Stage, liquidator: str = "liquidator") -> Figures:
    _indebted(stage)
    stage.price(BTC=56_400, ETH=2_820)
    stage.send("keeper", stage.flag("debtor"))
    stage.price(BTC=56_350, ETH=2_815)
    name = "liquidate_all" if liquidator == "liquidator" else "liquidate_all_new"
    yield name, stage.send(liquidator, stage.liquidate("debtor"))


def _liquidation_by_a_newcomer(stage: Stage) -> Figures:
    return _liquidation_of_all(stage, "saver")


def bad_debt(stage: Stage) -> Figures:
    """More than a member's own contribution, skin and junior tranche have, less than the budget."""
    gas, default = _default(stage, Decimal(50_950))
    if not (default.own and default.skin and default.junior and default.senior) or default.mutual:
        raise BenchError(f"not all three layers paid, or more than they: {default}")
    yield "liquidate_bad_debt", gas


def _bad_debt_for_members(stage: Stage) -> Figures:
    """More than a member's own contribution and the fund's budget, less than the members' budget on top."""
    gas, default = _default(stage, Decimal(45_000))
    if not (default.own and default.skin and default.junior and default.senior and default.mutual):
        raise BenchError(f"not all five layers paid: {default}")
    if default.unpaid_profit or default.remainder:
        raise BenchError(f"more than they paid: {default}")
    yield "liquidate_bad_debt_mutual", gas
    stage.mint("debtor", 200_000, stage.weir.fund)
    amount = default.mutual + stage.units(100)
    yield "recover", stage.send("debtor", stage.weir.fund.functions.recover(default.id, amount))


def _default(stage: Stage, price: Decimal) -> tuple[int, DefaultRecord]:
    """What it takes to liquidate 50 BTC at this price, bought at 60,010 on 200,000 and a contribution."""
    stage.mint("debtor", 230_000, stage.weir.guaranty)
    stage.send("debtor", stage.join("debtor", 25_000))
    stage.send("debtor", stage.deposit("debtor", 140_000))
    stage.buy("debtor", "market_maker", "BTC", 50, 60_010)
    stage.price(BTC=price + 50)
    stage.send("keeper", stage.flag("debtor"))
    stage.price(BTC=price)
    gas = stage.send("liquidator", stage.liquidate("debtor"))
    [default] = stage.weir.defaults()
    return gas, default


def _deleveraging(stage: Stage, name: str, opposite: int, fall: Decimal) -> Figures:
    """Of a long whose price fell to `fall`, against so many accounts and the market maker, all short."""
    shorts = [f"short {i}" for i in range(opposite)]
    for large in ("buyer", "liquidator"):  # above the threshold of membership
        stage.mint(large, 10_000, stage.weir.guaranty)
        stage.send(large, stage.join(large, 10_000))
    stage.mint("keeper", 200 * opposite, stage.weir.vault)
    stage.in_few_blocks("keeper", [stage.deposit(short, 200) for short in shorts])
    orders = [(short, stage.order(short, "SOL", 10, 100, buys=False)) for short in shorts]
    stage.in_few_blocks("liquidator", [stage.fill(order, short) for short, order in orders])
    stage.buy("buyer", "market_maker", "SOL", 16_000, 100)
    stage.buy("debtor", "market_maker", "SOL", 10_000, 100)
    side = stage.weir.markets()[stage.weir.market_id("SOL")].short
    if side.positions != opposite + 1:
        raise BenchError(f"{side.positions} accounts are short instead of {opposite + 1}")

    stage.price(SOL=fall)
    for role in ("buyer", "debtor"):
        stage.send("keeper", stage.flag(role))
    stage.wait(PARAMETERS.liquidation.auction_duration)
    stage.price(SOL=fall)
    stage.send("keeper", stage.deleverage("buyer"))  # not to be the first of its epoch
    stage.price(SOL=fall)
    yield name, stage.send("keeper", stage.deleverage("debtor"))


def _deleveraging_uncovered(stage: Stage, name: str, opposite: int) -> Figures:
    """The account before has spent what members pay for the market: open interest bears all of the loss."""
    yield from _deleveraging(stage, name, opposite, Decimal(88))
    default = stage.weir.defaults()[-1]
    if default.account != account("debtor").address or default.remainder != default.shortfall:
        raise BenchError(f"somebody paid for what should be uncovered: {default}")


def _deleveraging_few(stage: Stage) -> Figures:
    return _deleveraging_uncovered(stage, "deleverage_few", FEW)


def _deleveraging_many(stage: Stage) -> Figures:
    return _deleveraging_uncovered(stage, "deleverage_many", MANY)


def _deleveraging_solvent(stage: Stage) -> Figures:
    return _deleveraging(stage, "deleverage_solvent", FEW, Decimal("96.5"))


def income(stage: Stage) -> Figures:
    stage.wait(HOUR)
    collect = stage.weir.fund.functions.collect()
    yield "collect", stage.send("keeper", collect)


def _tranche(stage: Stage) -> Figures:
    junior = stage.weir.junior
    stage.wait(HOUR)
    yield "stake", stage.send("staker", stage.stake("staker", junior, 1_000))
    yield "stake_new", stage.send("stranger", stage.stake("stranger", junior, 1_000))

    stage.send("stranger", stage.request("stranger", junior, 500))
    yield "request_first", stage.send("staker", stage.request("staker", junior, 1_000))
    for _ in range(2):
        stage.wait(PARAMETERS.fund.epoch_duration)
        stage.send("keeper", junior.functions.roll())
    stage.send("staker", stage.claim("staker", junior, 1_000))

    stage.send("other_staker", stage.request("other_staker", junior, 1_000))
    yield "request", stage.send("staker", stage.request("staker", junior, 2_000))
    stage.wait(PARAMETERS.fund.epoch_duration)
    stage.send("keeper", junior.functions.roll())
    stage.wait(PARAMETERS.fund.epoch_duration)
    yield "roll", stage.send("keeper", junior.functions.roll())
    yield "claim", stage.send("staker", stage.claim("staker", junior, 2_000))


def _guaranty(stage: Stage) -> Figures:
    stage.wait(HOUR)
    yield "join_first", stage.send("stranger", stage.join("stranger", 1_000))
    stage.wait(HOUR)
    yield "join", stage.send("trader", stage.join("trader", 500))
    guaranty = stage.weir.guaranty.functions
    yield "request_exit", stage.send("trader", guaranty.requestExit(stage.units(1_000)))
    stage.wait(PARAMETERS.guaranty.notice_period)
    stage.price(BTC=60_050, ETH=3_001)
    yield "release", stage.send("trader", guaranty.release(account("trader").address))


def _policy(stage: Stage) -> Figures:
    house, policy = stage.weir.clearing_house.functions, stage.weir.policy.functions
    refresh = house.refresh(stage.weir.market_id("BTC"))
    stage.price(BTC=60_050)
    stage.send("keeper", refresh)
    stage.price(BTC=60_100)
    yield "refresh", stage.send("keeper", refresh)
    for price in (60_050, 60_100):
        stage.wait(HOUR)
        stage.price(BTC=price)
        gas = stage.send("keeper", refresh)
    yield "refresh_hour", gas
    amount = stage.units(60_000)
    withdraw = stage.weir.vault.functions.withdraw(amount, account("trader").address, [])
    yield "withdraw_position", stage.send("trader", withdraw)

    evidence = (keccak(text="inputs"), keccak(text="outputs"), 1)
    target = stage.weir.fund_state().target
    stage.send("poster", policy.postTarget(target, evidence))
    yield "post_target", stage.send("poster", policy.postTarget(target * 11 // 10, evidence))
    accounts = [account(f"trader {i}").address for i in range(FEW)]
    yield "post_tiers_first", stage.send("poster", policy.postTiers(accounts, [1] * FEW, evidence))
    stage.wait(DAY)
    yield "post_tiers", stage.send("poster", policy.postTiers(accounts, [0] * FEW, evidence))
    yield from _tier_lookups(stage, accounts[0])


def _tier_lookups(stage: Stage, address: str) -> Figures:
    """Reading one account's tier, kept in a mapping or proven against a root."""
    chain = stage.weir.chain
    leaves = [keccak(encode(["address", "uint256"], [address, 1]))]
    leaves += [keccak(text=f"leaf {i}") for i in range(LEAVES - 1)]
    root, proof = _merkle_path(leaves)
    compiled = artifact("MerkleTiers", chain.root)
    constructor = next(entry for entry in compiled.abi if entry["type"] == "constructor")
    data = compiled.bytecode + encode_arguments(constructor, (root, address, 1))
    made = chain.wait(chain.submit_raw(account("deployer"), None, data)).contract
    if made is None:
        raise BenchError("MerkleTiers: the node reports no address")
    tiers = chain.contract("MerkleTiers", made).functions
    yield "tier_mapping", stage.send("stranger", tiers.byMapping(address))
    yield "tier_proof", stage.send("stranger", tiers.byProof(address, 1, proof))


def _merkle_path(leaves: Sequence[bytes]) -> tuple[bytes, list[bytes]]:
    """Root, and the path of the first leaf; pairs are hashed in order of size, an odd last node goes up."""
    level, path = list(leaves), []
    while len(level) > 1:
        path.append(level[1])
        pairs = [sorted(level[i : i + 2]) for i in range(0, len(level), 2)]
        level = [keccak(b"".join(pair)) if len(pair) == 2 else pair[0] for pair in pairs]
    return level[0], path


SCENARIOS: tuple[Callable[[Stage], Figures], ...] = (
    _money,
    trades,
    _settlements,
    _settlements_with_claims,
    liquidation_of_a_part,
    _liquidation_of_all,
    _liquidation_by_a_newcomer,
    bad_debt,
    _bad_debt_for_members,
    _deleveraging_few,
    _deleveraging_many,
    _deleveraging_solvent,
    income,
    _tranche,
    _guaranty,
    _policy,
)
