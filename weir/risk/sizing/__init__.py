"""From a book and prices to a memo: the whole of the risk engine, in the order in which figures follow."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from weir import __version__
from weir.risk.inputs.book import Book
from weir.risk.inputs.prices import PriceHistory
from weir.risk.memo import Memo, PriceInput
from weir.risk.parameters import RiskParameters
from weir.risk.provenance import inputs_hash, model_hash, outputs_hash
from weir.risk.simulation import engine
from weir.risk.simulation.executors import Executor, Threads
from weir.risk.sizing.accounts import accounts
from weir.risk.sizing.case import Case
from weir.risk.sizing.doubts import doubts
from weir.risk.sizing.figures import dependence, exceedance, layers, liquidations, markets, measures
from weir.risk.sizing.outlook import Progress, backtested, outlook
from weir.risk.sizing.stressed import heat_map, reverse, stresses
from weir.risk.sizing.target import target
from weir.risk.stress.library import Scenario, library

__all__ = ["Progress", "size"]


def size(
    book: Book,
    prices: Mapping[str, PriceHistory],
    parameters: RiskParameters | None = None,
    *,
    scenarios: Sequence[Scenario] = (),
    executor: Executor | None = None,
    with_backtest: bool = False,
    created: int | None = None,
    progress: Progress | None = None,
) -> Memo:
    """How large the fund should be, and all that it rests on; docs/risk.md explains every figure.

    `prices` has a history for each market of the book, of which a book from a chain sees what had happened
    by its block. `scenarios` come beside the built-in ones. `executor`:
    where paths are simulated, by default on all cores; it changes no figure. `created`: Unix seconds, now by
    default. Raises `RiskError` for input that no figure could be trusted for.
    """
    chosen = parameters or RiskParameters()
    if book.source is not None:
        # A book of the past is judged by what was known then.
        prices = {name: history.until(book.source.time) for name, history in prices.items()}
    tell = progress or (lambda _what, _part: None)
    where = executor or Threads()
    tell("fit the model", 0.0)
    case = Case.prepare(book, prices, chosen)
    tell("fit the model", 1.0)
    paths = engine.simulate(
        case.exposures,
        case.model,
        case.impact,
        paths=chosen.paths,
        seed=chosen.seed,
        executor=where,
        progress=lambda done: tell("simulate", done / chosen.paths),
    )
    tell("stress", 0.0)
    every = (*library(), *scenarios)
    stress_rows, account_losses = stresses(case, every)
    wanted = target(case, paths.losses, every, stress_rows, account_losses)
    reverse_rows = reverse(case)
    tell("stress", 1.0)
    tell("accounts", 0.0)
    account_rows = accounts(case, paths.losses, wanted, where)
    tell("accounts", 1.0)
    tell("the year ahead", 0.0)
    ahead = outlook(case, paths, wanted)
    tell("the year ahead", 1.0)
    memo = Memo(
        version=__version__,
        created=int(time.time()) if created is None else created,
        model_hash=model_hash(),
        inputs=inputs_hash(book, prices, chosen, [each.model_dump(mode="json") for each in every]),
        outputs="",
        chain=book.source.chain if book.source else None,
        block=book.source.block if book.source else None,
        book_hash=book.hash,
        accounts=len(book.accounts),
        prices=tuple(_price_input(name, prices[name]) for name in book.markets),
        parameters=chosen.canonical(),
        confidence=chosen.confidence,
        markets=markets(case),
        dependence=dependence(case.model),
        measures=measures(case, paths.losses),
        exceedance=exceedance(paths.losses, chosen.confidence),
        target=wanted,
        layers=layers(case, paths.losses, paths.stablecoins),
        stresses=stress_rows,
        reverse=reverse_rows,
        funding=ahead,
        liquidations=liquidations(case, paths.closed_out),
        heat_map=heat_map(case),
        account_rows=account_rows,
        backtest=backtested(prices, chosen, tell) if with_backtest else None,
        warnings=doubts(case, prices, paths, wanted, ahead),
    )
    return memo.model_copy(update={"outputs": outputs_hash(memo)})


def _price_input(name: str, history: PriceHistory) -> PriceInput:
    return PriceInput(
        market=name,
        source=history.source,
        bars=len(history.times),
        first=int(history.times[0]),
        last=int(history.times[-1]),
        bar_seconds=history.bar_seconds,
        hash=history.hash,
    )
