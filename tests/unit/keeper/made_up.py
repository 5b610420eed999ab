"""Accounts, markets, stablecoins and views of them, made up: what a keeper's decisions are tried on."""

from typing import Any

from weir.keeper.policy import Options
from weir.keeper.view import Rules, View
from weir.stablecoins import AssetState, AuctionState, PledgeState
from weir.states import AccountState, Actions, FundState, MarketState, PositionState, TrancheState

USD = 10**6
ETHER = 10**18
PRICE = 10_000
RULES = Rules(penalty=5_000, min_notional=100 * USD, scale=10**30)
LIQUIDATOR, TRADER, OTHER, WINNER = "0x10", "0x20", "0x21", "0x30"
OPTIONS = Options()


# ------------------------------------------------------------------- factories


def market(number: int = 0, **changes: Any) -> MarketState:
    """Initial margin 5 %, maintenance 3 %, at 10,000 USD; the fund may pay a million."""
    fields: dict[str, Any] = dict.fromkeys(MarketState.__slots__, 0)
    fields |= {
        "id": number,
        "price": PRICE * ETHER,
        "initial_margin_ratio": 50_000,
        "maintenance_margin_ratio": 30_000,
        "available": 1_000_000 * USD,
    }
    return MarketState(**fields | changes)


def account(address: str, equity: int, *sizes: float, unsettled: int = 0, **changes: Any) -> AccountState:
    """An account with USD `equity` and positions in markets 0, 1, …; its profit so far lies in market 0."""
    positions = tuple(
        PositionState(
            market=m,
            size=round(size * ETHER),
            unsettled=unsettled * USD if m == 0 else 0,
            notional=round(abs(size) * PRICE * USD),
            live=True,
        )
        for m, size in enumerate(sizes)
        if size
    )
    notional = sum(position.notional for position in positions)
    fields: dict[str, Any] = {
        "address": address,
        "cash": (equity - unsettled) * USD,
        "claims": 0,
        "debt": 0,
        "collateral": 0,
        "net": (equity - unsettled) * USD,
        "unsettled": unsettled * USD,
        "equity": equity * USD,
        "initial_margin": notional * 5 // 100,
        "maintenance_margin": notional * 3 // 100,
        "notional": notional,
        "flagged_at": 0,
        "insolvent": False,
        "priced": True,
        "positions": positions,
    }
    return AccountState(**fields | changes)


def finding(of: AccountState, **changes: Any) -> Actions:
    """What the lens says about an account: nothing to do, unless changed."""
    fields: dict[str, Any] = {name: getattr(of, name, False) for name in Actions.__slots__}
    return Actions(**fields | {"bounty_rate": 0} | changes)


def for_sale(of: AccountState, bounty_rate: int = 2_000, **changes: Any) -> Actions:
    return finding(of, liquidate=True, bounty_rate=bounty_rate, flagged_at=1, **changes)


def view(*accounts: AccountState, findings: tuple[Actions, ...] = (), **changes: Any) -> View:
    tranche = TrancheState("0x99", 0, 0, 0, 0, 1, rolls_from=500, requested=0, noticed=0)
    fund: dict[str, Any] = dict.fromkeys(FundState.__slots__, 0)
    fund |= {
        "gate_open": True,
        "assets": 1_000_000 * USD,
        "junior_tranche": tranche,
        "senior_tranche": tranche,
    }
    fields: dict[str, Any] = {
        "block": 10,
        "time": 1_000,
        "rules": RULES,
        "markets": (market(0), market(1)),
        "findings": findings,
        "accounts": {each.address: each for each in accounts},
        "fund": FundState(**fund),
        "uncollected": 0,
        "gas_price": 1,
    }
    return View(**fields | changes)


QUIET = AuctionState(started_at=0, ends_at=0, buying=False, startable=False, factor=0)


def asset(**changes: Any) -> AssetState:
    """USDC at 90 cents, with a haircut of 5 %; a sale may lose 2 %, and the reserve has 1,000 of it."""
    fields: dict[str, Any] = dict.fromkeys(AssetState.__slots__, 0)
    fields |= {
        "symbol": "USDC",
        "token": "0x70",
        "decimals": 6,
        "is_share": False,
        "status": "ok",
        "price": 9 * ETHER // 10,
        "haircut": 50_000,
        "discount": 20_000,
        "reserve": 1_000 * USD,
        "reserve_worth": 900 * USD,
        "auction": QUIET,
    }
    return AssetState(**fields | changes)


def pledge(address: str, held: int, **changes: Any) -> PledgeState:
    """So many tokens of the asset above, and nothing to be paid from them."""
    fields: dict[str, Any] = dict.fromkeys(PledgeState.__slots__, 0)
    fields |= {
        "address": address,
        "held": (held * USD,),
        "value": held * USD * 9 * 95 // 1_000,
        "startable": False,
    }
    return PledgeState(**fields | changes)


def pledged(*pledges: PledgeState, of: tuple[AssetState, ...] = (), **changes: Any) -> dict[str, Any]:
    """What a view has of stablecoins; auctions take ten minutes to their discount."""
    return {
        "assets": of or (asset(),),
        "pledges": {each.address: each for each in pledges},
        "sale_duration": 600,
    } | changes
