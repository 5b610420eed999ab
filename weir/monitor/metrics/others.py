"""Other stablecoins, as collateral and in the fund's reserve, and the guaranty fund."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from weir.decoding import PRICE_STATUS
from weir.monitor.metrics.metric import Figure, Number, Sample, by_asset, one, size, states, usd
from weir.monitor.watch import Reading
from weir.parameters import from_units
from weir.stablecoins import AssetState
from weir.units import MILLION

__all__ = ["FIGURES"]

ASSET = ("asset",)


def _price(_: Reading, asset: AssetState) -> Number | None:
    return size(asset.price) if asset.price else None


def _depeg(_: Reading, asset: AssetState) -> Number | None:
    return 1 - size(asset.par) if asset.price else None


def _tokens(name: str) -> Callable[[Reading, AssetState], Number]:
    return lambda _, asset: from_units(getattr(asset, name), asset.decimals)


def _amount(name: str) -> Callable[[Reading, AssetState], Number]:
    return lambda reading, asset: usd(reading, getattr(asset, name))


def _auctions(reading: Reading) -> Iterator[Sample]:
    for asset in reading.seen.assets:
        auction = asset.auction
        for direction, buying in (("buys", True), ("sells", False)):
            yield (asset.symbol, direction), int(bool(auction.factor) and auction.buying == buying)


def _price_off(_: Reading, asset: AssetState) -> Number | None:
    return asset.auction.off / MILLION if asset.auction.factor else None


def _due(reading: Reading) -> Number | None:
    if not reading.deployment.assets:
        return None
    return usd(reading, sum(pledge.due for pledge in reading.seen.pledges))


def _members(name: str) -> Callable[[Reading], Number]:
    return lambda reading: usd(reading, sum(getattr(member, name) for member in reading.seen.members))


FIGURES = (
    Figure(
        "weir_stablecoin_price_usd",
        "Price of a whole token; absent where its feed has none.",
        by_asset(_price),
        ASSET,
    ),
    Figure(
        "weir_stablecoin_depeg_ratio",
        "By how much less than a dollar the stablecoin trades (0: at its peg or above); absent where its "
        "feed has no price.",
        by_asset(_depeg),
        ASSET,
    ),
    Figure(
        "weir_stablecoin_feed_status",
        "1 for the state that the stablecoin's price is in, 0 for the others. In any but ok it counts for "
        "nothing new.",
        lambda reading: states(((a.symbol, a.status) for a in reading.seen.assets), PRICE_STATUS),
        (*ASSET, "state"),
    ),
    Figure(
        "weir_stablecoin_collateral_tokens",
        "Tokens that accounts have pledged as margin.",
        by_asset(_tokens("pledged")),
        ASSET,
    ),
    Figure(
        "weir_stablecoin_collateral_cap_tokens",
        "Most tokens that all accounts together may pledge.",
        by_asset(_tokens("collateral_cap")),
        ASSET,
    ),
    Figure(
        "weir_stablecoin_collateral_usd",
        "What the pledged tokens count for as margin, after the haircut.",
        by_asset(_amount("pledged_value")),
        ASSET,
    ),
    Figure(
        "weir_stablecoin_collateral_due_usd",
        "What accounts owe that is to be paid from sales of what they have pledged.",
        one(_due),
    ),
    Figure(
        "weir_reserve_tokens",
        "Tokens that the fund's skin holds.",
        by_asset(_tokens("reserve")),
        ASSET,
    ),
    Figure(
        "weir_reserve_worth_usd",
        "What the reserve's tokens are worth at their price.",
        by_asset(_amount("reserve_worth")),
        ASSET,
    ),
    Figure(
        "weir_reserve_counts_usd",
        "What the reserve's tokens count for, after the haircut.",
        by_asset(_amount("reserve_value")),
        ASSET,
    ),
    Figure(
        "weir_reserve_target_usd",
        "What the reserve should hold of the stablecoin, at its price.",
        by_asset(_amount("reserve_target")),
        ASSET,
    ),
    Figure(
        "weir_reserve_auction_running",
        "1 while the reserve buys or sells the stablecoin in an auction.",
        _auctions,
        (*ASSET, "direction"),
    ),
    Figure(
        "weir_reserve_auction_off_ratio",
        "By how much the running auction's price is off, against the reserve; absent while none runs.",
        by_asset(_price_off),
        ASSET,
    ),
    Figure(
        "weir_reserve_auction_due",
        "1 while anyone may start an auction that the reserve needs.",
        by_asset(lambda _, asset: int(asset.auction.startable)),
        ASSET,
    ),
    Figure(
        "weir_guaranty_total_usd",
        "What the guaranty fund's members have contributed and not lost.",
        one(lambda reading: usd(reading, reading.fund.guaranty.total)),
    ),
    Figure(
        "weir_guaranty_member_count",
        "Accounts with a balance in the guaranty fund.",
        one(lambda reading: sum(member.balance > 0 for member in reading.seen.members)),
    ),
    Figure(
        "weir_guaranty_required_usd",
        "What all accounts should have contributed for their positions of now.",
        one(_members("requirement")),
    ),
    Figure(
        "weir_guaranty_owed_usd",
        "What is missing of that: who owes may take no new risk.",
        one(_members("owed")),
    ),
    Figure(
        "weir_guaranty_noticed_usd",
        "Contributions that members have given notice for, and may take out in time.",
        one(_members("noticed")),
    ),
    Figure(
        "weir_guaranty_wipe_out_total",
        "How often the guaranty fund has been used up.",
        one(lambda reading: reading.fund.guaranty.epoch),
        kind="counter",
    ),
)
