"""What a deployment looks at before its first transaction: whether the token and feeds it names would do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from weir.chain import Chain, ContractError
from weir.parameters import AssetParameters, MarketParameters, Parameters, to_units

__all__ = ["unfit"]

MIN_DECIMALS, MAX_DECIMALS = 6, 18


def unfit(chain: Chain, parameters: Parameters) -> list[str]:
    """Why what the parameters name would not do, one line each; nothing where it would.

    A contract that can't be deployed costs all that was deployed before it.
    """
    quoted: list[MarketParameters | AssetParameters] = [*parameters.markets, *parameters.assets]
    return [*_of_tokens(chain, parameters), *(line for each in quoted for line in _of_feed(chain, each))]


def _of_tokens(chain: Chain, parameters: Parameters) -> Iterator[str]:
    named = {"the token": parameters.token}
    named |= {f"the token of {asset.symbol}": asset.token for asset in parameters.assets}
    for name, address in named.items():
        if address is None:
            continue
        decimals = _answer(chain, "TestToken", address, "decimals")
        least = MIN_DECIMALS if name == "the token" else 0
        if decimals is None:
            yield f"{name} at {address} does not answer"
        elif not least <= decimals <= MAX_DECIMALS:
            yield f"{name} has {decimals} decimals, not {least} to {MAX_DECIMALS}"


def _of_feed(chain: Chain, quoted: MarketParameters | AssetParameters) -> Iterator[str]:
    if quoted.feed is None:
        return
    name = f"the feed of {quoted.symbol}"
    decimals = _answer(chain, "IAggregatorV3", quoted.feed, "decimals")
    found = _answer(chain, "IAggregatorV3", quoted.feed, "latestRoundData")
    if decimals is None or found is None:
        yield f"{name} at {quoted.feed} does not answer"
        return
    _, answer, _, updated_at, _ = found
    low, high = to_units(quoted.min_price, decimals), to_units(quoted.max_price, decimals)
    if not low <= answer <= high:
        yield f"{name} answers {answer}, not {low} to {high}"
    if (age := chain.timestamp() - updated_at) > quoted.heartbeat:
        yield f"{name} is {age} s old, its heartbeat {quoted.heartbeat} s"


def _answer(chain: Chain, kind: str, address: str, function: str) -> Any:
    try:
        return chain.call(chain.contract(kind, address).get_function_by_name(function)())
    except ContractError:
        return None
