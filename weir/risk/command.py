"""The console command `weir risk`: how large the fund should be, and whether the model that says so holds."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from weir.cli import deployment_option, json_option, keystore_option, rpc_option
from weir.risk import files, running

__all__ = ["risk"]

FILE = click.Path(dir_okay=False, path_type=Path)
EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)


class _Since(click.ParamType):
    """A date, as Unix seconds."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            found = datetime.fromisoformat(value)
            return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())
        except ValueError:
            self.fail(f"{value!r} is not a date such as 2020-01-31", param, ctx)


def _levels(
    _context: click.Context, _parameter: click.Parameter, value: tuple[float, ...]
) -> tuple[float, ...]:
    for level in value:
        if not 0.5 < level < 1:
            raise click.BadParameter(f"a level is above 0.5 and below 1, such as 0.99 (got {level:g})")
    return value


prices_option = click.option(
    "--prices",
    multiple=True,
    required=True,
    metavar="[NAME=]WHERE",
    help="A history for each market: NAME=FILE.csv, NAME=package, or NAME=EXCHANGE:SYMBOL[:BAR]. Repeatable.",
)
since_option = click.option("--since", type=_Since(), metavar="DATE", help="Leave out older prices.")


def _inputs(function: Callable[..., Any]) -> Callable[..., Any]:
    """What `size`, `report` and `stress` read, and where they compute."""
    for option in (
        click.option(
            "--device",
            type=click.Choice(["cpu", "cuda"]),
            default="cpu",
            show_default=True,
            help="Where paths are simulated.",
        ),
        click.option(
            "--scheduler", metavar="URL", help="A Dask cluster to simulate on, such as tcp://127.0.0.1:8786."
        ),
        click.option(
            "--workers", type=click.IntRange(1), help="Threads to simulate on.  [default: all cores]"
        ),
        click.option(
            "--scenarios",
            type=EXISTING,
            help="JSON file of your own stress scenarios, beside the built-in ones.",
        ),
        click.option("--seed", type=click.IntRange(0), help="Of the simulation.  [default: 0]"),
        click.option("--paths", type=click.IntRange(30_000), help="Paths to simulate.  [default: 200,000]"),
        click.option(
            "--horizon", type=float, metavar="DAYS", help="Over which the fund is sized.  [default: 1]"
        ),
        click.option(
            "--level",
            type=float,
            callback=_one_level,
            help="Of the ES the target is built on.  [default: 0.999]",
        ),
        click.option(
            "--model",
            metavar="NAME",
            help="Of each market's returns (`weir risk models`).  [default: garch-evt]",
        ),
        click.option(
            "--parameters", type=EXISTING, help="JSON file of risk parameters; docs/risk.md lists them."
        ),
        since_option,
        prices_option,
        click.option(
            "--block", type=click.IntRange(0), help="Read the chain at this block.  [default: the latest]"
        ),
        deployment_option,
        rpc_option,
        click.option(
            "--book",
            "book_file",
            type=EXISTING,
            help="Read the book from this JSON or Parquet file, not from a chain.",
        ),
    ):
        function = option(function)
    return function


def _one_level(_context: click.Context, _parameter: click.Parameter, value: float | None) -> float | None:
    if value is not None and not 0.5 < value < 1:
        raise click.BadParameter(f"a level is above 0.5 and below 1, such as 0.999 (got {value:g})")
    return value


@click.group()
def risk() -> None:
    """Size the fund: VaR, expected shortfall and stress of a book of positions, and backtests of the model.

    Needs the packages of `pip install 'weir[risk]'`. docs/risk.md explains every figure.
    """
    try:
        import arch  # noqa: F401
        import numba  # noqa: F401
    except ImportError as error:
        raise click.UsageError(f"{error.name} is missing: pip install 'weir[risk]'") from None


# -------------------------------------------------------------------------- size


@risk.command("size")
@_inputs
@click.option(
    "--payload", type=FILE, metavar="FILE", help="Write what `weir post` takes; the book must be a chain's."
)
@click.option("--memo", "memo_file", type=FILE, metavar="FILE", help="Write the memo's JSON.")
@json_option
def size_command(payload: Path | None, memo_file: Path | None, as_json: bool, **given: Any) -> None:
    """How large the fund should be, what decided that, and who should contribute."""
    from weir.risk.console import render

    running.require_writable(payload, memo_file)
    book, memo = running.sized(given, for_chain=payload is not None, with_backtest=False, quiet=as_json)
    if memo_file:
        files.write(memo_file, memo.model_dump_json(indent=1) + "\n")
    running.write_payload(book, memo, payload)
    if as_json:
        click.echo(memo.model_dump_json(indent=1))
    else:
        running.console().print(render(memo))


@risk.command("report")
@_inputs
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("memo"),
    show_default=True,
    help="Folder for memo.json and memo.html.",
)
@click.option("--previous", type=EXISTING, help="The memo before this one, to say what has changed.")
@click.option(
    "--sign-off", metavar="NAME", help="Sign the memo under this name, with --keystore or WEIR_PRIVATE_KEY."
)
@keystore_option
@click.option("--no-backtest", is_flag=True, help="Leave the backtest out.")
@click.option(
    "--payload", type=FILE, metavar="FILE", help="Write what `weir post` takes; the book must be a chain's."
)
def report_command(
    out: Path,
    previous: Path | None,
    sign_off: str | None,
    keystore: Path | None,
    no_backtest: bool,
    payload: Path | None,
    **given: Any,
) -> None:
    """A memo for those who decide: HTML and JSON, with its inputs, its model, and what has changed."""
    from weir.risk.page import render
    from weir.risk.provenance import changes_since, load_memo, sign

    if sign_off is not None and not sign_off.strip():
        raise click.BadParameter("the name of who signs", param_hint="--sign-off")
    running.require_writable(payload, out / "memo.json", out / "memo.html")
    before = load_memo(previous) if previous else None
    signer = running.signer(given, keystore) if sign_off else None
    for_chain = payload is not None
    book, memo = running.sized(given, for_chain=for_chain, with_backtest=not no_backtest, quiet=False)
    if before is not None:
        changed = {"changes": changes_since(before, memo), "previous": before.digest}
        memo = memo.model_copy(update=changed)
    if signer is not None and sign_off:
        memo = sign(memo, signer, sign_off)
    page = render(memo)
    files.write(out / "memo.json", memo.model_dump_json(indent=1) + "\n")
    files.write(out / "memo.html", page)
    running.write_payload(book, memo, payload)
    click.echo(str(out / "memo.html"))


@risk.command("verify")
@click.argument("memo", type=EXISTING)
def verify_command(memo: Path) -> None:
    """Say who signed MEMO (its JSON), and fail where it was changed since."""
    from weir.risk.provenance import load_memo, verify

    found = load_memo(memo)
    signer = verify(found)
    click.echo(f"{found.signature.name if found.signature else ''}, {signer}, digest {found.digest}")


# ------------------------------------------------------------------------ others


@risk.command("backtest")
@prices_option
@since_option
@click.option("--model", "models", multiple=True, metavar="NAME", help="Repeatable.  [default: all]")
@click.option(
    "--level",
    "levels",
    multiple=True,
    type=float,
    callback=_levels,
    default=(0.95, 0.99, 0.995),
    show_default=True,
    help="Repeatable.",
)
@click.option(
    "--window",
    type=click.IntRange(100),
    default=1_000,
    show_default=True,
    help="Bars that a forecast is made from.",
)
@click.option(
    "--refit",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    help="Bars after which models are fitted anew.",
)
@click.option("--short", is_flag=True, help="Losses of shorts, not of longs.")
@json_option
def backtest_command(
    prices: tuple[str, ...],
    since: int | None,
    models: tuple[str, ...],
    levels: tuple[float, ...],
    window: int,
    refit: int,
    short: bool,
    as_json: bool,
) -> None:
    """How the models' forecasts would have held on prices of the past, next bar by next bar.

    A file has the columns timestamp and close, in bars of any length.
    """
    from weir.risk.backtest.rolling import LEAST_FORECASTS, backtest
    from weir.risk.console import render_backtest
    from weir.risk.forecast.models import MODELS, model_named

    chosen = tuple(model_named(name).name for name in models) or tuple(MODELS)
    found = {}
    histories = running.histories(prices, since)
    for name, history in histories.items():
        if (bars := len(history.times)) < window + LEAST_FORECASTS + 1:
            raise click.UsageError(
                f"{name}: {bars} bars; --window {window} needs {window + LEAST_FORECASTS + 1}"
            )
    with running.progress(quiet=as_json) as tell:
        for name, history in histories.items():
            found[name] = backtest(
                history.times,
                history.closes,
                models=chosen,
                levels=levels,
                sides=("short",) if short else ("long",),
                window=window,
                refit=refit,
                progress=lambda done, of, name=name: tell(f"backtest of {name}", done / of),  # type: ignore[misc]
            )
    if as_json:
        told = {
            name: {
                "source": histories[name].source,
                "bar_seconds": histories[name].bar_seconds,
                "gaps": histories[name].gaps,
            }
            | result.as_dict()
            for name, result in found.items()
        }
        click.echo(json.dumps(told, indent=1))
    else:
        running.console().print(render_backtest(found))


@risk.command("scenarios")
@json_option
def scenarios_command(as_json: bool) -> None:
    """List the built-in stress scenarios, with their sources."""
    from weir.risk.console import render_scenarios
    from weir.risk.stress.library import library

    if as_json:
        click.echo(json.dumps([each.model_dump(mode="json") for each in library()], indent=1))
    else:
        running.console().print(render_scenarios(library()))


@risk.command("models")
def models_command() -> None:
    """List the models of a market's returns."""
    from weir.risk.forecast.models import MODELS

    for model in MODELS.values():
        click.echo(f"{model.name:14} {model.about}; at least {model.fewest} returns")


@risk.command("prices")
@prices_option
@since_option
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def prices_command(prices: tuple[str, ...], since: int | None, folder: Path) -> None:
    """Fetch histories of prices, check them, and write each to FOLDER as a CSV file."""
    histories = running.histories(prices, since)
    folder.mkdir(parents=True, exist_ok=True)
    for name, history in histories.items():
        path = folder / f"{name}.csv"
        history.save(path)
        click.echo(f"{path}: {len(history.times)} bars, {history.source}")


@risk.command("book")
@rpc_option
@deployment_option
@click.option("--block", type=click.IntRange(0), help="[default: the latest]")
@click.argument("file", type=FILE)
def book_command(rpc: str, deployment: Path | None, block: int | None, file: Path) -> None:
    """Read the book from a chain and write it to FILE, JSON or Parquet by its name."""
    book = running.read(None, rpc, deployment, block)
    file.parent.mkdir(parents=True, exist_ok=True)
    book.save(file)
    click.echo(f"{file}: {len(book.accounts)} accounts, {len(book.markets)} markets")
