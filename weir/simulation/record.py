"""What a run leaves behind: sampled while it goes, then read back from the chain's events and its state."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Any, cast

from eth_utils.abi import function_abi_to_4byte_selector

from weir.chain import Call, Event, pages
from weir.client import Weir
from weir.results import (
    LAYERS,
    Chain,
    Closed,
    CloseOut,
    Contributions,
    Default,
    Fees,
    Fund,
    Gas,
    Identity,
    Ledger,
    MarketIncome,
    Membership,
    Paid,
    Participant,
    Post,
    RunResult,
    SeriesPoint,
    Slack,
)
from weir.results import FundState as FundResult
from weir.scenarios import Scenario
from weir.simulation.asset_record import AssetHistory, AssetSample
from weir.simulation.population import Population
from weir.simulation.stage import Stage
from weir.states import DefaultRecord, FundState, Identities

if TYPE_CHECKING:
    from weir.simulation.engine import Settings

__all__ = ["History", "Recorder"]

_SIZE = Decimal(10) ** -18
_BATCH = 200


@dataclass(slots=True)
class _Sample:
    """The system at one step, and the last block of it."""

    time: int
    block: int
    prices: dict[str, Decimal]
    fund: FundState
    open_interest: int
    margin_used: float | None


# --------------------------------------------------------------------- history


class History:
    """The events of the vault, the clearing house, both funds and the policy, in order, from one block to
    another.
    """

    def __init__(self, weir: Weir, first: int, last: int) -> None:
        self.weir = weir
        self.first = first
        self.last = last
        contracts = (weir.vault, weir.clearing_house, weir.fund, weir.guaranty, weir.policy)
        self.events = weir.chain.logs([contract.address for contract in contracts], first, last)
        self._by_transaction: defaultdict[str, list[Event]] = defaultdict(list)
        for event in self.events:
            self._by_transaction[event.transaction].append(event)

    def named(self, *names: str) -> list[Event]:
        """The events of these names."""
        return [event for event in self.events if event.name in names]

    def total(self, name: str, *arguments: str) -> int:
        """The sum of arguments over all events of a name."""
        return sum(event[argument] for event in self.named(name) for argument in arguments)

    def by_transaction(self) -> Iterable[list[Event]]:
        """The events of each transaction, in order."""
        return self._by_transaction.values()

    @cached_property
    def blocks(self) -> dict[int, dict[str, Any]]:
        """Blocks with their transactions, by number."""
        requests = [("eth_getBlockByNumber", [hex(n), True]) for n in range(self.first, self.last + 1)]
        found = [self.weir.chain.rpc_batch(requests[a : a + n]) for a, n in pages(len(requests), _BATCH)]
        return {int(block["number"], 16): block for chunk in found for block in chunk}

    def price(self, market: int, event: Event) -> Decimal:
        """The mark of a market when something happened, USD."""
        marks = self._marks[market]
        found = bisect_right(marks, (event.block, event.log_index, 0)) - 1
        return marks[found][2] * _SIZE

    @cached_property
    def _marks(self) -> dict[int, list[tuple[int, int, int]]]:
        marks: defaultdict[int, list[tuple[int, int, int]]] = defaultdict(list)
        for event in self.named("MarketRefreshed"):
            marks[event["market"]].append((event.block, event.log_index, event["price"]))
        return dict(marks)

    def time(self, event: Event) -> int:
        """When it happened, Unix seconds."""
        return int(self.blocks[event.block]["timestamp"], 16)

    def sender(self, event: Event) -> str:
        """Who sent the transaction."""
        (sender,) = (
            t["from"] for t in self.blocks[event.block]["transactions"] if t["hash"] == event.transaction
        )
        return self.weir.chain.w3.to_checksum_address(sender)

    @property
    def transactions(self) -> int:
        """How many there were, those that failed included."""
        return sum(len(block["transactions"]) for block in self.blocks.values())

    def gas(self) -> dict[str, list[int]]:
        """Gas of the transactions that succeeded, by the name of the function."""
        weir = self.weir
        contracts = (weir.vault, weir.clearing_house, weir.fund, weir.guaranty, weir.policy)
        names = {
            (contract.address.lower(), _selector(function)): function.fn_name
            for contract in contracts
            for function in contract.all_functions()
        }
        wanted = {
            t["hash"]: names[key]
            for block in self.blocks.values()
            for t in block["transactions"]
            if (key := ((t["to"] or "").lower(), t["input"][:10])) in names
        }
        receipts = self.weir.chain.rpc_batch([("eth_getTransactionReceipt", [each]) for each in wanted])
        used: defaultdict[str, list[int]] = defaultdict(list)
        for name, receipt in zip(wanted.values(), receipts, strict=True):
            if int(receipt["status"], 16):
                used[name].append(int(receipt["gasUsed"], 16))
        return dict(sorted(used.items()))


# -------------------------------------------------------------------- recorder


@dataclass(slots=True)
class Recorder:
    """Takes samples of a run, and makes its result."""

    stage: Stage
    population: Population
    defaults: int = 0
    _first: int = 0
    _before: FundState | None = None
    _samples: list[_Sample] = field(default_factory=list)
    _slack: list[Decimal] = field(default_factory=list)
    _assets: list[AssetSample] = field(default_factory=list)

    # ---- while it runs

    def begin(self, time: int, prices: Mapping[str, Decimal], assets: Mapping[str, Decimal]) -> None:
        """The crash is about to start, at `time`."""
        self.sample(time, prices, assets)
        self._before = self._samples[0].fund

    def sample(self, time: int, prices: Mapping[str, Decimal], assets: Mapping[str, Decimal]) -> None:
        """The system as it is at the end of a step that began at `time`, with these prices."""
        weir = self.stage.weir
        fund = weir.fund_state(block="pending")
        accounts = [each for each in weir.accounts(block="pending") if each.address != weir.fund.address]
        equity = sum(max(account.equity, 0) for account in accounts)
        margin = sum(account.initial_margin for account in accounts)
        self._samples.append(
            _Sample(
                time=time,
                block=int(weir.chain.rpc("eth_blockNumber"), 16),
                prices=dict(prices),
                fund=fund,
                open_interest=sum(market.notional for market in weir.markets(block="pending")),
                margin_used=round(margin / equity, 6) if equity else None,
            )
        )
        if weir.assets:
            self._assets.append(AssetSample(time, dict(assets), weir.assets.states(block="pending"), fund))
        self.defaults = fund.defaults

    def check(self) -> None:
        """Notes how far roundings have opened P1 and P2 by now."""
        books = self.stage.weir.identities()
        self._slack += [self._usd(abs(gap)) for gap in (books.donations, *(m.surplus for m in books.markets))]

    # ---- afterwards

    def result(
        self, scenario: Scenario, seed: int, seconds: float, settings: Settings, posts: tuple[Post, ...] = ()
    ) -> RunResult:
        """The whole run, from the chain."""
        stage, weir = self.stage, self.stage.weir
        last = int(weir.chain.rpc("eth_blockNumber"), 16)
        history = History(weir, weir.deployment.block + 1, last)
        books = weir.identities()
        assets = AssetHistory(stage, history.first, last) if weir.assets else None
        after = weir.fund_state()
        liquidations, deleverages = _liquidations(self, history), _deleverages(self, history)
        defaults = weir.defaults()
        participants = self._participants(history, [*liquidations, *deleverages], assets)
        assert self._before is not None
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
                last_block=last,
                transactions=history.transactions,
            ),
            accounts=len(participants),
            participants=participants,
            trades=len(history.named("Traded")),
            liquidations=len(liquidations),
            liquidation_events=liquidations,
            deleverages=len(deleverages),
            deleverage_events=deleverages,
            defaults=tuple(self._default(record) for record in defaults),
            fees=self._fees(history),
            ledger=self._ledger(books),
            fund=Fund(before=self._fund(self._before), after=self._fund(after)),
            series=self._series(history),
            identities=(
                *self._identities(books, history, defaults),
                *(assets.identities() if assets else ()),
            ),
            slack=Slack(
                max=max(self._slack, default=Decimal(0)),
                mean=sum(self._slack, Decimal(0)) / max(len(self._slack), 1),
            ),
            gas={
                name: Gas(count=len(used), mean=round(sum(used) / len(used), 1), max=max(used))
                for name, used in history.gas().items()
            },
            income=self._income(history),
            refusals=dict(sorted(stage.refused.items())),
            posts=posts,
            stablecoins=assets.result(self._assets) if assets else None,
            parameters=self._parameters(settings),
        )

    # ---- people

    def _participants(
        self, history: History, closings: Iterable[CloseOut], assets: AssetHistory | None
    ) -> tuple[Participant, ...]:
        stage, population = self.stage, self.population
        deposited: Counter[str] = Counter()
        withdrawn: Counter[str] = Counter()
        for event in history.named("Deposited"):
            deposited[event["account"]] += event["amount"]
        for event in history.named("Withdrawn"):
            withdrawn[event["account"]] += event["amount"]
        closed = Counter(closing.account for closing in closings)
        equity = Counter({account.address: account.equity for account in stage.weir.accounts()})
        pledged: Mapping[str, int] = {}
        if assets:
            pledged = assets.pledged()
            equity.update(assets.haircuts())
            deposited.update(pledged)
            deposited.subtract(assets.refunded())
            deposited.subtract(stage.brought_back)
        fees: Counter[str] = Counter()
        for event in history.named("Exchanged"):
            fees[event["payer"]] += event["payerFee"]
            fees[event["payee"]] += event["payeeFee"]
        contributions = self._contributions(history, lambda event: str(event["account"]))
        memberships = self._memberships(history)
        people = [
            *(("trader", trader.name, trader.leverage, trader.skill) for trader in population.traders),
            *(("market maker", maker.name, None, None) for maker in population.makers),
            *(("liquidator", liquidator.name, None, None) for liquidator in population.liquidators),
        ]
        members = [
            Participant(
                address=(address := stage.accounts[name].address),
                role=role,
                leverage=leverage,
                skill=skill,
                deposited=self._usd(deposited[address]),
                pledged=self._usd(pledged.get(address, 0)),
                equity=self._usd(equity[address] + withdrawn[address]),
                liquidations=closed[address],
                fees=self._usd(fees[address]),
                contributions=contributions.get(address, Contributions()),
                membership=memberships.get(address),
            )
            for role, name, leverage, skill in people
        ]
        return (*members, *self._arbitrageurs(), *self._stakers())

    def _arbitrageurs(self) -> list[Participant]:
        """What they have is in their wallets."""
        stage = self.stage
        wallet = stage.weir.token.functions.balanceOf
        return [
            Participant(
                address=(address := stage.accounts[one.name].address),
                role="arbitrageur",
                deposited=self._usd(stage.units(one.money)),
                equity=self._usd(stage.weir.chain.call(wallet(address))),
            )
            for one in self.population.arbitrageurs
        ]

    def _memberships(self, history: History) -> dict[str, Membership]:
        """Of everybody who has contributed, or should have."""
        shares = _Shares()
        for event in history.events:
            shares.take(event)
        found = {}
        for member in self.stage.weir.members():
            found[member.address] = self._membership(shares, member.address, member.balance, member.owed)
        for address in shares.contributed:
            found.setdefault(address, self._membership(shares, address, 0, 0))
        return {
            address: membership
            for address, membership in found.items()
            if membership.contributed or membership.owed
        }

    def _membership(self, shares: _Shares, address: str, balance: int, owed: int) -> Membership:
        return Membership(
            contributed=self._usd(shares.contributed[address]),
            earned=self._usd(shares.earned[address]),
            own=self._usd(shares.own[address]),
            mutual=self._usd(shares.mutual[address]),
            balance=self._usd(balance),
            owed=self._usd(owed),
        )

    def _stakers(self) -> list[Participant]:
        weir, found = self.stage.weir, []
        for layer, tranche in (("junior", weir.junior), ("senior", weir.senior)):
            for number in (1, 2):
                address = self.stage.accounts[f"{layer}-staker-{number}"].address
                shares = weir.chain.call(tranche.functions.balanceOf(address))
                assets = weir.chain.call(tranche.functions.convertToAssets(shares))
                staked = sum(
                    event["assets"]
                    for event in weir.chain.logs(
                        [tranche.address], weir.deployment.block, self._samples[0].block, ["Deposit"]
                    )
                    if event["owner"] == address
                )
                if staked:
                    found.append(
                        Participant(
                            address=address,
                            role=f"{layer} staker",
                            deposited=self._usd(staked),
                            equity=self._usd(assets),
                        )
                    )
        return found

    # ---- losses

    def _default(self, record: DefaultRecord) -> Default:
        return Default(
            id=record.id,
            time=record.time,
            account=record.account,
            market=self.symbol(record.market),
            shortfall=self._usd(record.shortfall),
            paid=Paid(**{layer: self._usd(getattr(record, layer)) for layer in LAYERS}),
            remainder=self._usd(record.remainder),
        )

    # ---- money

    def _fees(self, history: History) -> Fees:
        fees = history.total("Exchanged", "payerFee", "payeeFee")
        penalties = history.total("LiquidationCharged", "penalty")
        levies = penalties + history.total("ContributionPaid", "amount")
        premium = self._premium(history)
        bounties = history.total("LiquidationCharged", "bounty")
        treasury = history.total("IncomeCollected", "treasury")
        income = history.total("IncomeCollected", "fees", "levies", "premium")
        members = history.total("Earned", "amount")
        return Fees(
            paid=self._usd(fees + levies + bounties + premium),
            fund=self._usd(income - treasury - history.total("IncomeCollected", "toMembers")),
            members=self._usd(members),
            treasury=self._usd(treasury),
            liquidators=self._usd(bounties),
            undistributed=self._usd(self._uncollected()),
            trading=self._usd(fees),
            contributions=self._contributions(history, lambda _: "").get("", Contributions()),
            penalties=self._usd(penalties),
            premium_charged=self._usd(history.total("PremiumCharged", "amount")),
            premium=self._usd(premium),
            premium_collected=self._usd(history.total("IncomeCollected", "premium")),
        )

    def _contributions(self, history: History, key: Callable[[Event], str]) -> dict[str, Contributions]:
        """What the policy charged, split by factor, added up by whatever `key` makes of the event."""
        found: defaultdict[str, list[Contributions]] = defaultdict(list)
        for event in history.named("ContributionCharged", "LeverageCharged"):
            found[key(event)].append(_split(event, history.weir.deployment.decimals))
        return {name: Contributions.sum(charges) for name, charges in found.items()}

    def _income(self, history: History) -> dict[str, MarketIncome]:
        def market(event: Event) -> str:
            return self.symbol(event["market"]) if event.name == "ContributionCharged" else ""

        contributions = self._contributions(history, market)
        premium: Counter[str] = Counter()
        for event in history.named("PremiumCharged"):
            premium[self.symbol(event["market"])] += event["amount"]
        return {
            symbol: MarketIncome(
                contributions=contributions.get(symbol, Contributions()),
                premium_charged=self._usd(premium[symbol]),
            )
            for symbol in self.stage.symbols
        }

    def _premium(self, history: History) -> int:
        """What the fund's own account got in cash; claims of it that wait are not yet paid."""
        fund = history.weir.fund.address
        at_once = sum(event["cash"] for event in history.named("Settled") if event["account"] == fund)
        later = sum(event["amount"] for event in history.named("ClaimsConverted") if event["account"] == fund)
        return int(at_once + later)

    def _uncollected(self) -> int:
        """Fees and levies, and premium in the fund's account."""
        weir = self.stage.weir
        fees, levies = weir.chain.call(weir.vault.functions.uncollected())
        return int(fees + levies + weir.chain.call(weir.vault.functions.cashOf(weir.fund.address)))

    def _ledger(self, books: Identities) -> Ledger:
        def by_market(name: str) -> dict[str, Decimal]:
            return {self.symbol(m.market): self._usd(getattr(m, name)) for m in books.markets}

        return Ledger(
            held=self._usd(books.held),
            cash=self._usd(books.cash),
            fees=self._usd(books.fees + books.levies),
            pools=by_market("pool"),
            claims=by_market("claims"),
            debt=by_market("debt"),
            unsettled=by_market("unsettled"),
        )

    def _fund(self, state: FundState) -> FundResult:
        return FundResult(
            skin=self._usd(state.skin),
            junior=self._usd(state.junior),
            senior=self._usd(state.senior),
            reserve=self._usd(state.reserve),
            advanced=self._usd(state.advanced_junior + state.advanced_senior),
            guaranty=self._usd(state.guaranty.total),
            streaming=self._usd(state.unvested),
            target=self._usd(state.target),
            coverage=_ratio(state.coverage),
        )

    # ---- the series

    def _series(self, history: History) -> tuple[SeriesPoint, ...]:
        liquidated = [event.block for event in history.named("Liquidated")]
        closed = {event.transaction: event.block for event in history.named("Deleveraged")}.values()
        contributions, premium = _Running(history, "ContributionPaid"), _Running(history, "PremiumCharged")
        return tuple(
            SeriesPoint(
                time=sample.time,
                prices=sample.prices,
                skin=self._usd(sample.fund.skin),
                junior=self._usd(sample.fund.junior),
                senior=self._usd(sample.fund.senior),
                guaranty=self._usd(sample.fund.guaranty.total),
                open_interest=self._usd(sample.open_interest),
                coverage=_ratio(sample.fund.coverage),
                liquidations=sum(block <= sample.block for block in liquidated),
                deleverages=sum(block <= sample.block for block in closed),
                margin_used=sample.margin_used,
                premium_rate=sample.fund.premium_rate,
                scarcity=sample.fund.scarcity,
                fund_share=sample.fund.fund_share,
                contributions=self._usd(contributions.until(sample.block)),
                premium=self._usd(premium.until(sample.block)),
            )
            for sample in self._samples
        )

    # ---- identities

    def _identities(
        self, books: Identities, history: History, defaults: Sequence[DefaultRecord]
    ) -> tuple[Identity, ...]:
        unit = self._usd(1)
        found = [
            Identity(
                id="P1",
                statement="S held by the vault = cash + pools + fees + levies",
                slack=self._usd(books.donations),
                bound=Decimal(0),
                holds=books.donations == 0,
            )
        ]
        found.append(self._contributed(history))
        for market in books.markets:
            name = self.symbol(market.market)
            settled = sum(
                event["market"] == market.market for event in history.named("Settled", "ClaimsMinted")
            )
            found.append(
                Identity(
                    id=f"P2:{name}",
                    statement="pool + residual ≥ claims + unsettled − debt",
                    slack=self._usd(market.surplus),
                    bound=settled * unit,
                    holds=-settled <= market.surplus,
                )
            )
        for market in books.markets:
            name = self.symbol(market.market)
            changes = sum(event["market"] == market.market for event in history.named("PositionChanged"))
            found.append(
                Identity(
                    id=f"P3:{name}",
                    statement="sizes of each side add up to open interest",
                    slack=market.mismatch * _SIZE,
                    bound=changes * _SIZE,
                    holds=market.mismatch <= changes,
                    unit=name,
                )
            )
        gap = max((abs(self._default(record).difference) for record in defaults), default=Decimal(0))
        skipped = self._usd(_skipped(history, defaults))
        found.append(
            Identity(
                id="P4",
                statement="paid by layers + remainder = shortfall, each layer after the one above it",
                slack=gap + skipped,
                bound=Decimal(0),
                holds=gap == 0 and skipped == 0,
            )
        )
        fees = self._fees(history)
        # What accounts paid is the vault's word, what for the policy's: they must agree to the unit.
        unexplained = self._usd(history.total("ContributionPaid", "amount")) - fees.contributions.total
        received = fees.fund + fees.members + fees.treasury + fees.liquidators
        difference = fees.paid - received - fees.undistributed
        difference += abs(unexplained)
        found.append(
            Identity(
                id="P10",
                statement="fees, levies, premium, bounties = funds + treasury + liquidators + uncollected, "
                "levies = contributions charged + penalties",
                slack=difference,
                bound=Decimal(0),
                holds=difference == 0,
            )
        )
        return tuple(found)

    def _contributed(self, history: History) -> Identity:
        """P1 of the guaranty fund: what lies there, what it has booked, and what came and went."""
        weir = self.stage.weir
        held = weir.chain.call(weir.token.functions.balanceOf(weir.guaranty.address))
        total = weir.fund_state().guaranty.total
        came = history.total("Joined", "amount") + history.total("Earned", "amount")
        came += history.total("Restored", "own", "mutual")
        gone = history.total("Released", "amount") + history.total("LossBorne", "own", "mutual")
        slack = abs(held - total) + abs(came - gone - total)
        return Identity(
            id="P1:guaranty",
            statement="S held by the guaranty fund = contributions + income + recoveries − losses − releases",
            slack=self._usd(slack),
            bound=Decimal(0),
            holds=slack == 0,
        )

    # ---- names and units

    def symbol(self, market: int) -> str:
        """The symbol of a market."""
        return self.stage.symbols[market]

    def usd(self, units: int) -> Decimal:
        """Units of S in USD."""
        return self._usd(units)

    def _usd(self, units: int) -> Decimal:
        return self.stage.weir.usd(units)

    def _parameters(self, settings: Settings) -> dict[str, dict[str, str | int | float]]:
        deployed = self.stage.weir.deployment.parameters
        groups = {
            **{f"market {m.symbol}": m.model_dump(mode="json") for m in deployed.markets},
            "liquidation": deployed.liquidation.model_dump(mode="json"),
            "fund": deployed.fund.model_dump(mode="json"),
            "funding": deployed.funding.model_dump(mode="json"),
            "guaranty": deployed.guaranty.model_dump(mode="json"),
            **{f"asset {asset.symbol}": asset.model_dump(mode="json") for asset in deployed.assets},
            **({"conversion": deployed.conversion.model_dump(mode="json")} if deployed.assets else {}),
            "simulation": asdict(settings),
        }
        return {
            group: {name: value for name, value in values.items() if isinstance(value, str | int | float)}
            for group, values in groups.items()
        }


# ------------------------------------------------------------------ from events


class _Running:
    """Amounts of the events of a name, added up to any block."""

    def __init__(self, history: History, name: str) -> None:
        events = history.named(name)
        self._blocks = [event.block for event in events]
        self._sums = list(accumulate((event["amount"] for event in events), initial=0))

    def until(self, block: int) -> int:
        """The sum up to this block, it included."""
        return int(self._sums[bisect_right(self._blocks, block)])


class _Shares:
    """What each member has contributed, earned and lost, in units of S, from the events; in whole units."""

    def __init__(self) -> None:
        self.contributed: Counter[str] = Counter()
        self.earned: Counter[str] = Counter()
        self.own: Counter[str] = Counter()
        self.mutual: Counter[str] = Counter()
        self._total = 0
        self._units: Counter[str] = Counter()
        self._void = False

    def take(self, event: Event) -> None:
        """The next event."""
        match event.name:
            case "Joined":
                self.contributed[event["account"]] += event["amount"]
                self._move(event["account"], event["amount"], event["units"])
            case "Released":
                self._move(event["account"], -event["amount"], -event["units"])
            case "Restored":
                self._change(event["mutual"], self.mutual, -1)
                if event["own"]:
                    self.own[event["account"]] -= event["own"]
                    self._move(event["account"], event["own"], event["units"])
            case "Earned":
                self._change(event["amount"], self.earned, 1)
            case "LossBorne":
                self.own[event["account"]] += event["own"]
                self._move(event["account"], -event["own"], -event["units"])
                self._change(-event["mutual"], self.mutual, -1)
                if self._void:
                    self._total, self._units, self._void = 0, Counter(), False
            case "WipedOut":
                # By the loss whose event comes next.
                self._void = True

    def _move(self, account: str, amount: int, units: int) -> None:
        self._total += amount
        self._units[account] += units

    def _change(self, amount: int, book: Counter[str], sign: int) -> None:
        """All units gain the amount, which may be negative."""
        if not amount:
            return
        units = self._units.total()
        for account, held in self._units.items():
            before, after = held * self._total // units, held * (self._total + amount) // units
            book[account] += sign * (after - before)
        self._total += amount


def _split(event: Event, decimals: int) -> Contributions:
    """A contribution by factor; a withdrawal pays for nothing but leverage."""
    rates = {"leverage": event["leverage"]}
    if event.name == "ContributionCharged":
        rates = {
            "scarcity": event["scarcity"],
            "concentration": event["concentration"],
            "leverage": event["leverage"],
            "tier": event["tierRate"],
        }
    return Contributions.split(event["amount"], rates, decimals)


def _liquidations(recorder: Recorder, history: History) -> tuple[CloseOut, ...]:
    sizes: defaultdict[tuple[str, int], int] = defaultdict(int)
    found = []
    for events in history.by_transaction():
        changed: dict[tuple[str, int], list[int]] = {}
        for event in events:
            if event.name == "PositionChanged":
                changed.setdefault((event["account"], event["market"]), []).append(event["size"])
        for event in events:
            if event.name == "Liquidated":
                found.append(_liquidation(recorder, history, event, sizes, changed))
        sizes.update({key: each[-1] for key, each in changed.items()})
    return tuple(found)


def _liquidation(
    recorder: Recorder,
    history: History,
    event: Event,
    before: Mapping[tuple[str, int], int],
    changed: Mapping[tuple[str, int], list[int]],
) -> CloseOut:
    """What a liquidation moved: each position as it was settled first, if it was, and as it was left."""
    positions = []
    for (account, market), sizes in changed.items():
        if account != event["account"]:
            continue
        first = sizes[0] if len(sizes) > 1 else before[account, market]
        if moved := first - sizes[-1]:
            positions.append(
                Closed(
                    market=recorder.symbol(market),
                    side="long" if moved > 0 else "short",
                    size=abs(moved) * _SIZE,
                    price=history.price(market, event),
                )
            )
    return CloseOut(
        time=history.time(event),
        account=event["account"],
        caller=event["liquidator"],
        fraction=event["fraction"] / 10**18,
        positions=tuple(positions),
        bounty=recorder.usd(event["bountyFromAccount"] + event["bountyFromFund"]),
    )


def _deleverages(recorder: Recorder, history: History) -> tuple[CloseOut, ...]:
    calls: dict[str, list[Event]] = {}
    for event in history.named("Deleveraged"):
        calls.setdefault(event.transaction, []).append(event)
    return tuple(
        CloseOut(
            time=history.time(events[0]),
            account=events[0]["account"],
            caller=history.sender(events[0]),
            positions=tuple(
                Closed(
                    market=recorder.symbol(event["market"]),
                    side="short" if event["isShort"] else "long",
                    size=event["size"] * _SIZE,
                    price=event["price"] * _SIZE,
                )
                for event in events
            ),
        )
        for events in calls.values()
    )


def _skipped(history: History, defaults: Sequence[DefaultRecord]) -> int:
    """The second half of P4: what layers still had, in units of S, when the next one paid for a default."""
    weir = history.weir
    blocks = {event["id"]: event.block for event in history.named("Defaulted")}
    left = 0
    for default in defaults:
        block = blocks[default.id]
        fund = weir.fund_state(block=block)
        market = weir.markets(block=block)[default.market]
        if default.shortfall > default.own:
            left += weir.members([default.account], block=block)[0].balance
        if default.junior or default.senior:
            left += fund.skin + fund.unvested
            # What the tranches could still have advanced instead.
            unpledged = max(0, fund.reserve - fund.advanced_junior - fund.advanced_senior)
            left += min(unpledged, fund.junior + fund.senior)
        if default.senior:
            left += fund.junior
        if default.mutual or default.unpaid_profit or default.remainder:
            left += market.available
        if default.unpaid_profit or default.remainder:
            left += min(weir.loss_budget(default.market, block=block).left, fund.guaranty.total)
    return left + _claims_spared(history)


def _claims_spared(history: History) -> int:
    """Unpaid profit that was left in a market when open interest, or its residual, was charged there."""
    claims: defaultdict[int, int] = defaultdict(int)
    units: defaultdict[int, int] = defaultdict(int)
    epochs: defaultdict[int, int] = defaultdict(int)
    spared = 0
    for event in history.events:
        match event.name:
            case "ClaimsMinted":
                claims[event["market"]] += event["amount"]
                units[event["market"]] += event["units"]
            case "ClaimsBurned" | "ClaimsConverted":
                claims[event["market"]] -= event["amount"]
                units[event["market"]] -= event["units"]
                if units[event["market"]] == 0:
                    claims[event["market"]] = 0
            case "ClaimsWrittenOff":
                claims[event["market"]] -= event["amount"]
                if event["claimsEpoch"] != epochs[event["market"]]:
                    epochs[event["market"]] = event["claimsEpoch"]
                    claims[event["market"]] = units[event["market"]] = 0
            case "RemainderCharged" | "ResidualAdded":
                spared += claims[event["market"]]
    return spared


def _selector(function: Call) -> str:
    return "0x" + function_abi_to_4byte_selector(cast(Any, function.abi)).hex()


def _ratio(ppm: int | None) -> float | None:
    return None if ppm is None else ppm / 10**6
