"""What the commands of `weir risk` do alike: read inputs, size, show progress."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from weir.risk import files

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount
    from rich.console import Console

    from weir.risk.inputs.book import Book
    from weir.risk.inputs.prices import PriceHistory
    from weir.risk.memo import Memo

__all__ = [
    "console",
    "histories",
    "progress",
    "read",
    "require_writable",
    "signer",
    "sized",
    "write_payload",
]

WIDTH = 120
"""Of tables where nobody watches."""


def histories(prices: tuple[str, ...], since: int | None) -> dict[str, PriceHistory]:
    """By name, what `--prices` names; raises `RiskError` for a name that is there twice."""
    from weir.risk.errors import RiskError
    from weir.risk.inputs.sources import history

    found: dict[str, PriceHistory] = {}
    for text in prices:
        each = history(text, since=since)
        if each.name in found:
            raise RiskError(f"prices: {each.name} is given twice")
        found[each.name] = each
    return found


def read(file: Path | None, rpc: str, deployment: Path | None, block: int | None) -> Book:
    """The book of a file, or else of a chain at a block."""
    from weir.chain import connect
    from weir.client import Weir
    from weir.risk.inputs.book import Book
    from weir.risk.inputs.chain import read_book

    if file is not None:
        return Book.load(file)
    return read_book(Weir.load(connect(rpc), deployment), block=block)


def sized(given: dict[str, Any], *, for_chain: bool, with_backtest: bool, quiet: bool) -> tuple[Book, Memo]:
    """The book and its memo, by the options of `size` and `report`; `for_chain`: it is to be posted."""
    from weir.risk.errors import RiskError
    from weir.risk.parameters import RiskParameters
    from weir.risk.simulation.executors import executor
    from weir.risk.sizing import size
    from weir.risk.stress.library import load_scenarios

    base = RiskParameters.load(given["parameters"]) if given["parameters"] else RiskParameters()
    named = {
        "model": given["model"],
        "level": given["level"],
        "horizon_days": given["horizon"],
        "paths": given["paths"],
        "seed": given["seed"],
    }
    parameters = base.changed({name: value for name, value in named.items() if value is not None})
    scenarios = load_scenarios(given["scenarios"]) if given["scenarios"] else ()
    book = read(given["book_file"], given["rpc"], given["deployment"], given["block"])
    if for_chain and book.source is None:
        raise RiskError("payload: needs a book that was read from a chain: evidence names its block")
    prices = histories(given["prices"], given["since"])
    chosen = executor(given["workers"], given["scheduler"], given["device"])
    with progress(quiet=quiet) as tell:
        memo = size(
            book,
            prices,
            parameters,
            scenarios=scenarios,
            executor=chosen,
            with_backtest=with_backtest,
            progress=tell,
        )
    return book, memo


def require_writable(*paths: Path | None) -> None:
    """Before anything is computed: raises `click.UsageError` for a file that could not be written."""
    for path in paths:
        if path is None:
            continue
        folder = next(each for each in path.absolute().parents if each.exists())
        if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
            raise click.UsageError(f"{path}: can not be written")


def write_payload(book: Book, memo: Memo, path: Path | None) -> None:
    """What `weir post` takes, where a path is given."""
    from weir.risk.payload import payload, payload_json

    if path is not None and book.source is not None:
        files.write(path, payload_json(payload(memo, book.source)))


def signer(given: dict[str, Any], keystore: Path | None) -> LocalAccount:
    """Who signs: with `--keystore`, WEIR_PRIVATE_KEY, or on a local chain as the poster."""
    from weir.accounts import choose_account
    from weir.chain import Chain, connect
    from weir.posting import POSTER_ACCOUNT
    from weir.risk.inputs.book import Book

    if given["book_file"]:
        source = Book.load(given["book_file"]).source
        chain = source.chain if source else 0
    else:
        chain = Chain(connect(given["rpc"])).id
    return choose_account(chain, keystore, development=POSTER_ACCOUNT)


def console() -> Console:
    """Wide enough for every table where it is no terminal that would break the lines."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)


@contextmanager
def progress(*, quiet: bool) -> Iterator[Callable[[str, float], None]]:
    """Bars on standard error, one for each thing that is done."""
    from rich.console import Console
    from rich.progress import Progress, TaskID

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda _what, _part: None
        return
    with Progress(console=console, transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def tell(what: str, part: float) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=1.0)
            bars.update(tasks[what], completed=part)

        yield tell
