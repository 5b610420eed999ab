"""P1 to P10 (SPECIFICATION.md section 9) over one step of a chain: everybody's books before and after it,
and the events in between.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from tests.integration.books import Books
from weir.chain import Event
from weir.layers import FUND_LAYERS, GUARANTY_LAYERS
from weir.orders import Order

MILLION = 10**6
WIPE_OUT = 10**9


@dataclass(frozen=True)
class Step:
    """One action: the part of the day, its name, the books before and after it, and the events in between."""

    part: str
    name: str
    before: Books
    after: Books
    events: tuple[Event, ...]

    def named(self, *names: str) -> list[Event]:
        return [event for event in self.events if event.name in names]

    def total(self, name: str, *arguments: str) -> int:
        """The sum of these arguments over all events of a name."""
        return sum(event[argument] for event in self.named(name) for argument in arguments)


# ---- P1


def backing_gaps(step: Step) -> tuple[int, int, int]:
    after = step.after
    return (
        after.donated,
        after.fund_held - sum(after.layers.values()),
        after.guaranty_held - after.guaranty.total,
    )


# ---- P2, P3


@dataclass
class Trail:
    """What rounding may have done to one market so far: section 9, slack."""

    kept: int = 0  # units of S, in the pool's favour
    dropped: int = 0  # wei of size since both epochs began
    drift: Fraction = field(
        default_factory=Fraction
    )  # what dropped sizes have made of moves of the index, either way

    def follow(self, step: Step, market: int) -> None:
        before = step.before.markets[market]
        index, units = before.value_index, before.claim_units
        for event in step.events:
            if event.arguments.get("market") != market:
                continue
            match event.name:
                case "Settled" | "ClaimsBurned" | "ClaimsConverted":
                    self.kept += 1
                case "ClaimsMinted":
                    self.kept += 1
                    units += event["units"]
                case "ClaimsWrittenOff":
                    self.kept += 1 + units // WIPE_OUT
                case "RemainderCharged":
                    self.kept += 1
                    self.drift += Fraction(event["amount"] * self.dropped, max(1, before.open_interest))
                case "PositionChanged" | "SideChanged":
                    self.dropped += 1
                case "PremiumCharged":
                    self.dropped -= 2  # the two sides have just changed, and no size did
                    self.kept += 2
                    self.drift += Fraction(event["perUnit"] * self.dropped, before.scale)
                case "EpochEnded":
                    self.dropped = 0
                case "MarketRefreshed":
                    self.drift += Fraction(self.dropped * abs(event["valueIndex"] - index), before.scale)
                    index = event["valueIndex"]


def holds_p2(step: Step, market: int, trail: Trail) -> bool:
    books = step.after.markets[market]
    return -trail.drift <= books.surplus <= trail.kept + len(books.records) + trail.drift


def holds_p3(step: Step, market: int, trail: Trail) -> bool:
    books = step.after.markets[market]
    return all(0 <= books.missing(is_short) <= trail.dropped for is_short in (False, True))


# ---- P4


def with_claims(step: Step) -> Iterator[tuple[Event, list[int]]]:
    """Each event, with the claims outstanding in each market before it."""
    claims = [market.total_claims for market in step.before.markets]
    sign = {"ClaimsMinted": 1, "ClaimsBurned": -1, "ClaimsConverted": -1, "ClaimsWrittenOff": -1}
    epochs = [market.claims_epoch for market in step.before.markets]
    for event in step.events:
        yield event, claims
        if event.name not in sign:
            continue
        market = event["market"]
        claims[market] += sign[event.name] * event["amount"]
        if event.name == "ClaimsWrittenOff" and event["claimsEpoch"] != epochs[market]:
            claims[market], epochs[market] = 0, event["claimsEpoch"]
    assert claims == [market.total_claims for market in step.after.markets]


def check_waterfall(step: Step, coinsurance: Sequence[int]) -> int:
    """P4: whatever stands before a layer that paid has nothing left; coinsurance (ppm, by market) and unpaid
    profit are checked with the claims of the moment. The number of defaults.
    """
    count = 0
    for event, claims in with_claims(step):
        if event.name != "Defaulted":
            continue
        count += 1
        record, remainder, after = event["record"], event["remainder"], step.after
        market = record["market"]
        fund = [record[layer] for layer in (*FUND_LAYERS, *GUARANTY_LAYERS)]
        profit = record["coinsurance"], record["unpaidProfit"]
        assert record["shortfall"] == sum(fund) + sum(profit) + remainder
        assert min(*fund, *profit, remainder) >= 0
        contribution = step.before.guaranty.balances[record["account"]]
        assert record["own"] == min(record["shortfall"], contribution)
        rest = record["shortfall"] - record["own"]
        assert profit[0] == min(claims[market], rest * coinsurance[market] // MILLION)
        assert sum(profit) <= claims[market]
        if record["junior"]:
            assert after.layers["skin"] == after.layers["unvested"] == 0
        if record["senior"]:
            assert after.layers["junior"] == 0
        if record["mutual"] or record["unpaidProfit"] or remainder:
            assert after.markets[market].available == 0
        if record["unpaidProfit"] or remainder:
            assert after.markets[market].members_left == 0
        if remainder:
            assert sum(profit) == claims[market]
    return count


# ---- P5


def check_outsiders(step: Step, fund: str) -> None:
    """P5: outsiders pay nothing, and claims come before open interest. `fund`: which is what pays."""
    before, after = step.before, step.after
    if not step.named("Defaulted"):
        return
    for account, cash in before.cash.items():
        if account == fund:
            continue
        inside = {m for m, market in enumerate(before.markets) if account in market.records}
        if not inside:
            assert after.cash[account] + after.wallets[account] >= cash + before.wallets[account]
        charged = {e["market"] for e in step.named("Settled") if e["account"] == account and e["cash"] < 0}
        charged |= {e["market"] for e in step.named("DebtRepaid", "DebtIncurred") if e["account"] == account}
        assert charged <= inside, (step.name, account)
    for event, claims in with_claims(step):
        if event.name in ("RemainderCharged", "ResidualAdded"):
            assert claims[event["market"]] == 0


# ---- P7


def check_shares(step: Step) -> int:
    """P7: a tranche's share loses value only by a loss. How many did."""
    falls = 0
    for i, layer in enumerate(("junior", "senior")):
        old, new = step.before.tranches[i], step.after.tranches[i]
        lost = sum(event["record"][layer] for event in step.named("Defaulted"))
        lost += step.total("BountyPaid", layer)
        fell = new.price[0] * old.price[1] < old.price[0] * new.price[1]
        assert lost or not fell, (step.name, layer)
        assert new.share_epoch == old.share_epoch or (lost and new.assets == 0)
        falls += fell
    return falls


def check_contributions(step: Step) -> tuple[bool, bool]:
    """P7 of the guaranty fund: whether a unit of it has fallen, and whether it has risen."""
    old, new = step.before.guaranty, step.after.guaranty
    mutual = step.total("LossBorne", "mutual")
    assert mutual == sum(event["record"]["mutual"] for event in step.named("Defaulted")), step.name
    fell = new.price[0] * old.price[1] < old.price[0] * new.price[1]
    assert fell == (mutual > 0), step.name
    return fell, new.price[0] * old.price[1] > old.price[0] * new.price[1]


# ---- P8


def check_budgets(step: Step) -> None:
    """Of P8: no market takes more from the funds than its budgets."""
    for number, market in enumerate(step.before.markets):
        records = [e["record"] for e in step.named("Defaulted") if e["record"]["market"] == number]
        came = step.total("IncomeCollected", "fees", "levies", "premium")
        assert sum(r[layer] for r in records for layer in FUND_LAYERS) <= market.available + came
        assert sum(record["mutual"] for record in records) <= market.members_left + came


# ---- P9


def check_terms(step: Step, orders: Mapping[bytes, Order], filled: Counter[bytes]) -> None:
    """P9: each trade is within its order's terms; `filled` counts over the steps."""
    for event in step.named("Traded"):
        order = orders[event["orderHash"]]
        filled[event["orderHash"]] += event["size"]
        found = event["maker"], event["market"], event["makerBuys"]
        assert found == (order.maker, order.market, order.is_buy)
        assert event["price"] == order.price
        assert 0 < filled[event["orderHash"]] <= order.size


# ---- P10


@dataclass
class Payments:
    """P10 over a course of steps: what accounts paid, and where it has come to."""

    fund: str
    fees: int = 0
    penalties: int = 0
    contributions: int = 0
    collected: int = 0
    to_treasury: int = 0
    premium: int = 0
    premium_collected: int = 0

    def follow(self, step: Step) -> None:
        """Fees, penalties and contributions: with the fund, the treasury, or not yet collected. The premium:
        cash of the fund's account, then the fund's, and never the treasury's. Bounties: with the
        liquidators. Nothing else moves the fund.
        """
        before, after = step.before, step.after
        self.fees += step.total("Exchanged", "payerFee", "payeeFee")
        self.penalties += step.total("LiquidationCharged", "penalty")
        charged = step.total("ContributionPaid", "amount")
        assert charged == step.total("ContributionCharged", "amount") + step.total(
            "LeverageCharged", "amount"
        )
        self.contributions += charged
        self.collected += step.total("IncomeCollected", "fees", "levies")
        self.to_treasury += step.total("IncomeCollected", "treasury")
        paid = self.fees + self.penalties + self.contributions
        assert paid == self.collected + after.fees + after.levies, step.name
        assert after.treasury == self.to_treasury <= self.fees, step.name

        settled = [event for event in step.named("Settled") if event["account"] == self.fund]
        assert sum(event["pnl"] for event in settled) == step.total("PremiumCharged", "amount"), step.name
        self.premium += sum(event["cash"] for event in settled)
        self.premium += sum(e["amount"] for e in step.named("ClaimsConverted") if e["account"] == self.fund)
        self.premium_collected += step.total("IncomeCollected", "premium")
        assert self.premium == self.premium_collected + after.cash.get(self.fund, 0), step.name

        assert step.total("Liquidated", "bountyFromAccount") == step.total("LiquidationCharged", "bounty")
        bounties = step.total("BountyPaid", "amount")
        assert bounties == step.total("Liquidated", "bountyFromFund") == step.total("CashCredited", "amount")

        came = step.total("Contributed", "amount") + step.total("Staked", "assets")
        came += step.total("IncomeCollected", "fees", "levies", "premium")
        came -= step.total("IncomeCollected", "treasury", "toMembers")
        back = [event["recovery"] for event in step.named("Recovered")]
        came += sum(each[layer] for each in back for layer in FUND_LAYERS)
        went = bounties + step.total("Unstaked", "assets")
        went += sum(event["record"][layer] for event in step.named("Defaulted") for layer in FUND_LAYERS)
        assert sum(after.layers.values()) - sum(before.layers.values()) == came - went, step.name

        earned = step.total("IncomeCollected", "toMembers")
        assert step.total("Earned", "amount") == earned, step.name
        came = (
            earned + step.total("Joined", "amount") + sum(e[layer] for e in back for layer in GUARANTY_LAYERS)
        )
        went = step.total("Released", "amount") + step.total("LossBorne", "own", "mutual")
        assert after.guaranty.total - before.guaranty.total == came - went, step.name
