"""How fast ten thousand accounts are checked: one call each, in pages, and with the keeper's watch list.

python -m weir.bench.keeper --write
"""

from __future__ import annotations

import json
import os
import platform
import random
import resource
import time
import tracemalloc
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Any, TypedDict

import click
from rich.console import Console
from web3 import HTTPProvider, Web3

from weir import client
from weir.bench.crowd import MARKETS, Crowd, build, crowd_node
from weir.chain import encode_call
from weir.client import Weir
from weir.formatting import number
from weir.keeper.view import Reader
from weir.keeper.watchlist import IN_TURN, WatchList, is_suspect
from weir.node import Node
from weir.states import AccountState
from weir.toolchain import ROOT

__all__ = ["Figures", "command", "measure", "report"]

ACCOUNTS = 10_000
SAMPLE = 1_000
"""Accounts that are asked for one by one; all would take as much longer."""
SIZES = 10, 25, 50, 100, 200, 400
"""Accounts in a page."""
BLOCKS = 60
ROUNDS = 3
MOVE = 0.005
"""By which each price moves in a block, up or down."""
TOUCHED = 20
"""Accounts that a block changes, besides."""
LEAST = 20
"""Times as fast as one call each that a check has to be."""
DOCUMENT = ROOT / "docs" / "keeper-speed.md"
RESULTS = ROOT / "bench" / "keeper.json"


class Page(TypedDict):
    """Reading all in pages of `size`: seconds, and the gas of the dearest page."""

    size: int
    seconds: float
    gas: int


class Figures(TypedDict):
    """Seconds for one account by one call each, and for a check of all `accounts`."""

    machine: str
    accounts: int
    with_positions: int
    web3_call: float
    own_call: float
    pages: list[Page]
    actionable: float
    first_reading: float
    blocks: int
    block: float
    slowest_block: float
    followed: float
    valued: float
    view: float
    suspects: float
    memory: float
    process: float


def measure(
    accounts: int = ACCOUNTS, blocks: int = BLOCKS, progress: Callable[[str], None] = lambda _: None
) -> Figures:
    """Builds the crowd and checks it in every way; that the ways agree is checked, too."""
    with crowd_node() as node:
        progress(f"bringing {number(accounts)} accounts onto a chain")
        crowd = build(node, accounts)
        progress("checking them")
        return _measured(node, crowd, blocks)


def _measured(node: Node, crowd: Crowd, blocks: int) -> Figures:
    weir = crowd.weir
    tracemalloc.start()
    watch = WatchList(weir)
    watch.follow()
    memory = tracemalloc.get_traced_memory()[0] / 2**20
    tracemalloc.stop()
    everybody = weir.accounts()
    addresses = [each.address for each in everybody]
    random.Random(2).shuffle(addresses)
    web3_call, own_call = _one_by_one(node, weir, addresses[:SAMPLE])
    actionable = _best(lambda: weir.actionable(block="pending"))
    times = _follow(crowd, watch, blocks)
    reader = Reader(weir)
    reader.read(crowd.maker.address)
    return Figures(
        machine=f"{os.cpu_count()} cores ({_processor()})",
        accounts=len(everybody),
        with_positions=sum(bool(each.positions) for each in everybody),
        web3_call=web3_call,
        own_call=own_call,
        pages=[_page(weir, size, len(everybody) // 4) for size in SIZES],
        actionable=actionable,
        first_reading=_best(lambda: WatchList(weir).follow()),
        blocks=blocks,
        **times,
        view=median(_view_times(crowd, reader)),
        memory=memory,
        process=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10,
    )


# --------------------------------------------------------------------- the ways


def _one_by_one(node: Node, weir: Weir, addresses: Sequence[str]) -> tuple[float, float]:
    """Seconds for each account: with plain web3 over HTTP, and on the keeper's own connection."""
    plain = Web3(HTTPProvider(node.url))
    lens = plain.eth.contract(address=weir.lens.address, abi=weir.lens.abi)
    reads: tuple[Callable[[str], Any], ...] = (
        lambda who: lens.functions.accountHealth(who).call(),
        weir.account,
    )
    plain_call, own_call = (_best(lambda read=read: [read(each) for each in addresses]) for read in reads)  # type: ignore[misc]
    return plain_call / len(addresses), own_call / len(addresses)


def _page(weir: Weir, size: int, offset: int) -> Page:
    usual, client.ACCOUNTS_PER_CALL = client.ACCOUNTS_PER_CALL, size
    try:
        seconds = _best(weir.accounts)
    finally:
        client.ACCOUNTS_PER_CALL = usual
    return Page(size=size, seconds=seconds, gas=_gas(weir, size, offset))


def _gas(weir: Weir, size: int, offset: int) -> int:
    """Of one page in the middle of the crowd, the intrinsic cost of a transaction left out."""
    page = weir.lens.functions.accountsHealth(offset, size)
    request = {"to": page.address, "data": "0x" + encode_call(page).hex()}
    return int(weir.chain.rpc("eth_estimateGas", request), 16) - 21_000


class _Times(TypedDict):
    block: float
    slowest_block: float
    followed: float
    valued: float
    suspects: float


def _follow(crowd: Crowd, watch: WatchList, blocks: int) -> _Times:
    """What the watch list takes in each block in which prices move and accounts change, and finds."""
    weir, rng = crowd.weir, random.Random(3)
    addresses = [account.address for account in weir.accounts()]
    prices = [Decimal(price) for _, price in MARKETS]
    followed, valued, suspects = [], [], []
    for block in range(blocks):
        prices = [price * Decimal(1 + rng.choice((MOVE, -MOVE))) for price in prices]
        names = rng.sample(addresses, min(TOUCHED, len(addresses)))
        crowd.send([*crowd.price(prices), *crowd.deposit((who, 1) for who in names)])
        began = time.perf_counter()
        watch.follow()
        between = time.perf_counter()
        accounts = watch.accounts(weir.markets(block="pending"), ())
        found = [who for who, account in accounts.items() if is_suspect(account)]
        weir.actions(found, block="pending")
        ended = time.perf_counter()
        followed.append(between - began)
        valued.append(ended - between)
        suspects.append(len(found))
        if block % 20 == 0:
            _agree(weir, accounts)
    both = [a + b for a, b in zip(followed, valued, strict=True)]
    return _Times(
        block=median(both),
        slowest_block=max(both),
        followed=median(followed),
        valued=median(valued),
        suspects=sum(suspects) / blocks,
    )


def _agree(weir: Weir, accounts: dict[str, AccountState | None]) -> None:
    """Raises where the watch list and the chain do not tell the same."""
    for truth in weir.accounts(block="pending"):
        known = accounts[truth.address]
        if known is None or abs(known.equity - truth.equity) > 10:
            raise RuntimeError(f"the watch list is wrong about {truth.address}: {known}, not {truth}")
    missed = {each.address for each in weir.actionable(block="pending")}
    if missed := {who for who in missed if not is_suspect(accounts[who])}:
        raise RuntimeError(f"the watch list misses {', '.join(sorted(missed))}")


def _view_times(crowd: Crowd, reader: Reader) -> list[float]:
    """Of a whole view, with the fund and all: what a keeper's step begins with."""
    found = []
    for _ in range(10):
        crowd.node.mine()
        began = time.perf_counter()
        reader.read(crowd.maker.address)
        found.append(time.perf_counter() - began)
    return found


def _best(work: Callable[[], Any]) -> float:
    seconds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")


# ------------------------------------------------------------------- the report


def report(figures: Figures) -> str:
    """The figures as Markdown."""
    accounts, plain, own = figures["accounts"], figures["web3_call"], figures["own_call"]
    usual = _usual(figures)

    def row(name: str, seconds: float) -> str:
        ratios = f"{number(plain * accounts / seconds)} | {number(own * accounts / seconds, 1)}"
        return f"| {name} | {seconds:.3f} | {seconds / accounts * 1e6:.1f} | {ratios} |"

    lines = [
        "# Speed of the keeper's eyes",
        "",
        f"By `make bench-keeper`, in one run on {figures['machine']}, which the node shares (Anvil); best of "
        f"{ROUNDS}, over blocks the median. The ratios are what counts.",
        "",
        f"{number(accounts)} accounts, {number(figures['with_positions'])} of them with positions in up to "
        f"{len(MARKETS)} markets. How long it takes to know the health of all:",
        "",
        "| | seconds | microseconds an account | times web3, one call each | times one call each |",
        "| --- | ---: | ---: | ---: | ---: |",
        row("web3, one call each (HTTP)", plain * accounts),
        row("one call each on the keeper's connection", own * accounts),
        row(f"pages of {usual['size']}, in batches (`Weir.accounts`)", usual["seconds"]),
        row("what the lens finds something to do about (`Weir.actionable`)", figures["actionable"]),
        row("the watch list's first reading", figures["first_reading"]),
        row("**the watch list, each block**", figures["block"]),
        row("its slowest block", figures["slowest_block"]),
        row("a keeper's whole view, with the fund", figures["view"]),
        "",
        f"One call each is measured on {number(SAMPLE)} accounts. Each of {figures['blocks']} blocks moves "
        f"every price by {MOVE:.1%} up or down and changes {TOUCHED} accounts. The watch list reads those "
        f"and the next {IN_TURN} in turn ({figures['followed'] * 1e3:.0f} ms), values everybody at the new "
        f"prices and asks the lens about the suspects, {number(figures['suspects'], 1)} of them on average "
        f"({figures['valued'] * 1e3:.0f} ms). In every twentieth block its answers are compared with the "
        "chain's.",
        "",
        f"It takes {figures['memory']:.1f} MiB, {figures['memory'] * 1024 / accounts:.1f} KiB an account; "
        f"this whole process never had more than {figures['process']:.0f} MiB.",
        "",
        "## Pages",
        "",
        "| accounts in a page | seconds for all | times web3, one call each | gas of a page, million |",
        "| ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {page['size']} | {page['seconds']:.3f} | {number(plain * accounts / page['seconds'])} "
        f"| {page['gas'] / 1e6:.1f} |"
        for page in figures["pages"]
    ]
    return "\n".join(
        [
            *lines,
            "",
            f"Nodes cap the gas of a call, many at 50 million; {usual['size']} accounts stay far below.",
            "",
        ]
    )


def _usual(figures: Figures) -> Page:
    """The page that `Weir.accounts` reads."""
    return next(page for page in figures["pages"] if page["size"] == client.ACCOUNTS_PER_CALL)


@click.command()
@click.option("--accounts", type=click.IntRange(min=SAMPLE), default=ACCOUNTS, show_default=True)
@click.option("--blocks", type=click.IntRange(min=1), default=BLOCKS, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--write", is_flag=True, help="Also write docs/keeper-speed.md and bench/keeper.json.")
def command(accounts: int, blocks: int, as_json: bool, write: bool) -> None:
    """Measure how fast a keeper sees everybody; exit code 1 where that is too slow."""
    with Console(stderr=True).status("measuring") as status:
        figures = measure(accounts, blocks, status.update)
    content = json.dumps(figures, indent=1) + "\n"
    if write:
        DOCUMENT.write_text(report(figures), encoding="utf-8")
        RESULTS.write_text(content, encoding="utf-8")
    click.echo(content if as_json else report(figures), nl=False)
    one_by_one = figures["web3_call"] * figures["accounts"]
    if max(figures["block"], _usual(figures)["seconds"]) * LEAST > one_by_one:
        raise click.ClickException(f"less than {LEAST} times as fast as one call each")


if __name__ == "__main__":
    command()
