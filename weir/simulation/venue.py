"""Where simulated orders meet: makers' signed quotes, best price first, filled by takers on the chain."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from weir.chain import ContractError, Receipt
from weir.orders import Order
from weir.simulation.agents import Quote
from weir.simulation.stage import Stage

__all__ = ["Venue"]

LOT = 10**12
"""Smallest step of a size: a millionth of the underlying."""
PRICE_STEP = 10**14
"""Smallest step of a price: a hundredth of a cent."""
OF_THE_FUND = frozenset({"NewRiskStopped", "OpenInterestAboveFundCap"})
"""Refusals because open interest would outgrow the fund: neither side's fault, and the quote stays good."""
TOO_LARGE = frozenset({"InitialMarginNotMet", "InsufficientCash", "MembershipRequired"})
"""Refusals that a smaller order may escape, fee and contribution with it."""
HALVINGS = 2
"""How often a taker halves an order that was too large before it gives up."""


@dataclass(slots=True)
class _Offer:
    maker: str
    order: Order
    left: int


class Venue:
    """The makers' quotes of the moment. Quoting costs nothing: orders are signed only when someone
    takes them.
    """

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self._offers: list[_Offer] = []
        self._salt = 0

    def clear(self) -> None:
        """Drops all quotes; those that were signed expire by themselves."""
        self._offers = []

    def quote(self, maker: str, quotes: Iterable[Quote], expiry: int) -> None:
        """Adds a maker's quotes, good until `expiry` (Unix seconds)."""
        for quote in quotes:
            size = _steps(quote.size, LOT)
            if size == 0:
                continue
            self._salt += 1
            order = Order(
                maker=self.stage.accounts[maker].address,
                market=self.stage.symbols.index(quote.market),
                is_buy=quote.is_buy,
                reduce_only=False,
                size=size,
                price=_steps(quote.price, PRICE_STEP),
                expiry=expiry,
                salt=self._salt,
            )
            self._offers.append(_Offer(maker, order, size))

    def fill(self, taker: str, market: str, size: float) -> float:
        """Buys (size > 0) or sells at the best quotes as much as there is; the signed size that was
        traded.

        A taker who may not take that much on tries half, then a quarter, and then gives up. An order that
        was refused, or made smaller, is counted once for every reason.
        """
        taken, reasons = self._take(taker, market, _steps(abs(size), LOT), buys=size > 0)
        self.stage.refused.update(reasons)
        return taken / 10**18 * (1 if size > 0 else -1)

    def close(self, taker: str, market: str, size: int) -> int:
        """Closes as much as there are quotes for of a position (`size`: 1e-18ths, signed); what is left of
        its absolute size.

        The size is exact: whole steps of it would leave a rest behind, which no market lets stand. Refusals
        are not counted: what nobody takes is tried at every round.
        """
        taken, _ = self._take(taker, market, abs(size), buys=size < 0)
        return abs(size) - taken

    def _take(self, taker: str, market: str, wanted: int, *, buys: bool) -> tuple[int, set[str]]:
        """How much of this the quotes gave, and why not more."""
        reasons: set[str] = set()
        taken = 0
        for offer in self._best(market, is_buy=not buys):
            if taken >= wanted:
                break
            if offer.maker == taker:
                continue
            asked = min(offer.left, wanted - taken)
            part, error = self._try(taker, offer, asked)
            reasons |= {error.name} if error else set()
            taken += part
            offer.left -= part
            if error is None or (part == 0 and error.name in OF_THE_FUND):
                # Where the fund is the limit, another maker may be one whom the trade would make smaller.
                continue
            if part or self._blames(error, taker):
                break
            offer.left = 0
        return taken, reasons

    def relieve(self, name: str, market: str, size: int) -> None:
        """Closes as much as there are quotes for of a position (`size`: 1e-18ths, signed) whose owner sends
        nothing: it signs orders, and the makers take them at their own prices. Exact, as `close`.
        """
        left = abs(size)
        for offer in self._best(market, is_buy=size > 0):
            if not (part := min(offer.left, left)):
                break
            self._salt += 1
            order = replace(
                offer.order,
                maker=self.stage.accounts[name].address,
                is_buy=not offer.order.is_buy,
                reduce_only=True,
                size=part,
                salt=self._salt,
            )
            taken, _ = self._try(offer.maker, _Offer(name, order, part), part)
            offer.left -= taken
            left -= taken

    def _try(self, taker: str, offer: _Offer, size: int) -> tuple[int, ContractError | None]:
        """What was traded of an offer, and the last refusal if there was one."""
        refusal = None
        for halvings in range(HALVINGS + 1):
            part = size // 2**halvings // LOT * LOT if halvings else size
            answer = self._trade(taker, offer, part)
            if not isinstance(answer, ContractError):
                return part, refusal
            refusal = answer
            smaller = refusal.name in TOO_LARGE and self._blames(refusal, taker)
            if not smaller and refusal.name not in OF_THE_FUND:
                break
        return 0, refusal

    def _blames(self, error: ContractError, name: str) -> bool:
        return bool(error.arguments.get("account") == self.stage.accounts[name].address)

    def _best(self, market: str, *, is_buy: bool) -> list[_Offer]:
        number = self.stage.symbols.index(market)
        offers = [o for o in self._offers if o.left and o.order.market == number and o.order.is_buy is is_buy]
        return sorted(offers, key=lambda o: (-o.order.price if is_buy else o.order.price, o.order.salt))

    def _trade(self, taker: str, offer: _Offer, size: int) -> Receipt | ContractError:
        weir = self.stage.weir
        signature = weir.sign(offer.order, self.stage.accounts[offer.maker])
        call = weir.clearing_house.functions.trade(offer.order.as_tuple(), signature, size)
        return self.stage.attempt(taker, call, count=False)


def _steps(value: float, step: int) -> int:
    """A positive quantity as 1e-18ths, rounded down to whole steps."""
    return int(value * (10**18 // step)) * step
