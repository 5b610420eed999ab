"""Everything that an actor may set about in a campaign, honest or not, with how often."""

from weir.fuzz.clearing.actions import (
    attackers,
    edges,
    honest,
    keepers,
    members,
    stablecoins,
    surroundings,
    trespassers,
)
from weir.fuzz.clearing.actions.opening import open_plan
from weir.fuzz.subject import Action

__all__ = ["ALL", "LEDGER", "open_plan"]

ALL = (
    # traders, market makers, stakers
    Action("trade", 30, honest.trade),
    Action("close", 8, honest.close),
    Action("deposit", 5, honest.deposit),
    Action("withdraw", 6, honest.withdraw),
    Action("settle", 8, honest.settle),
    Action("stake", 3, honest.stake),
    Action("request", 2, honest.request_redeem),
    Action("claim", 2, honest.claim),
    Action("move shares", 1, honest.transfer_shares),
    Action("contribute", 1, honest.contribute),
    Action("cancel", 1, honest.cancel),
    # members of the guaranty fund
    Action("join", 3, members.join),
    Action("give notice", 2, members.give_notice),
    Action("release", 3, members.release),
    Action("members run", 1, members.run),
    Action("recover", 3, members.recover),
    # other stablecoins
    Action("pledge", 4, stablecoins.pledge),
    Action("take back", 3, stablecoins.take_back),
    Action("sell collateral", 3, stablecoins.sale),
    Action("buy collateral", 2, stablecoins.buy),
    Action("stand on collateral", 4, stablecoins.spent),
    Action("peg", 3, stablecoins.depeg),
    Action("quote", 2, stablecoins.quote),
    Action("share's vault", 1, stablecoins.vault_turns),
    Action("give to the reserve", 2, stablecoins.give),
    Action("convert", 4, stablecoins.convert),
    Action("advance", 3, stablecoins.advance),
    Action("donate an asset", 1, stablecoins.donate_asset),
    Action("govern assets", 1, stablecoins.govern),
    # keepers
    Action("flag", 10, keepers.flag),
    Action("liquidate", 8, keepers.liquidate),
    Action("deleverage", 6, keepers.deleverage),
    Action("collect", 2, keepers.collect),
    Action("roll", 3, keepers.roll),
    Action("refresh", 2, keepers.refresh),
    Action("post target", 1, keepers.post_target),
    Action("post tiers", 2, keepers.post_tiers),
    # prices, tokens, governance
    Action("prices", 14, surroundings.move_prices),
    Action("aimed crash", 2, surroundings.aimed_crash),
    Action("crash", 3, surroundings.crash),
    Action("bad feed", 1, surroundings.bad_feed),
    Action("sequencer", 1, surroundings.sequencer),
    Action("bad token", 1, surroundings.bad_token),
    Action("govern", 1, surroundings.govern),
    Action("pause", 1, surroundings.pause),
    Action("close market", 1, surroundings.close_market),
    # attackers
    Action("both sides", 3, attackers.both_sides),
    Action("self-liquidation", 2, attackers.self_liquidation),
    Action("just in time", 2, attackers.just_in_time),
    Action("donation", 1, attackers.donation),
    Action("first deposit", 1, attackers.first_deposit),
    Action("replay", 2, attackers.replay),
    Action("shut the gate", 1, attackers.shut_the_gate),
    Action("stall the auction", 1, attackers.stall_the_auction),
    Action("reenter", 1, attackers.reenter),
    Action("run", 1, attackers.run),
    Action("trespass", 2, trespassers.trespass),
    Action("on behalf", 2, trespassers.on_behalf),
    # numbers at the edges
    Action("dust", 2, edges.dust),
    Action("spread", 1, edges.spread),
    Action("dead market", 1, edges.dead_market),
    Action("whale", 1, edges.whale),
    Action("wipe out", 1, edges.wipe_out),
    Action("collapse", 1, edges.collapse),
    Action("last claims", 1, edges.last_claims),
    Action("many settlements", 1, edges.many_settlements),
    Action("everyone out", 1, edges.everyone_out),
)

LEDGER = (
    Action("deposit", 4, honest.deposit),
    Action("withdraw", 4, honest.withdraw),
    Action("settle", 4, honest.settle),
    Action("collect", 1, keepers.collect),
    Action("contribute", 1, honest.contribute),
    Action("refresh", 1, keepers.refresh),
)
"""What moves money without trading."""
