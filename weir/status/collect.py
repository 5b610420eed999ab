"""What has been read of a deployment at one block, as dictionaries, and those as JSON."""

from __future__ import annotations

from typing import Any

from weir.client import Weir
from weir.layers import WATERFALL
from weir.parameters import from_units
from weir.snapshot import Snapshot, take
from weir.stablecoins import AssetBooks, AssetState, AuctionState
from weir.states import AccountState, MemberState
from weir.units import MILLION

NEAR = 0.8
"""Maintenance margin over equity from which an account counts as near liquidation."""
DUST = 10**9
"""Wei of size by which roundings may open P3; the protocol itself ignores open interest below it."""

Status = dict[str, Any]


def collect(weir: Weir) -> Status:
    """Everything at the latest block; some requests to the node per hundred accounts."""
    return describe(weir, take(weir))


def describe(weir: Weir, seen: Snapshot) -> Status:
    """What has been read, as `collect` gives it; asks nothing of the node but its chain's id, once."""
    return {
        "chain_id": weir.chain.id,
        "block": seen.block,
        "time": seen.time,
        "markets": _markets(weir, seen),
        "fund": _fund(weir, seen),
        "guaranty": _guaranty(weir, seen),
        "members": [_member(weir, member) for member in seen.members],
        "accounts": {"count": len(seen.accounts), "at_risk": _at_risk(weir, seen)},
        "stablecoins": _stablecoins(weir, seen),
        "defaults": _defaults(weir, seen),
        "identities": [
            *_identities(weir, seen),
            *(_backing(books) for books in seen.asset_books),
        ],
    }


def _markets(weir: Weir, seen: Snapshot) -> list[Status]:
    return [
        {
            "symbol": market.symbol,
            "status": market.status,
            "price": from_units(market.price, 18),
            "feed": market.feed_status,
            "open_interest": from_units(market.open_interest, 18),
            "notional": weir.usd(market.notional),
            "funding_rate": market.funding_rate / MILLION,
            "pool": weir.usd(market.pool),
            "unpaid_profit": weir.usd(market.claims),
            "residual": weir.usd(market.residual),
            "fund_may_pay": weir.usd(market.available),
            "members_may_pay": weir.usd(min(budget.left, seen.fund.guaranty.total)),
        }
        for market, budget in zip(seen.markets, seen.budgets, strict=True)
    ]


def _fund(weir: Weir, seen: Snapshot) -> Status:
    """Its layers, and what its funding policy makes of them; the posted target with its age in seconds."""
    fund = seen.fund
    amounts = (
        *("skin", "unvested", "junior", "senior", "reserve", "advanced_junior", "advanced_senior"),
        *("assets", "target", "open_interest_cap"),
    )
    ratios = ("fund_share", "premium_rate", "scarcity")
    age = seen.time - fund.posted_at
    posted = {"amount": weir.usd(fund.posted_target), "age": age, "fresh": fund.fresh}
    return {name: weir.usd(getattr(fund, name)) for name in amounts} | {
        "coverage": None if fund.coverage is None else fund.coverage / MILLION,
        **{name: getattr(fund, name) / MILLION for name in ratios},
        "posted_target": posted if fund.posted_at else None,
        "gate_open": fund.gate_open,
        "insolvencies": fund.insolvencies,
        "defaults": fund.defaults,
    }


def _guaranty(weir: Weir, seen: Snapshot) -> Status:
    """What the members have together, how many they are, what is owed, and the parameters."""
    state, members = seen.fund.guaranty, seen.members
    return {
        "total": weir.usd(state.total),
        "members": sum(member.balance > 0 for member in members),
        "noticed": weir.usd(sum(member.noticed for member in members)),
        "owed": weir.usd(sum(member.owed for member in members)),
        "wipe_outs": state.epoch,
        "min_contribution": weir.usd(state.min_contribution),
        "loss_share": state.loss_share / MILLION,
        **{name: getattr(state, name) for name in ("notice_period", "exit_window", "loss_window")},
    }


def _member(weir: Weir, member: MemberState) -> Status:
    amounts = ("balance", "noticed", "notional", "requirement", "owed")
    return {
        "address": member.address,
        **{name: weir.usd(getattr(member, name)) for name in amounts},
        "tier": member.tier,
        "opens_at": member.opens_at or None,
        "closes_at": member.closes_at or None,
    }


def _at_risk(weir: Weir, seen: Snapshot) -> list[Status]:
    """Flagged, insolvent, in debt, or near it; the most endangered first."""

    def used(account: AccountState) -> float:
        return float("inf") if account.margin_used is None else account.margin_used

    risky = [
        account
        for account in seen.accounts
        if account.flagged_at or account.debt or (account.maintenance_margin and used(account) >= NEAR)
    ]
    return [
        {
            "address": account.address,
            "equity": weir.usd(account.equity),
            "maintenance_margin": weir.usd(account.maintenance_margin),
            "margin_used": account.margin_used,
            "debt": weir.usd(account.debt),
            "collateral": weir.usd(account.collateral),
            "flagged_at": account.flagged_at or None,
            "insolvent": account.insolvent,
            "positions": {
                seen.markets[position.market].symbol: from_units(position.size, 18)
                for position in account.positions
            },
        }
        for account in sorted(risky, key=used, reverse=True)
    ]


def _stablecoins(weir: Weir, seen: Snapshot) -> Status:
    """Other stablecoins: collateral, the fund's reserve and its auctions, and whose collateral is to be sold.

    Prices are USD of a token, amounts tokens; worth, targets and what counts are USD.
    """
    return {
        "assets": [_asset(weir, asset) for asset in seen.assets],
        "pledging": len(seen.pledges),
        "owing": [
            {
                "address": pledge.address,
                "counts": weir.usd(pledge.value),
                "due": weir.usd(pledge.due),
                "default": pledge.default_id or None,
                "sale_ends_at": pledge.sale_ends_at or None,
                "startable": pledge.startable,
            }
            for pledge in seen.pledges
            if pledge.due
        ],
    }


def _asset(weir: Weir, asset: AssetState) -> Status:
    ratios = ("haircut", "discount", "weight")
    auction = asset.auction
    return {
        "symbol": asset.symbol,
        "price": from_units(asset.price, 18),
        "feed": asset.status,
        **{name: getattr(asset, name) / MILLION for name in ratios},
        "collateral": {
            "amount": from_units(asset.pledged, asset.decimals),
            "cap": from_units(asset.collateral_cap, asset.decimals),
            "counts": weir.usd(asset.pledged_value),
        },
        "reserve": {
            "amount": from_units(asset.reserve, asset.decimals),
            "cap": from_units(asset.reserve_cap, asset.decimals),
            "worth": weir.usd(asset.reserve_worth),
            "counts": weir.usd(asset.reserve_value),
            "target": weir.usd(asset.reserve_target),
            "auction": _auction(auction),
            "startable": auction.startable,
        },
    }


def _auction(auction: AuctionState) -> Status | None:
    """The one that runs, if any; `off`: by how much the price is off, a ratio."""
    if not auction.factor:
        return None
    return {"buying": auction.buying, "ends_at": auction.ends_at, "off": auction.off / MILLION}


def _defaults(weir: Weir, seen: Snapshot) -> list[Status]:
    amounts = ("shortfall", *WATERFALL, "recovered")
    return [
        {
            "id": default.id,
            "time": default.time,
            "account": default.account,
            "market": seen.markets[default.market].symbol,
        }
        | {name: weir.usd(getattr(default, name)) for name in amounts}
        for default in seen.defaults
    ]


def _identities(weir: Weir, seen: Snapshot) -> list[Status]:
    """P1 to P3 with their differences; `holds` allows what roundings can have done."""
    found = seen.identities
    lines: list[Status] = [
        {
            "id": "P1",
            "statement": "held by the vault = cash + pools + fees + levies (+ donations)",
            "difference": weir.usd(found.donations),
            "unit": "USD",
            "holds": found.donations >= 0,
        }
    ]
    for books in found.markets:
        symbol = seen.markets[books.market].symbol
        lines += [
            {
                "id": f"P2:{symbol}",
                "statement": "pool + residual >= claims + unsettled - debt",
                "difference": weir.usd(books.surplus),
                "unit": "USD",
                "holds": books.surplus >= -found.accounts,
            },
            {
                "id": f"P3:{symbol}",
                "statement": "open interest = longs = shorts",
                "difference": from_units(books.mismatch, 18),
                "unit": symbol,
                "holds": books.mismatch <= DUST,
            },
        ]
    return lines


def _backing(books: AssetBooks) -> Status:
    """P1 of another stablecoin."""
    return {
        "id": f"P1:{books.symbol}",
        "statement": "held for collateral = what accounts hold, by the reserve = its amount (+ donations)",
        "difference": from_units(books.donations, books.decimals),
        "unit": books.symbol,
        "holds": books.holds,
    }
