"""Takes samples of a run while it goes, and puts its result together afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from weir.results import Chain, Fund, Post, RunResult, Slack
from weir.scenarios import Scenario
from weir.simulation.market import Settings
from weir.simulation.population import Population
from weir.simulation.record import balances, closings, identities, income, people, waterfall
from weir.simulation.record.assets import AssetHistory
from weir.simulation.record.gas import gas
from weir.simulation.record.history import History
from weir.simulation.record.parameters import parameters
from weir.simulation.record.samples import Sample
from weir.simulation.record.series import series
from weir.simulation.stage import Stage

__all__ = ["Recorder"]


@dataclass(slots=True)
class Recorder:
    """Takes samples of a run, and makes its result."""

    stage: Stage
    population: Population
    _samples: list[Sample] = field(default_factory=list)
    _slack: list[Decimal] = field(default_factory=list)

    # ---- while it runs

    def sample(self, time: int, prices: Mapping[str, Decimal], assets: Mapping[str, Decimal]) -> None:
        """The system as it is at the end of a step that began at `time`, with these prices.

        The first sample is the system before the crash.
        """
        self._samples.append(Sample.take(self.stage.weir, time, prices, assets))

    def check(self) -> None:
        """Notes how far roundings have opened P1 and P2 by now."""
        weir = self.stage.weir
        books = weir.identities()
        self._slack += [weir.usd(abs(gap)) for gap in (books.donations, *(m.surplus for m in books.markets))]

    @property
    def defaults(self) -> int:
        """How many there had been at the last sample."""
        return self._samples[-1].fund.defaults if self._samples else 0

    # ---- afterwards

    def result(
        self, scenario: Scenario, seed: int, seconds: float, settings: Settings, posts: tuple[Post, ...] = ()
    ) -> RunResult:
        """The whole run, from the chain."""
        stage, weir, opening = self.stage, self.stage.weir, self._samples[0]
        last = int(weir.chain.rpc("eth_blockNumber"), 16)
        history = History(weir, weir.deployment.block + 1, last)
        assets = AssetHistory(history) if weir.assets else None
        books, records = weir.identities(), weir.defaults()
        liquidations, deleverages = closings.liquidations(history), closings.deleverages(history)
        closed = (*liquidations, *deleverages)
        defaults, fees = waterfall.paid_for(history, records), income.fees(history)
        participants = (
            *people.account_holders(stage, self.population, history, closed, assets),
            *people.arbitrageurs(stage, self.population),
            *people.stakers(stage, opening.block),
        )
        return RunResult(
            scenario=scenario.id,
            title=scenario.title,
            description=scenario.description,
            source=scenario.source,
            node=stage.node.kind,
            seed=seed,
            seconds=round(seconds, 1),
            chain=Chain(
                id=weir.chain.id,
                first_block=history.first,
                last_block=history.last,
                transactions=history.transactions,
            ),
            accounts=len(participants),
            participants=participants,
            trades=len(history.named("Traded")),
            liquidations=len(liquidations),
            liquidation_events=liquidations,
            deleverages=len(deleverages),
            deleverage_events=deleverages,
            defaults=defaults,
            fees=fees,
            ledger=balances.ledger(history, books),
            fund=Fund(
                before=balances.fund(history, opening.fund),
                after=balances.fund(history, weir.fund_state()),
            ),
            series=series(history, self._samples),
            identities=(
                *identities.of_system(history, books, defaults, waterfall.skipped(history, records), fees),
                *(identities.of_assets(assets) if assets else ()),
            ),
            slack=Slack(
                max=max(self._slack, default=Decimal(0)),
                mean=sum(self._slack, Decimal(0)) / max(len(self._slack), 1),
            ),
            gas=gas(history),
            income=income.by_market(history),
            refusals=dict(sorted(stage.refused.items())),
            posts=posts,
            stablecoins=assets.result(self._samples) if assets else None,
            parameters=parameters(weir.deployment.parameters, settings),
        )
