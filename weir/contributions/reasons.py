"""Why the policy charges what it does, or refuses, in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from weir.chain import ContractError
from weir.client import NOBODY, Weir
from weir.formatting import usd
from weir.states import Contribution, MarketState
from weir.units import MILLION


class Trade:
    """What the policy looks at: the account and the market as the trade would leave them."""

    def __init__(
        self,
        weir: Weir,
        account: str,
        market: MarketState,
        size: int,
        price: int,
        is_maker: bool,
        counterparty: str | None,
        block: int,
    ) -> None:
        house, policy = weir.clearing_house.functions, weir.policy.functions
        health, own, others, self._parameters, tier = weir.chain.call_many(
            [
                house.health(account),
                house.position(account, market.id),
                house.position(counterparty or NOBODY, market.id),
                policy.parameters(),
                policy.tierOf(account),
            ],
            block=block,
        )
        self._weir, self._market, self._block = weir, market, block
        self._mark = market.stored_price
        self._scale: int = 10 ** (36 - weir.deployment.decimals)
        self._posted = tier[1] != 0
        before, other = self._size(own), self._size(others)
        after = before + size
        held = abs(before) if before * after > 0 else 0
        self.increase = max(abs(after) - held, 0)
        self._after = abs(after)
        longs = max(after, 0) - max(before, 0) + max(other - size, 0) - max(other, 0)
        self._open_interest = self._notional(market.open_interest + longs)
        self._equity = health[0] - self._cost(size, price, is_maker)
        self._exposure = health[3] - self._notional(abs(before)) + self._notional(abs(after))

    def reasons(self, found: Contribution) -> dict[str, str]:
        """By factor, in words."""
        return {
            "scarcity": self._scarcity(found),
            "concentration": self._concentration(),
            "leverage": self._leverage(),
            "tier": f"tier {found.tier}" + ("" if self._posted else ", as none is posted for the account"),
        }

    def _scarcity(self, found: Contribution) -> str:
        if found.coverage is None:
            return "the fund need hold nothing"
        call = self._weir.policy.functions.stressAt(found.coverage)
        stress: int = self._weir.chain.call(call, block=self._block)
        words = f"stress {_percent(stress)}" if stress else "no stress"
        return f"coverage after the trade {_percent(found.coverage)} ({words})"

    def _concentration(self) -> str:
        floor: int = self._parameters["concentrationFloor"]
        base = max(self._open_interest, floor)
        own = _ceil(self._after * self._mark, self._scale)
        share = MILLION if own >= base else _ceil(own * MILLION, base)
        whole = "the market's open interest"
        if floor > self._open_interest:
            whole = f"{usd(self._weir.usd(floor), 0)}, which stand for {whole} while it is less"
        return f"{_percent(share)} of {whole}{_free(share, self._parameters['concentrationFrom'], _percent)}"

    def _leverage(self) -> str:
        if self._equity <= 0:
            return "no equity left"
        leverage = _ceil(self._exposure * MILLION, self._equity)
        return f"leverage {_times(leverage)}{_free(leverage, self._parameters['leverageFrom'], _times)}"

    def _size(self, position: Mapping[str, Any]) -> int:
        """Signed, as the market's side has scaled it since."""
        side = self._market.short if position["isShort"] else self._market.long
        if not position["size"] or position["epoch"] != side.epoch:
            return 0
        size: int = position["size"] * side.multiplier // position["multiplier"]
        return -size if position["isShort"] else size

    def _notional(self, size: int) -> int:
        units: int = size * self._mark // self._scale
        return units

    def _cost(self, size: int, price: int, is_maker: bool) -> int:
        """The fee, and the difference to the mark."""
        fee = self._market.maker_fee if is_maker else self._market.taker_fee
        difference = abs(size) * abs(price - self._mark) // self._scale
        pays = (size > 0) == (price > self._mark)
        paid_as_fee = _ceil(abs(size) * price * fee, self._scale * MILLION)
        return paid_as_fee + (difference if pays else -difference)


def refusal(weir: Weir, market: MarketState, error: ContractError) -> str:
    """The contract's error with its figures; one that is not the policy's, as it says itself."""
    given = error.arguments
    if error.name == "NewRiskStopped":
        after, least = (_percent(given[name]) for name in ("coverage", "stopBelow"))
        why = f"the trade would leave coverage at {after}, and below {least} open interest may not grow"
    elif error.name == "OpenInterestAboveFundCap":
        notional, cap = (usd(weir.usd(given[name])) for name in ("notional", "cap"))
        why = f"{market.symbol} would have {notional} of open interest, and the fund allows {cap}"
    elif error.name == "MembershipRequired":
        balance, least = (usd(weir.usd(given[name])) for name in ("balance", "requirement"))
        why = f"the account has {balance} in the guaranty fund, and would need {least}"
    else:
        return str(error)
    return f"{error.name}: {why}"


def _ceil(numerator: int, divisor: int) -> int:
    return -(-numerator // divisor)


def _percent(ppm: int) -> str:
    """Exact, but for no more than two decimals."""
    return _short(Decimal(ppm) / 10_000) + "%"


def _times(ppm: int) -> str:
    return _short(Decimal(ppm) / MILLION) + "x"


def _short(value: Decimal) -> str:
    text = f"{value:,.2f}"
    return text.rstrip("0").rstrip(".")


def _free(value: int, limit: int, show: Callable[[int], str]) -> str:
    return f" (free up to {show(limit)})" if value <= limit else ""
