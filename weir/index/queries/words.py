"""Events in words, as one account sees them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

from weir.formatting import address as short
from weir.formatting import number, percent, usd, utc
from weir.index.tables import About

__all__ = ["Words"]

Arguments: TypeAlias = Mapping[str, Any]
_Say: TypeAlias = Callable[["_Seen", Arguments], str]


class Words:
    """Sentences on events of one deployment."""

    def __init__(self, about: About) -> None:
        self._about = about

    def say(self, contract: str, name: str, arguments: Arguments, account: str = "") -> str:
        """One event, to an account; by its name and arguments where there are no words for it."""
        seen = _Seen(self._about, account, contract)
        if found := _SAYINGS.get((contract, name)) or _SAYINGS.get(("", name)):
            return found(seen, arguments)
        listed = ", ".join(f"{key} {value}" for key, value in arguments.items())
        return f"{contract}: {name} ({listed})"


@dataclass(frozen=True, slots=True)
class _Seen:
    """Numbers and names, for one account."""

    about: About
    account: str
    contract: str

    def usd(self, units: int) -> str:
        return usd(Decimal(units).scaleb(-self.about.decimals))

    def market(self, market: int) -> str:
        known = self.about.markets
        return known[market] if market < len(known) else f"market {market}"

    def size(self, size: int) -> str:
        return f"{Decimal(abs(size)).scaleb(-18):,.6f}".rstrip("0").rstrip(".")

    def price(self, price: int) -> str:
        return usd(Decimal(price).scaleb(-18))

    def who(self, address: str) -> str:
        return "it" if address == self.account else short(address)

    def asset(self, asset: int, amount: int) -> str:
        known = self.about.assets
        symbol, decimals = known[asset] if asset < len(known) else (f"asset {asset}", 0)
        return f"{number(Decimal(amount).scaleb(-decimals), 2)} {symbol}"

    @property
    def tranche(self) -> str:
        return "the junior tranche" if self.contract == "JuniorTranche" else "the senior tranche"

    def shares(self, shares: int) -> str:
        return f"{number(Decimal(shares).scaleb(-self.about.decimals - 6), 2)} shares"


def _traded(s: _Seen, a: Arguments) -> str:
    makes = a["maker"] == s.account
    verb = "bought" if a["makerBuys"] == makes else "sold"
    fee, other = (a["makerFee"], a["taker"]) if makes else (a["takerFee"], a["maker"])
    what = f"{verb} {s.size(a['size'])} {s.market(a['market'])} at {s.price(a['price'])}"
    return f"{what} {'to' if verb == 'sold' else 'from'} {short(other)}, fee {s.usd(fee)}"


def _settled(s: _Seen, a: Arguments) -> str:
    pnl, market = a["pnl"], s.market(a["market"])
    if pnl < 0:
        return f"lost {s.usd(-pnl)} in {market}, of which {s.usd(-a['cash'])} was paid in cash"
    absorbed = f", {s.usd(a['absorbed'])} borne for an old default" if a["absorbed"] else ""
    return f"won {s.usd(pnl)} in {market}, of which {s.usd(a['cash'])} came in cash at once{absorbed}"


def _position(s: _Seen, a: Arguments) -> str:
    if a["size"] == 0:
        return f"has no position in {s.market(a['market'])} any more"
    side = "long" if a["size"] > 0 else "short"
    return f"is {side} {s.size(a['size'])} {s.market(a['market'])}"


def _liquidated(s: _Seen, a: Arguments) -> str:
    part = percent(Decimal(a["fraction"]).scaleb(-18))
    bounty = s.usd(a["bountyFromAccount"] + a["bountyFromFund"])
    if a["account"] == s.account:
        return f"{part} of its positions taken over by {short(a['liquidator'])}, bounty {bounty}"
    return f"took over {part} of the positions of {short(a['account'])}, bounty {bounty}"


def _charged(s: _Seen, a: Arguments) -> str:
    if a["account"] == s.account:
        return f"paid {s.usd(a['bounty'])} bounty to its liquidator and {s.usd(a['penalty'])} penalty"
    return f"got {s.usd(a['bounty'])} bounty from {short(a['account'])}"


def _exchanged(s: _Seen, a: Arguments) -> str:
    if a["payer"] == s.account:
        return f"paid {s.usd(a['amount'])} of price difference and {s.usd(a['payerFee'])} of fee"
    return f"got {s.usd(a['amount'])} of price difference and paid {s.usd(a['payeeFee'])} of fee"


def _defaulted(s: _Seen, a: Arguments) -> str:
    what = f"default {a['id']} in {s.market(a['market'])}: {s.usd(a['record']['shortfall'])} it can't pay"
    return f"{what}, {s.usd(a['remainder'])} of that left to open interest" if a["remainder"] else what


def _contribution(s: _Seen, a: Arguments) -> str:
    factors = ("scarcity", "concentration", "leverage", "tierRate")
    why = ", ".join(
        f"{name.removesuffix('Rate')} {percent(Decimal(a[name]) / 10**6, 3)}" for name in factors if a[name]
    )
    return f"contributed {s.usd(a['amount'])} to the fund for new risk in {s.market(a['market'])} ({why})"


def _taken(s: _Seen, a: Arguments) -> str:
    what = f"{s.asset(a['asset'], a['amount'])} for {s.usd(a['cost'])}"
    if a["account"] == s.account:
        return f"its collateral went to its liquidator {short(a['liquidator'])}: {what}"
    return f"took over collateral of {short(a['account'])}: {what}"


def _sold(s: _Seen, a: Arguments) -> str:
    what, why = f"{s.asset(a['asset'], a['amount'])} for {s.usd(a['cost'])}", "its debts"
    if a["id"]:
        why = f"default {a['id']}"
    if a["account"] == s.account:
        return f"its collateral was sold to {short(a['buyer'])} for {why}: {what}"
    return f"bought collateral of {short(a['account'])}: {what}"


def _transfer(s: _Seen, a: Arguments) -> str:
    if a["to"] == s.account:
        return f"got {s.shares(a['value'])} of {s.tranche}"
    return f"gave {s.shares(a['value'])} of {s.tranche}"


def _loss_borne(s: _Seen, a: Arguments) -> str:
    return (
        f"its default took {s.usd(a['own'])} of its own guaranty contribution and {s.usd(a['mutual'])} of"
        " the other members'"
    )


def _exit_requested(_s: _Seen, a: Arguments) -> str:
    if not a["from"]:
        return "took its notice to the guaranty fund back"
    return f"gave notice to the guaranty fund: it may leave from {utc(a['from'])} until {utc(a['until'])}"


_SAYINGS: dict[tuple[str, str], _Say] = {
    ("Vault", "Deposited"): lambda s, a: (
        f"deposited {s.usd(a['amount'])}"
        if a["payer"] == s.account == a["account"]
        else f"{s.who(a['payer'])} deposited {s.usd(a['amount'])} for {s.who(a['account'])}"
    ),
    ("Vault", "Withdrawn"): lambda s, a: f"withdrew {s.usd(a['amount'])}",
    ("Vault", "Settled"): _settled,
    ("Vault", "ClaimsMinted"): lambda s, a: (
        f"was promised {s.usd(a['amount'])} of unpaid profit in {s.market(a['market'])}"
    ),
    ("Vault", "ClaimsBurned"): lambda s, a: (
        f"lost {s.usd(a['amount'])} of unpaid profit in {s.market(a['market'])} to a new loss"
    ),
    ("Vault", "ClaimsConverted"): lambda s, a: (
        f"was paid {s.usd(a['amount'])} of its profit in {s.market(a['market'])}"
    ),
    ("Vault", "DebtIncurred"): lambda s, a: f"owes {s.usd(a['amount'])} more in {s.market(a['market'])}",
    ("Vault", "DebtRepaid"): lambda s, a: (
        f"repaid {s.usd(a['fromCash'] + a['fromProfit'])} of its debt in {s.market(a['market'])}"
    ),
    ("Vault", "DebtResolved"): lambda s, a: (
        f"was released from {s.usd(a['shortfall'])} of debt in {s.market(a['market'])}: others paid"
    ),
    ("Vault", "LiquidationCharged"): _charged,
    ("Vault", "CollateralPaid"): lambda s, a: (
        f"{s.who(a['liquidator'])} paid {s.usd(a['cost'])} for collateral of {s.who(a['account'])}"
    ),
    ("Vault", "CashCredited"): lambda s, a: f"got {s.usd(a['amount'])} of bounty from the fund",
    ("Vault", "Exchanged"): _exchanged,
    ("Vault", "ContributionPaid"): lambda s, a: f"paid a contribution of {s.usd(a['amount'])}",
    ("ClearingHouse", "Traded"): _traded,
    ("ClearingHouse", "PositionChanged"): _position,
    ("ClearingHouse", "Flagged"): lambda s, a: (
        f"flagged: equity {s.usd(a['equity'])}, maintenance margin {s.usd(a['maintenanceMargin'])}"
    ),
    ("ClearingHouse", "Unflagged"): lambda _s, _a: "no longer flagged",
    ("ClearingHouse", "InsolvencyMarked"): lambda _s, _a: "marked insolvent: its equity is below zero",
    ("ClearingHouse", "InsolvencyCleared"): lambda _s, _a: "no longer marked insolvent",
    ("ClearingHouse", "Liquidated"): _liquidated,
    ("ClearingHouse", "Deleveraged"): lambda s, a: (
        f"closed against the other side: {'short' if a['isShort'] else 'long'} {s.size(a['size'])}"
        f" {s.market(a['market'])} at {s.price(a['price'])}"
    ),
    ("ClearingHouse", "OrderCancelled"): lambda _s, _a: "cancelled an order",
    ("ClearingHouse", "AllOrdersCancelled"): lambda _s, _a: "cancelled all its orders",
    ("InsuranceFund", "Defaulted"): _defaulted,
    ("InsuranceFund", "Recovered"): lambda s, a: (
        f"paid {s.usd(sum(a['recovery'].values()))} back for default {a['id']}"
    ),
    ("InsuranceFund", "Contributed"): lambda s, a: f"gave {s.usd(a['amount'])} to the fund's skin",
    ("FundingPolicy", "ContributionCharged"): _contribution,
    ("FundingPolicy", "LeverageCharged"): lambda s, a: (
        f"contributed {s.usd(a['amount'])} to the fund for leverage that a withdrawal added"
    ),
    ("FundingPolicy", "TierPosted"): lambda _s, a: f"is in credit tier {a['tier']}",
    ("GuarantyFund", "Joined"): lambda s, a: (
        f"{s.who(a['payer'])} contributed {s.usd(a['amount'])} to the guaranty fund for {s.who(a['account'])}"
    ),
    ("GuarantyFund", "ExitRequested"): _exit_requested,
    ("GuarantyFund", "Released"): lambda s, a: f"left the guaranty fund with {s.usd(a['amount'])}",
    ("GuarantyFund", "LossBorne"): _loss_borne,
    ("GuarantyFund", "Restored"): lambda s, a: (
        f"its default gave {s.usd(a['own'])} back to it and {s.usd(a['mutual'])} to the members"
    ),
    ("Collateral", "Deposited"): lambda s, a: f"pledged {s.asset(a['asset'], a['amount'])}",
    ("Collateral", "Withdrawn"): lambda s, a: f"took {s.asset(a['asset'], a['amount'])} back",
    ("Collateral", "Taken"): _taken,
    ("Collateral", "Sold"): _sold,
    ("Collateral", "SaleStarted"): lambda _s, a: f"its collateral is for sale until {utc(a['endsAt'])}",
    ("Collateral", "DefaultNoted"): lambda _s, a: f"its collateral is to pay for default {a['id']}",
    ("Reserve", "Contributed"): lambda s, a: f"gave {s.asset(a['asset'], a['amount'])} to the reserve",
    ("Reserve", "AssetSold"): lambda s, a: (
        f"bought {s.asset(a['asset'], a['amount'])} from the reserve for {s.usd(a['cost'])}"
    ),
    ("Reserve", "AssetBought"): lambda s, a: (
        f"sold {s.asset(a['asset'], a['amount'])} to the reserve for {s.usd(a['paid'])}"
    ),
    ("", "Deposit"): lambda s, a: f"staked {s.usd(a['assets'])} in {s.tranche}",
    ("", "Withdraw"): lambda s, a: f"took {s.usd(a['assets'])} out of {s.tranche}",
    ("", "RedeemRequest"): lambda s, a: f"asked for {s.shares(a['shares'])} of {s.tranche} back",
    ("", "Transfer"): _transfer,
}
