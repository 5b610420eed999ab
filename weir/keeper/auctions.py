"""What a keeper does about other stablecoins: auctions to start and to trade in, and collateral of its own to
take out. Pure, as `policy` is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from weir.keeper.policy import Options, Task, worth_sending
from weir.keeper.roles import Kind, Role
from weir.keeper.view import NOTHING, View
from weir.stablecoins import AssetState, cost, price_off, proceeds, worth
from weir.units import MILLION

__all__ = ["conversions", "purchases", "sales", "withdrawals"]

PURCHASE_GAS = 250_000
"""What a purchase or a sale at auction is taken to use when its gas is weighed against its gain."""


def sales(view: View, options: Options) -> list[Task]:
    """Collateral to put up for sale: of accounts that are in debt, or will be when settled, or have an open
    default; those that owe most first.
    """
    if Role.AUCTION not in options.roles:
        return []
    found = []
    for pledge in view.pledges.values():
        account = view.accounts[pledge.address]
        owed = max(pledge.due, account.collateral - account.equity)
        if owed > 0 and pledge.value >= options.min_sale and view.time >= pledge.sale_ends_at:
            found.append((-owed, pledge.address, min(owed, pledge.value)))
    return [
        Task(Kind.START_SALE, address, reason=f"owes {-owed} and has collateral", moves=moves)
        for owed, address, moves in sorted(found)
    ]


def conversions(view: View, options: Options) -> list[Task]:
    """Assets of the reserve that are due to be sold or bought, but for an auction."""
    if Role.AUCTION not in options.roles:
        return []
    return [
        Task(
            Kind.START_CONVERSION,
            asset.symbol,
            asset=asset.id,
            reason=f"worth {asset.reserve_worth}, target {asset.reserve_target}",
            moves=_traded(view, asset),
        )
        for asset in view.assets
        if asset.auction.startable
    ]


def _traded(view: View, asset: AssetState) -> int:
    """What an auction of the reserve would sell or buy at most, units of S."""
    over = asset.reserve_worth - asset.reserve_target
    if asset.reserve_worth and (advanced := _advanced(view)):
        return min(advanced, asset.reserve_worth)
    return over if over > 0 else min(-over, view.fund.skin)


def _advanced(view: View) -> int:
    """What the tranches have paid of what the reserve owes."""
    return view.fund.advanced_junior + view.fund.advanced_senior


def purchases(view: View, own: str, options: Options) -> list[Task]:
    """What the keeper's wallet can buy now, or sell to the reserve, as far off the price as it wants: the
    farthest first, then the largest lot.
    """
    if Role.BUY not in options.roles:
        return []
    lots = sorted((lot for lot in _lots(view, own) if lot.off >= options.min_discount), key=_Lot.rank)
    deals = (_sale(view, lot) if lot.kind == Kind.SELL_TO_RESERVE else _purchase(view, lot) for lot in lots)
    least = max(1, worth_sending(view, options, PURCHASE_GAS))
    return [task for task in deals if task.units and task.bounty >= least]


def withdrawals(view: View, own: str, options: Options) -> list[Task]:
    """What liquidations have brought into the keeper's own collateral, to take into its wallet: of each asset
    as much as leaves initial margin its part of equity, as after a liquidation.
    """
    account, pledge = view.accounts[own], view.pledges.get(own)
    if Role.WITHDRAW not in options.roles or pledge is None:
        return []
    if account.flagged_at or account.debt or pledge.default_id or not account.priced:
        return []
    # What is left is rounded down, twice.
    free = account.equity - -(-account.initial_margin * MILLION // options.margin_use) - 2
    least = max(1, options.min_sale)
    tasks = []
    for asset, held in zip(view.assets, pledge.held, strict=False):
        units = min(held, _units(view, asset, max(0, free), MILLION - asset.haircut))
        value = worth(asset, units, view.decimals)
        if value >= least:
            reason = f"{value} of it is not needed as margin"
            what = Task(Kind.WITHDRAW, asset.symbol, reason=reason, asset=asset.id, units=units, moves=value)
            tasks.append(what)
    return tasks


@dataclass(frozen=True, slots=True)
class _Lot:
    """What an auction offers: at most `units`, and no more than pay `due`, at `off` ppm off the price; and
    what the keeper has for it in its wallet: S, or units where the reserve buys.
    """

    kind: Kind
    subject: str
    asset: AssetState
    units: int
    due: int
    off: int
    wallet: int

    def rank(self) -> tuple[int, int, str, int]:
        return -self.off, -self.units * self.asset.price, self.subject, self.asset.id


def _lots(view: View, own: str) -> Iterator[_Lot]:
    wallet = view.wallets.get(own, NOTHING)
    for pledge in view.pledges.values():
        if pledge.due and view.time < pledge.sale_ends_at and pledge.address != own:
            for asset, held in zip(view.assets, pledge.held, strict=False):
                off = price_off(asset.discount, pledge.sale_started_at, view.time, view.sale_duration)
                lot = pledge.address, asset, held, pledge.due, off, wallet.for_collateral
                yield _Lot(Kind.BUY_COLLATERAL, *lot)
    for asset in view.assets:
        if asset.auction.factor:
            units = wallet.assets[asset.id] if asset.id < len(wallet.assets) else 0
            yield _for_the_reserve(view, asset, wallet.for_reserve, units)


def _for_the_reserve(view: View, asset: AssetState, money: int, units: int) -> _Lot:
    """What the reserve's running auction of an asset still sells, or buys (`Reserve._sale`, `_purchase`)."""
    off, over = asset.auction.off, asset.reserve_worth - asset.reserve_target
    if not asset.auction.buying:
        due = _advanced(view) or max(0, over)
        return _Lot(Kind.BUY_FROM_RESERVE, asset.symbol, asset, asset.reserve, due, off, money)
    skin = view.fund.skin
    wanted = min(
        _units(view, asset, min(max(0, -over), skin), MILLION),
        _units(view, asset, skin, asset.auction.factor),
        max(0, asset.reserve_cap - asset.reserve),
    )
    return _Lot(Kind.SELL_TO_RESERVE, asset.symbol, asset, wanted, 0, off, units)


def _purchase(view: View, lot: _Lot) -> Task:
    """As much of a lot as the money buys."""
    asset, factor = lot.asset, MILLION - lot.off
    # What is due is paid by whole units: the last may be a part too much.
    wanted = min(lot.units, _units(view, asset, lot.due, factor) + 1)
    units = min(wanted, _units(view, asset, lot.wallet, factor))
    price = cost(asset, units, factor, view.decimals)
    return _deal(lot, units, price, worth(asset, units, view.decimals) - price)


def _sale(view: View, lot: _Lot) -> Task:
    """As much as the reserve still buys of what the wallet has."""
    asset, units = lot.asset, min(lot.units, lot.wallet)
    value = worth(asset, units, view.decimals)
    paid = proceeds(asset, units, MILLION + lot.off, view.decimals)
    return _deal(lot, units, paid, paid - value)


def _deal(lot: _Lot, units: int, price: int, gain: int) -> Task:
    return Task(
        lot.kind,
        lot.subject,
        reason=f"{lot.asset.symbol} at {lot.off} ppm off",
        asset=lot.asset.id,
        units=units,
        cost=price,
        bounty=gain,
    )


def _units(view: View, asset: AssetState, money: int, factor: int) -> int:
    """The most units that so much S buys at so many ppm of the price."""
    scale = 10 ** (18 + asset.decimals - view.decimals)
    return money * scale * MILLION // (asset.price * factor) if asset.price else 0
