"""The reference model beside the contracts: where it starts, and how a step is called on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from weir.fuzz.clearing.setting import (
    model_asset,
    model_conversion,
    model_fund,
    model_funding,
    model_guaranty,
    model_liquidation,
    model_market,
)
from weir.fuzz.clearing.system import System
from weir.fuzz.steps import Step
from weir.model import World

__all__ = ["origin", "play"]


def origin(system: System) -> World:
    """The model where the chain is after its set-up."""
    setting, chain, weir = system.setting, system.chain, system.weir
    decimals, parameters = setting.decimals, setting.parameters()
    world = World(
        decimals=decimals,
        fund=model_fund(parameters.fund, decimals),
        funding=model_funding(parameters.funding, decimals),
        guaranty=model_guaranty(parameters.guaranty, decimals),
        liquidation=model_liquidation(parameters.liquidation, decimals),
        stablecoins=model_conversion(parameters.conversion),
        epoch_duration=parameters.fund.epoch_duration,
    )
    for number, market in enumerate(parameters.markets):
        state = chain.call(weir.clearing_house.functions.marketState(number))
        world.at(state["updatedAt"], state["updatedBlock"])
        world.set_price(number, state["price"])
        world.add_market(
            model_market(market),
            budget_share=market.budget_share,
            coinsurance=market.coinsurance,
            maturity=market.maturity,
        )
    stablecoins = chain.contract("Stablecoins", weir.deployment.address("Stablecoins"))
    for number in range(len(parameters.assets)):
        listed = chain.call(stablecoins.functions.asset(number))
        world.stablecoins.answers[number] = listed["rate"]
        world.set_asset(number, model_asset(setting, number))
        world.stablecoins.assets[number].since = listed["since"]
    for tranche in (weir.junior, weir.senior):
        name = "junior" if tranche is weir.junior else "senior"
        world.tranche(name).last_roll_at = chain.call(tranche.functions.lastRollAt())
    world.fund.since = chain.call(weir.fund.functions.stream())[1]
    return world


def play(world: World, step: Step, *, guarded: bool) -> None:
    """The step on the model; unguarded, a refusal would leave a broken world."""
    name, arguments = _MODEL.get(step.call, _as_it_stands)(step)
    method: Callable[..., object] = getattr(type(world), name)
    if not guarded:
        method = getattr(method, "__wrapped__", method)
    method(world, *arguments)


def _as_it_stands(step: Step) -> tuple[str, Sequence[Any]]:
    return step.call, step.arguments


def _by_sender(name: str) -> Callable[[Step], tuple[str, Sequence[Any]]]:
    return lambda step: (name, (step.sender, *step.arguments))


def _in_tranche(name: str) -> Callable[[Step], tuple[str, Sequence[Any]]]:
    return lambda step: (name, (step.arguments[0], step.sender, *step.arguments[1:]))


_MODEL: dict[str, Callable[[Step], tuple[str, Sequence[Any]]]] = {
    "deposit": _by_sender("deposit"),
    "withdraw": _by_sender("withdraw"),
    "trade": lambda step: ("trade", (step.sender, *step.arguments[:2])),
    "cancel": _by_sender("cancel"),
    "cancel_all": _by_sender("cancel_all"),
    "liquidate": _by_sender("liquidate"),
    "contribute": _by_sender("contribute"),
    "recover": _by_sender("recover"),
    "deposit_collateral": _by_sender("deposit_collateral"),
    "withdraw_collateral": _by_sender("withdraw_collateral"),
    "buy_collateral": _by_sender("buy_collateral"),
    "contribute_asset": _by_sender("contribute_asset"),
    "buy_from_reserve": _by_sender("buy_from_reserve"),
    "sell_to_reserve": _by_sender("sell_to_reserve"),
    "set_conversion": lambda step: ("set_stablecoin_parameters", step.arguments),
    "join": _by_sender("join"),
    "request_exit": _by_sender("request_exit"),
    "stake": _in_tranche("stake"),
    "mint": _in_tranche("mint"),
    "request_redeem": _in_tranche("request_redeem"),
    "transfer_shares": _in_tranche("transfer_shares"),
    "approve": _in_tranche("approve"),
    "transfer_from": _in_tranche("transfer_from"),
    "set_operator": _in_tranche("set_operator"),
    "request_redeem_for": _in_tranche("request_redeem_for"),
    "claim_for": _in_tranche("claim_for"),
    "claim": _in_tranche("claim"),
    "claim_assets": _in_tranche("claim_assets"),
    "set_market": lambda step: ("set_market_parameters", step.arguments),
    "set_cover": lambda step: ("set_market_cover", step.arguments),
    "set_liquidation": lambda step: ("set_liquidation_parameters", step.arguments),
    "set_fund": lambda step: ("set_fund_parameters", step.arguments),
    "set_funding": lambda step: ("set_funding_parameters", step.arguments),
    "set_guaranty": lambda step: ("set_guaranty_parameters", step.arguments),
}
"""How a step is called on the model, where not by its own name and arguments."""
