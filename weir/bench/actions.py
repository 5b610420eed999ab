"""What is measured: every action that costs gas, with its limit and what others need for the same."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ACTIONS", "FEW", "LEAVES", "MANY", "Action", "BenchError"]

FEW, MANY = 10, 1_000
"""Accounts on the side that a deleveraging takes from."""
LEAVES = 10_000
"""Accounts in the Merkle tree that the funding policy might have had instead of a mapping."""


class BenchError(ValueError):
    """A snapshot or document that is not what it should be; the message says which and what to do."""


@dataclass(frozen=True, slots=True)
class Action:
    """Something that costs gas: `limit` is the most that it should, `elsewhere` what other systems need."""

    name: str
    text: str
    limit: int | None = None
    elsewhere: str = ""

    def exceeded_by(self, gas: int) -> bool:
        """Whether so much is above the limit."""
        return self.limit is not None and gas > self.limit


_LIQUIDATE = "Perp v2 2,240,165 · Derive v2 608,081"
_UMBRELLA_STAKE = "Derive v2 260,609 · Umbrella 86,000–132,000"

ACTIONS = (
    Action(
        "deposit",
        "deposit, not the first",
        65_000,
        "Perp v2 62,718–77,730 · Derive v2 228,934 · Morpho supply 126,648",
    ),
    Action("deposit_first", "deposit, the account's first"),
    Action("withdraw", "withdraw, flat account", 80_000, "Perp v2 154,447 · Derive v2 319,888"),
    Action(
        "open",
        "open: one trade, both accounts new",
        260_000,
        "Perp v2 836,686–1,075,552 · Derive v2 757,229",
    ),
    Action("trade", "trade between two existing positions", 170_000),
    Action("trade_partly_filled", "the same, with an order already partly filled", 170_000),
    Action("trade_two_markets", "the same, each of the two in another market too"),
    Action("close", "close: a trade that ends the taker's position", None, "Perp v2 549,347"),
    Action("settle_loss", "settle one account, one market: loss, the price moves", 70_000),
    Action("settle_profit", "settle one account, one market: profit, the price moves", 70_000),
    Action("settle_loss_again", "the same loss, market already refreshed in the block", 70_000),
    Action("settle_profit_again", "the same profit, market already refreshed in the block", 70_000),
    Action("settle_profit_unpaid", "a profit that the pool can't pay: it becomes claims"),
    Action("settle_profit_beside_claims", "a profit that the pool pays while others have claims on it"),
    Action("flag", "flag an account with two markets"),
    Action("liquidate_part", "liquidate a part, solvent, two markets", 260_000, _LIQUIDATE),
    Action("liquidate_all", "liquidate all, solvent, two markets", 260_000, _LIQUIDATE),
    Action("liquidate_all_new", "the same, by a liquidator without positions there"),
    Action(
        "liquidate_bad_debt",
        "liquidate with bad debt: own guaranty contribution, all three layers of the fund",
        330_000,
        "Perp v2 1,934,830 · Derive v2 731,548 · Umbrella slash 48,000–74,000",
    ),
    Action("liquidate_bad_debt_mutual", "the same, the other members of the guaranty fund pay too"),
    Action("recover", "recover a part of that: the other members and the senior tranche get it back"),
    Action("deleverage_few", f"deleverage, one market, loss uncovered, {FEW} accounts opposite", 250_000),
    Action("deleverage_many", f"deleverage, one market, loss uncovered, {MANY:,} accounts opposite", 250_000),
    Action("deleverage_solvent", f"deleverage, one market, solvent, {FEW} accounts opposite", 250_000),
    Action("collect", "collect fees", 90_000, "Perp v2 277,065"),
    Action("stake", "stake, a holder", 95_000, _UMBRELLA_STAKE),
    Action("stake_new", "stake, the account's first", None, _UMBRELLA_STAKE),
    Action("request_first", "request redemption, the account's first"),
    Action("request", "request redemption, not the account's first", 95_000),
    Action("roll", "roll: price a batch"),
    Action("claim", "claim a priced redemption", None, "Umbrella redeem 124,000"),
    Action("join_first", "join the guaranty fund, the account's first contribution"),
    Action("join", "join, a member"),
    Action("request_exit", "give notice to the guaranty fund"),
    Action("release", "release what notice was given for, one position"),
    Action("refresh", "refresh a market in the same hour, the price moves"),
    Action("refresh_hour", "the same, in a new hour: premium on open interest, not the first"),
    Action("withdraw_position", "withdraw, one position, leverage rises"),
    Action("post_target", "post a target, not the first"),
    Action("post_tiers_first", f"post tiers of {FEW} accounts, their first"),
    Action("post_tiers", f"post tiers of {FEW} accounts, not their first"),
    Action("tier_mapping", "a tier read from a mapping (a transaction of its own)"),
    Action("tier_proof", f"a tier proven by a Merkle path, {LEAVES:,} accounts (the same)"),
    Action("pledge_first", "pledge a stablecoin, the account's first collateral"),
    Action("pledge", "pledge, the account holds some of it"),
    Action("withdraw_collateral", "withdraw collateral, flat account"),
    Action("withdraw_collateral_position", "withdraw collateral, one position, leverage rises"),
    Action("trade_pledging", "trade between two existing positions, the taker has pledged a stablecoin"),
    Action("trade_pledging_share", "the same, the taker has pledged an ERC-4626 share too"),
    Action("trade_pledging_both", "the same, each of the two has pledged a stablecoin"),
    Action(
        "settle_pledging",
        "settle a loss, the price moves, of an account that has pledged a stablecoin",
    ),
    Action(
        "liquidate_part_pledging",
        "liquidate a part, two markets, of one that has pledged a stablecoin",
    ),
    Action("liquidate_part_pledging_again", "the same once more: the liquidator holds some of it by now"),
    Action("start_sale", "start the sale of an indebted account's collateral, the price moves"),
    Action("buy_collateral", "buy collateral: it pays a part of a debt"),
    Action("buy_collateral_default", "buy collateral: it pays a part of a default back"),
    Action("contribute_asset_first", "give the reserve an asset, its first"),
    Action("contribute_asset", "give the reserve an asset, it holds some of it"),
    Action("start_buying", "start a conversion: the reserve buys an asset"),
    Action("sell_to_reserve", "sell to the reserve"),
    Action("start_selling", "start a conversion: the reserve sells an asset"),
    Action("buy_from_reserve", "buy from the reserve"),
    Action("trade_reserve", "trade between two existing positions, the reserve holds a stablecoin"),
    Action("collect_reserve", "collect fees, the reserve holds a stablecoin"),
    Action(
        "liquidate_bad_debt_advance",
        "liquidate with bad debt: all layers, and an advance",
    ),
    Action("repay_advance", "buy from the reserve: it repays a part of the advance"),
)
"""Every figure, in the order in which they are measured and shown."""
