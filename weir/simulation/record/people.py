"""Who took part: what each put in, and what it ended with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from weir.results import CloseOut, Contributions, Participant
from weir.simulation.population import Population
from weir.simulation.record.assets import AssetHistory
from weir.simulation.record.history import History
from weir.simulation.record.income import contributions
from weir.simulation.record.members import memberships
from weir.simulation.stage import Stage

__all__ = ["account_holders", "arbitrageurs", "stakers"]


def account_holders(
    stage: Stage,
    population: Population,
    history: History,
    closings: Iterable[CloseOut],
    assets: AssetHistory | None,
) -> Iterator[Participant]:
    """Those with accounts in the vault: traders, market makers and liquidators."""
    deposited = history.totals("Deposited", "amount", by="account")
    withdrawn = history.totals("Withdrawn", "amount", by="account")
    equity = Counter({account.address: account.equity for account in history.weir.accounts()})
    pledged: Mapping[str, int] = {}
    if assets:
        pledged = assets.pledged()
        equity.update(assets.haircuts())
        deposited.update(pledged)
        deposited.subtract(assets.refunded())
        deposited.subtract(stage.brought_back)
    fees = history.totals("Exchanged", "payerFee", by="payer")
    fees.update(history.totals("Exchanged", "payeeFee", by="payee"))
    closed = Counter(closing.account for closing in closings)
    charged = contributions(history, lambda event: str(event["account"]))
    members = memberships(history)
    people = [
        *(("trader", trader.name, trader.leverage, trader.skill) for trader in population.traders),
        *(("market maker", maker.name, None, None) for maker in population.makers),
        *(("liquidator", liquidator.name, None, None) for liquidator in population.liquidators),
    ]
    for role, name, leverage, skill in people:
        address = stage.accounts[name].address
        yield Participant(
            address=address,
            role=role,
            leverage=leverage,
            skill=skill,
            deposited=history.usd(deposited[address]),
            pledged=history.usd(pledged.get(address, 0)),
            equity=history.usd(equity[address] + withdrawn[address]),
            liquidations=closed[address],
            fees=history.usd(fees[address]),
            contributions=charged.get(address, Contributions()),
            membership=members.get(address),
        )


def arbitrageurs(stage: Stage, population: Population) -> Iterator[Participant]:
    """Those who buy what auctions sell: what they have is in their wallets."""
    weir = stage.weir
    for one in population.arbitrageurs:
        address = stage.accounts[one.name].address
        yield Participant(
            address=address,
            role="arbitrageur",
            deposited=weir.usd(stage.units(one.money)),
            equity=weir.usd(weir.chain.call(weir.token.functions.balanceOf(address))),
        )


def stakers(stage: Stage, opening: int) -> Iterator[Participant]:
    """Those who had staked in a tranche by the block in which the crash began."""
    weir = stage.weir
    for layer, tranche in (("junior", weir.junior), ("senior", weir.senior)):
        deposits = weir.chain.logs([tranche.address], weir.deployment.block, opening, ["Deposit"])
        for number in (1, 2):
            address = stage.accounts[f"{layer}-staker-{number}"].address
            staked = sum(event["assets"] for event in deposits if event["owner"] == address)
            if not staked:
                continue
            shares = weir.chain.call(tranche.functions.balanceOf(address))
            yield Participant(
                address=address,
                role=f"{layer} staker",
                deposited=weir.usd(staked),
                equity=weir.usd(weir.chain.call(tranche.functions.convertToAssets(shares))),
            )
