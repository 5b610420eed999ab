"""The state as one flat dict of integers by the names of the contracts' views, to compare two witnesses."""

from weir.model.world import World


def dump(world: World) -> dict[str, int]:
    """Every non-zero quantity that a view shows, e.g. `vault.cash[alice]`, `house.market[0].long.multiplier`.

    An absent key means 0. Amounts in units of S, sizes and prices 1e-18, times in seconds. Values of claims,
    layers and available budgets are as the views would return them now.
    """
    parts = (_vault, _stablecoins, _collateral, _house, _fund, _reserve, _guaranty, _policy, _tranches)
    return {key: int(value) for part in parts for key, value in part(world).items() if value}


def _vault(world: World) -> dict[str, int]:
    ledger = world.ledger
    state = {
        "vault.held": world.token.balances["vault"],
        "vault.fees": ledger.fees,
        "vault.levies": ledger.levies,
    }
    for account in world.accounts():
        state[f"vault.cash[{account}]"] = ledger.cash[account]
        for number in range(len(ledger.markets)):
            value = ledger.value(account, number)
            state[f"vault.debt[{account}][{number}]"] = ledger.debt(account, number)
            if value:
                claim = ledger.claims[account, number]
                state[f"vault.claims[{account}][{number}].value"] = value
                state[f"vault.claims[{account}][{number}].units"] = claim.units
                state[f"vault.claims[{account}][{number}].maturesAt"] = claim.matures_at
    for number, market in enumerate(ledger.markets):
        at = f"vault.market[{number}]"
        state[f"{at}.pool"] = market.pool
        state[f"{at}.totalClaims"] = market.total_claims
        state[f"{at}.totalClaimUnits"] = market.total_units
        state[f"{at}.residual"] = market.residual
        state[f"{at}.claimsEpoch"] = market.claims_epoch
        state[f"{at}.maturity"] = market.maturity
    return state


def _stablecoins(world: World) -> dict[str, int]:
    """An asset without a price is absent, as far as that goes."""
    coins, state = world.stablecoins, {"stablecoins.count": len(world.stablecoins.assets)}
    for number, asset in enumerate(coins.assets):
        at = f"stablecoins.asset[{number}]"
        state[f"{at}.par"] = coins.par(number)
        state[f"{at}.price"] = coins.price(number)
        if asset.parameters.is_share:
            state[f"{at}.rate"] = asset.rate
            state[f"{at}.since"] = asset.since
    return state


def _collateral(world: World) -> dict[str, int]:
    collateral, state = world.collateral, {}
    for asset in range(len(world.stablecoins.assets)):
        state[f"collateral.tokens[{asset}]"] = world.tokens[asset].balances["collateral"]
        state[f"collateral.total[{asset}]"] = collateral.totals[asset]
        for account, units in collateral.held.items():
            state[f"collateral.held[{account}][{asset}]"] = units[asset]
    for account, sale in collateral.sales.items():
        state[f"collateral.sale[{account}].startedAt"] = sale.started_at or 0
    for account in world.accounts():
        state[f"collateral.value[{account}]"] = collateral.value(account)
        if found := world.house.open_default(account):
            state[f"collateral.openDefault[{account}]"] = found[0]
    return state


def _house(world: World) -> dict[str, int]:
    house = world.house
    state = {
        "house.insolvencies": house.insolvencies,
        "house.pausedUntil": house.paused_until,
        "house.openInterestNotional": house.open_interest_notional(),
    }
    for number, market in enumerate(house.markets):
        at = f"house.market[{number}]"
        state |= {
            f"{at}.status": market.status.value,
            f"{at}.price": market.price,
            f"{at}.openInterest": market.open_interest,
            f"{at}.valueIndex": market.value_index,
            f"{at}.premium": market.premium,
            f"{at}.lastPremium": market.last_premium,
            f"{at}.updatedAt": market.updated_at,
            f"{at}.updatedBlock": market.updated_block,
            f"{at}.baseLong": market.long.base,
            f"{at}.baseShort": market.short.base,
        }
        for name, side in (("long", market.long), ("short", market.short)):
            state[f"{at}.{name}.multiplier"] = side.multiplier
            state[f"{at}.{name}.epoch"] = side.epoch
            state[f"{at}.{name}.positions"] = side.positions
            for epoch, index in enumerate(side.final_indices):
                state[f"{at}.{name}.finalIndex[{epoch}]"] = index
    for account, records in house.positions.items():
        for number, record in records.items():
            at = f"house.position[{account}][{number}]"
            state[f"{at}.size"] = record.size
            state[f"{at}.multiplier"] = record.multiplier
            state[f"{at}.epoch"] = record.epoch
            state[f"{at}.isShort"] = record.sign < 0
            state[f"{at}.index"] = record.index if record.size else 0  # of no meaning in an empty record
    for account, flag in house.flags.items():
        state[f"house.flag[{account}].flaggedAt"] = flag.time
        state[f"house.flag[{account}].insolvent"] = flag.insolvent
    for account in world.accounts():
        state[f"house.generation[{account}]"] = house.generations[account]
        state[f"house.equity[{account}]"] = house.health(account).equity
    return state


def _fund(world: World) -> dict[str, int]:
    fund = world.fund
    junior, senior = fund.vestable()
    state = {
        "fund.held": world.token.balances["fund"],
        "fund.layers.skin": fund.skin,
        "fund.layers.unvested": fund.unvested - junior - senior,
        "fund.layers.junior": fund.junior.balance + junior,
        "fund.layers.senior": fund.senior.balance + senior,
        "fund.layers.reserve": fund.in_reserve,
        "fund.layers.advancedJunior": fund.junior.advanced,
        "fund.layers.advancedSenior": fund.senior.advanced,
        "fund.stream.unvested": fund.unvested,
        "fund.stream.since": fund.since,
        "fund.stream.end": fund.since + fund.remaining,
        "fund.defaultCount": len(fund.defaults),
        "treasury.held": world.token.balances["treasury"],
    }
    for number, cover in fund.covers.items():
        at = f"fund.cover[{number}]"
        state[f"{at}.left"] = cover.budget - cover.spent
        state[f"{at}.window"] = cover.window or 0
        state[f"{at}.available"] = fund.available(number)
    for number, record in enumerate(fund.defaults, start=1):
        at = f"fund.default[{number}]"
        state |= {
            f"{at}.market": record.market,
            f"{at}.time": record.time,
            f"{at}.shortfall": record.shortfall,
            f"{at}.own": record.own,
            f"{at}.coinsurance": record.coinsurance,
            f"{at}.skin": record.skin,
            f"{at}.junior": record.junior,
            f"{at}.senior": record.senior,
            f"{at}.mutual": record.mutual,
            f"{at}.unpaidProfit": record.unpaid_profit,
            f"{at}.remainder": record.remainder,
            f"{at}.recovered": fund.recovered.get(number, 0),
        }
    return state


def _reserve(world: World) -> dict[str, int]:
    state = {f"reserve.amount[{asset}]": amount for asset, amount in world.fund.reserve.amounts.items()}
    state |= {f"reserve.held[{asset}]": t.balances["reserve"] for asset, t in world.tokens.items()}
    for asset, auction in world.fund.reserve.auctions.items():
        state[f"reserve.auction[{asset}].startedAt"] = auction.started_at or 0
        state[f"reserve.auction[{asset}].buying"] = auction.buying
    return state


def _guaranty(world: World) -> dict[str, int]:
    """Void units are absent."""
    guaranty = world.guaranty
    state = {
        "guaranty.held": world.token.balances["guaranty"],
        "guaranty.total": guaranty.total,
        "guaranty.units": guaranty.units,
        "guaranty.epoch": guaranty.epoch,
    }
    for account in world.accounts():
        state[f"guaranty.owed[{account}]"] = world.owed(account)
        state[f"guaranty.requirement[{account}]"] = world.requirement(account)
        if member := guaranty.member(account):
            at = f"guaranty.member[{account}]"
            state[f"{at}.balance"] = guaranty.balance(account)
            state[f"{at}.units"] = member.units
            state[f"{at}.noticeUnits"] = member.notice_units
            state[f"{at}.noticeFrom"] = member.notice_from
    for market, budget in guaranty.budgets.items():
        at = f"guaranty.budget[{market}]"
        state[f"{at}.left"] = budget.budget - budget.spent
        state[f"{at}.window"] = budget.window or 0
    state |= {f"guaranty.available[{market}]": guaranty.available(market) for market in world.fund.covers}
    return state


def _policy(world: World) -> dict[str, int]:
    """An infinite coverage is absent; so is a tier of which nothing has been posted."""
    policy = world.funding
    state = {
        "policy.target": world.target(),
        "policy.coverage": world.coverage() or 0,
        "policy.fundShare": world.fund_share(),
        "policy.observed": sum(policy.observed.values()),
        "policy.posted": policy.posted,
        "policy.postedAt": policy.posted_at or 0,
        "policy.anchor": policy.anchor,
        "policy.anchoredAt": policy.anchored_at,
        "policy.targetEvidence": policy.target_evidence,
        "policy.tierEvidence": policy.tier_evidence,
    }
    state |= {f"policy.observed[{market}]": notional for market, notional in policy.observed.items()}
    for account, record in policy.tiers.items():
        state[f"policy.tier[{account}].tier"] = record.tier
        state[f"policy.tier[{account}].time"] = record.time
        state[f"policy.tier[{account}].movedAt"] = record.moved_at or 0
        state[f"policy.tier[{account}].now"] = policy.tier(account)
    return state


def _tranches(world: World) -> dict[str, int]:
    state: dict[str, int] = {}
    for tranche in (world.fund.junior, world.fund.senior):
        at = tranche.name
        state[f"{at}.held"] = world.token.balances[at]
        state[f"{at}.totalSupply"] = tranche.supply
        state[f"{at}.shareEpoch"] = tranche.share_epoch
        state[f"{at}.currentBatch"] = tranche.current_batch
        state[f"{at}.lastRollAt"] = tranche.last_roll_at
        state |= {f"{at}.balance[{owner}]": shares for owner, shares in tranche.shares.items()}
        state |= {f"{at}.request[{owner}][{batch}]": s for (batch, owner), s in tranche.requests.items()}
        for number, batch in tranche.batches.items():
            state[f"{at}.batch[{number}].shares"] = batch.shares
            state[f"{at}.batch[{number}].assets"] = batch.assets
            state[f"{at}.batch[{number}].priced"] = batch.priced
    return state
