"""Cash, claims, debts, pools, fees and levies (`IVault`)."""

from __future__ import annotations

from weir.index.rebuild.handlers import Arguments, Handlers
from weir.index.rebuild.house import present
from weir.index.rebuild.state import Account, Claim, State

__all__ = ["VAULT"]

VAULT = Handlers()


def _receive(account: Account, amount: int) -> None:
    account.cash += amount
    account.known = account.known or amount != 0


# ------------------------------------------------------------------------ cash


@VAULT("Deposited")
def _deposited(state: State, a: Arguments) -> None:
    _receive(state.account(a["account"]), a["amount"])


@VAULT("CashCredited")
def _cash_credited(state: State, a: Arguments) -> None:
    _receive(state.account(a["account"]), a["amount"])


@VAULT("Withdrawn")
def _withdrawn(state: State, a: Arguments) -> None:
    state.account(a["account"]).cash -= a["amount"]


@VAULT("Exchanged")
def _exchanged(state: State, a: Arguments) -> None:
    state.account(a["payer"]).cash -= a["amount"] + a["payerFee"]
    payee = state.account(a["payee"])
    _receive(payee, a["amount"])
    payee.cash -= a["payeeFee"]
    state.fees += a["payerFee"] + a["payeeFee"]


@VAULT("ContributionPaid")
def _contribution_paid(state: State, a: Arguments) -> None:
    state.account(a["account"]).cash -= a["amount"]
    state.levies += a["amount"]


@VAULT("LiquidationCharged")
def _liquidation_charged(state: State, a: Arguments) -> None:
    state.account(a["account"]).cash -= a["bounty"] + a["penalty"]
    _receive(state.account(a["liquidator"]), a["bounty"])
    state.levies += a["penalty"]


@VAULT("CollateralPaid")
def _collateral_paid(state: State, a: Arguments) -> None:
    state.account(a["liquidator"]).cash -= a["cost"]
    _receive(state.account(a["account"]), a["cost"])


@VAULT("Collected")
def _collected(state: State, a: Arguments) -> None:
    state.fees -= a["fees"]
    state.levies -= a["levies"]
    state.account(state.fund_address).cash -= a["premium"]


# ------------------------------------------------------------- profit and loss


@VAULT("Settled")
def _settled(state: State, a: Arguments) -> None:
    account, market = state.account(a["account"]), state.markets[a["market"]]
    account.known = account.known or a["pnl"] > 0
    account.cash += a["cash"]
    market.pool -= a["cash"]
    market.residual -= a["absorbed"]
    if (position := account.positions.get(a["market"])) is not None:
        present(market, position)


@VAULT("ClaimsMinted")
def _claims_minted(state: State, a: Arguments) -> None:
    account, market = state.account(a["account"]), state.markets[a["market"]]
    held = account.claims.get(a["market"])
    before = held.units if held is not None and held.epoch == market.claims_epoch else 0
    account.claims[a["market"]] = Claim(before + a["units"], market.claims_epoch, a["maturesAt"])
    market.claims += a["amount"]
    market.claim_units += a["units"]


@VAULT("ClaimsBurned")
def _claims_burned(state: State, a: Arguments) -> None:
    account, market = state.account(a["account"]), state.markets[a["market"]]
    claim = account.claims[a["market"]]
    claim.units -= a["units"]
    if claim.units == 0:
        del account.claims[a["market"]]
    market.claim_units -= a["units"]
    market.claims = market.claims - a["amount"] if market.claim_units else 0


@VAULT("ClaimsConverted")
def _claims_converted(state: State, a: Arguments) -> None:
    _claims_burned(state, a)
    state.account(a["account"]).cash += a["amount"]
    state.markets[a["market"]].pool -= a["amount"]


@VAULT("ClaimsWrittenOff")
def _claims_written_off(state: State, a: Arguments) -> None:
    market = state.markets[a["market"]]
    market.claims -= a["amount"]
    if a["claimsEpoch"] != market.claims_epoch:
        market.claims, market.claim_units, market.claims_epoch = 0, 0, a["claimsEpoch"]


def _reduce_debt(account: Account, market: int, amount: int) -> None:
    account.debts[market] -= amount
    if account.debts[market] == 0:
        del account.debts[market]


@VAULT("DebtIncurred")
def _debt_incurred(state: State, a: Arguments) -> None:
    debts = state.account(a["account"]).debts
    debts[a["market"]] = debts.get(a["market"], 0) + a["amount"]


@VAULT("DebtRepaid")
def _debt_repaid(state: State, a: Arguments) -> None:
    account = state.account(a["account"])
    account.cash -= a["fromCash"]
    state.markets[a["market"]].pool += a["fromCash"]
    _reduce_debt(account, a["market"], a["fromCash"] + a["fromProfit"])


@VAULT("DebtResolved")
def _debt_resolved(state: State, a: Arguments) -> None:
    _reduce_debt(state.account(a["account"]), a["market"], a["shortfall"])
    state.markets[a["market"]].pool += a["fromFund"]


@VAULT("ResidualAdded")
def _residual_added(state: State, a: Arguments) -> None:
    state.markets[a["market"]].residual += a["amount"]


@VAULT("MaturitySet")
def _maturity_set(state: State, a: Arguments) -> None:
    state.market(a["market"]).maturity = a["maturity"]
