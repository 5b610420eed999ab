"""Other stablecoins: their listing, pledges, the reserve; and the oracle's settings (`IStablecoins`,
`ICollateral`, `IReserve`, `IPriceOracle`).
"""

from __future__ import annotations

from weir.index.rebuild.handlers import Arguments, Handlers
from weir.index.rebuild.state import Account, Asset, State
from weir.model.numbers import MILLION

__all__ = ["COLLATERAL", "ORACLE", "RESERVE", "STABLECOINS"]

STABLECOINS, COLLATERAL, RESERVE, ORACLE = Handlers(), Handlers(), Handlers(), Handlers()


# --------------------------------------------------------------------- listing


@STABLECOINS("AssetSet")
def _asset_set(state: State, a: Arguments) -> None:
    asset = state.assets.setdefault(a["asset"], Asset())
    asset.token, asset.parameters = a["token"], a["parameters"]
    asset.rate, asset.since = a["rate"], a["since"]


@STABLECOINS("ConversionParametersSet")
def _conversion_parameters_set(state: State, a: Arguments) -> None:
    state.conversion = a["parameters"]


@ORACLE("FeedSet")
def _feed_set(state: State, a: Arguments) -> None:
    state.feeds[a["market"]] = {name: a[name] for name in ("feed", "heartbeat", "minPrice", "maxPrice")}


@ORACLE("SequencerFeedSet")
def _sequencer_feed_set(state: State, a: Arguments) -> None:
    state.sequencer = dict(a)


# ------------------------------------------------------------------ collateral


def _hold(account: Account, asset: int, amount: int) -> None:
    held = account.held.get(asset, 0) + amount
    if held:
        account.held[asset] = held
    else:
        account.held.pop(asset, None)
    account.known = True


def _pledge(state: State, a: Arguments, amount: int) -> None:
    _hold(state.account(a["account"]), a["asset"], amount)
    state.assets[a["asset"]].pledged += amount


@COLLATERAL("Deposited")
def _deposited(state: State, a: Arguments) -> None:
    _pledge(state, a, a["amount"])


@COLLATERAL("Withdrawn")
def _withdrawn(state: State, a: Arguments) -> None:
    _pledge(state, a, -a["amount"])


@COLLATERAL("Sold")
def _sold(state: State, a: Arguments) -> None:
    _pledge(state, a, -a["amount"])


@COLLATERAL("Taken")
def _taken(state: State, a: Arguments) -> None:
    _hold(state.account(a["account"]), a["asset"], -a["amount"])
    _hold(state.account(a["liquidator"]), a["asset"], a["amount"])


@COLLATERAL("SaleStarted")
def _sale_started(state: State, a: Arguments) -> None:
    state.account(a["account"]).sale_at = state.time


@COLLATERAL("DefaultNoted")
def _default_noted(state: State, a: Arguments) -> None:
    state.account(a["account"]).defaults.append(a["id"])


# --------------------------------------------------------------------- reserve


@RESERVE("Contributed")
def _contributed(state: State, a: Arguments) -> None:
    state.assets[a["asset"]].reserve += a["amount"]


@RESERVE("AssetBought")
def _asset_bought(state: State, a: Arguments) -> None:
    asset = state.assets[a["asset"]]
    asset.reserve += a["amount"]
    state.policy.reserve += _counts(asset, a["paid"])


@RESERVE("AssetSold")
def _asset_sold(state: State, a: Arguments) -> None:
    asset = state.assets[a["asset"]]
    asset.reserve -= a["amount"]
    state.policy.reserve = max(0, state.policy.reserve - _counts(asset, a["cost"]))


def _counts(asset: Asset, worth: int) -> int:
    """After the haircut."""
    return int(worth * (MILLION - asset.parameters["haircut"]) // MILLION)


@RESERVE("AuctionStarted")
def _auction_started(state: State, a: Arguments) -> None:
    asset = state.assets[a["asset"]]
    asset.auction_at, asset.buying = state.time, a["buying"]
