"""`weir fuzz`: looks for the sequence of calls that breaks the protocol."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from weir.cli import json_option
from weir.fuzz.campaign import Campaign, Result, conduct
from weir.fuzz.clearing.factory import clearing
from weir.fuzz.clearing.setting import SETTINGS
from weir.fuzz.clearing.subject import Clearing
from weir.fuzz.findings import Finding, Told, told
from weir.fuzz.shrink import shrink
from weir.layers import BRIEFLY, LAYERS

__all__ = ["command"]

PROFILES = {"quick": 10_000, "ci": 30_000, "deep": 1_000_000}
"""Calls of a campaign."""

_errors = Console(stderr=True)


@click.command()
@click.option(
    "--profile", type=click.Choice(list(PROFILES)), default="quick", show_default=True, help="How long."
)
@click.option("--calls", type=click.IntRange(1), help="Calls to make, instead of the profile's number.")
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Same seed, same campaign."
)
@click.option(
    "--setting",
    "settings",
    type=click.Choice(list(SETTINGS)),
    multiple=True,
    help="World to play in; may be repeated.  [default: all]",
)
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Processes to use.")
@click.option("--dask", metavar="ADDRESS", help="Dask scheduler to use instead; 'local' starts one here.")
@click.option("--coverage", is_flag=True, help="Report line and branch coverage; runs an instrumented build.")
@click.option(
    "--findings",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("findings"),
    show_default=True,
    help="Folder for what is found.",
)
@click.option(
    "--shrink-seconds", type=click.FloatRange(0), default=60.0, show_default=True, help="Time for shrinking."
)
@click.option(
    "--replay",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Replay a finding and tell it step by step, instead of a campaign.",
)
@click.option(
    "--on",
    "where",
    type=click.Choice(["evm", "anvil"]),
    default="evm",
    show_default=True,
    help="Replay in this process, or on a fresh Anvil through its RPC.",
)
@click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Project whose compiled contracts are fuzzed.  [default: this one]",
)
@json_option
def command(
    profile: str,
    calls: int | None,
    seed: int,
    settings: tuple[str, ...],
    jobs: int,
    dask: str | None,
    coverage: bool,
    findings: Path,
    shrink_seconds: float,
    replay: Path | None,
    where: str,
    root: Path | None,
    as_json: bool,
) -> None:
    """Fuzz the loss waterfall: honest actors and attackers against contracts and reference model.

    After every call the contracts must agree with the exact model, and the properties P1 to P10 must hold.
    Ends with exit code 1 where something was found; it is shrunk and saved, to be replayed with --replay.
    """
    if replay:
        _replay(replay, where, root, as_json)
        return
    covered = None
    if coverage:
        from weir.fuzz import coverage as solidity

        with _errors.status("building the instrumented contracts"):
            covered = solidity.build(root)
        root = covered.root
    campaign = Campaign(
        factory=clearing,
        settings=settings or tuple(SETTINGS),
        calls=calls or PROFILES[profile],
        seed=seed,
        root=root,
        coverage=coverage,
    )
    with _bar(campaign.calls) as progress:
        result = conduct(campaign, jobs=jobs, dask=dask, progress=progress)
    found = [_keep(each, campaign, findings, shrink_seconds) for each in result.violations]
    report = _report(result, found)
    if covered:
        from weir.fuzz import coverage as solidity

        summary = solidity.report(covered, result.touched)
        report["coverage"] = summary.to_dict()
    if as_json:
        click.echo(json.dumps(report, indent=1))
    else:
        console = Console()
        _print(console, result, report)
        if covered:
            console.print(solidity.render(summary))
        for path, _, story in found:
            _tell(console, story)
            console.print(f"saved: [bold]{path}[/]; replay it with: weir fuzz --replay {path}")
    if result.violations:
        raise SystemExit(1)
    if result.interrupted:
        raise SystemExit(130)


# ------------------------------------------------------------------- a campaign


@contextmanager
def _bar(calls: int) -> Iterator[Callable[[Result], None]]:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=_errors, transient=True) as progress:
        task = progress.add_task("calls", total=calls)

        def update(result: Result) -> None:
            rate = result.calls / result.seconds
            text = f"{rate:,.0f} calls/s, {result.seen['defaults']} defaults"
            progress.update(task, completed=result.calls, description=text)

        yield update


def _keep(each: Any, campaign: Campaign, folder: Path, seconds: float) -> tuple[Path, Finding, Told]:
    """Shrinks and saves what was found."""
    subject = campaign.factory(each.setting, campaign.root)
    steps, rule, detail = each.steps, each.rule, each.detail
    with _errors.status(f"shrinking {rule}: {len(steps)} steps") as status:

        def show(length: int) -> None:
            status.update(f"shrinking {rule}: {length} steps")

        with suppress(ValueError, KeyboardInterrupt):  # then it is kept as it is
            steps, rule, detail = shrink(subject, steps, seconds=seconds, progress=show)
    finding = Finding(each.setting, campaign.seed, each.sequence, rule, detail, tuple(steps))
    return finding.save(folder, subject.known), finding, told(subject, finding.steps)


def _report(result: Result, found: list[tuple[Path, Finding, Told]]) -> dict[str, Any]:
    actions: dict[str, dict[str, int]] = {}
    for (call, outcome), count in sorted(result.outcomes.items()):
        actions.setdefault(call, {})[outcome] = count
    seen = result.seen
    return {
        "calls": result.calls,
        "calls_per_second": round(result.calls / result.seconds, 1) if result.seconds else 0.0,
        "seconds": round(result.seconds, 2),
        "sequences": result.sequences,
        "interrupted": result.interrupted,
        "accepted": result.accepted,
        "actions": actions,
        "defaults": {
            "count": seen["defaults"],
            "deepest": {name: seen[f"deepest: {name}"] for name in BRIEFLY.values()},
            "exhausted": {BRIEFLY[layer]: seen[f"{BRIEFLY[layer]} exhausted"] for layer in LAYERS},
        },
        "deleveraged": seen["deleveraged"],
        "seen": dict(sorted(seen.items())),
        "slack": {
            rule: {
                "count": slack.count,
                "max": slack.high,
                "min": slack.low,
                "mean": round(slack.total / slack.count, 3),
            }
            for rule, slack in sorted(result.slack.items())
        },
        "coverage": None,
        "violations": [
            {
                "rule": finding.rule,
                "detail": finding.detail,
                "setting": finding.setting,
                "sequence": finding.sequence,
                "steps": len(finding.steps),
                "file": str(path),
            }
            for path, finding, _ in found
        ],
    }


def _print(console: Console, result: Result, report: dict[str, Any]) -> None:
    table = Table(title="Calls", title_justify="left")
    for name in ("call", "accepted", "refused"):
        table.add_column(name, justify="left" if name == "call" else "right")
    table.add_column("refused for")
    for call, outcomes in report["actions"].items():
        reasons = sorted(((n, why) for why, n in outcomes.items() if why != "ok"), reverse=True)
        listed = ", ".join(f"{why} {n}" for n, why in reasons[:3])
        table.add_row(call, f"{outcomes.get('ok', 0):,}", f"{sum(n for n, _ in reasons):,}", listed)
    console.print(table)

    defaults = Table(title=f"Defaults: {report['defaults']['count']:,}", title_justify="left")
    for name in ("layer", "deepest reached", "exhausted"):
        defaults.add_column(name, justify="left" if name == "layer" else "right")
    for layer, count in report["defaults"]["deepest"].items():
        defaults.add_row(layer, f"{count:,}", f"{report['defaults']['exhausted'].get(layer, '–')}")
    console.print(defaults)

    slack = Table(
        title="Rounding slack, where there is any (units of S; P3: 1e-18 of the underlying)",
        title_justify="left",
    )
    for name in ("property", "times", "least", "mean", "most"):
        slack.add_column(name, justify="left" if name == "property" else "right")
    for rule, each in report["slack"].items():
        slack.add_row(rule, f"{each['count']:,}", f"{each['min']:g}", f"{each['mean']:g}", f"{each['max']:g}")
    console.print(slack)
    others = [f"{name} {count:,}" for name, count in result.seen.items() if ":" not in name and count]
    console.print("Seen: " + ", ".join(others))
    verdict = "[red]found a violation[/]" if result.violations else "[green]no violation[/]"
    stopped = ", stopped" if result.interrupted else ""
    console.print(
        f"{verdict}: {result.calls:,} calls in {result.sequences:,} sequences, "
        f"{result.accepted / max(result.calls, 1):.0%} accepted, "
        f"{report['calls_per_second']:,.0f} calls/s{stopped}"
    )


# --------------------------------------------------------------------- a replay


def _replay(path: Path, where: str, root: Path | None, as_json: bool) -> None:
    finding = Finding.load(path, Clearing.known)
    if finding.setting not in SETTINGS:
        raise click.UsageError(f"{path}: setting: must be one of {', '.join(SETTINGS)}")
    if where == "anvil":
        from weir.fuzz.clearing.onchain import on_anvil

        with on_anvil(SETTINGS[finding.setting], root) as subject:
            story = told(subject, finding.steps)
    else:
        story = told(clearing(finding.setting, root), finding.steps)
    if as_json:
        rule, detail = story.run.violation or ("", "")
        click.echo(
            json.dumps(
                {
                    "setting": finding.setting,
                    "on": where,
                    "violation": {"rule": rule, "detail": detail} if story.run.violation else None,
                    "steps": story.lines,
                    "changes": [
                        {"name": name, "before": before, "after": after}
                        for name, before, after in story.changes
                    ],
                },
                indent=1,
            )
        )
    else:
        _tell(Console(), story)
    if story.run.violation:
        raise SystemExit(1)


def _tell(console: Console, story: Told) -> None:
    for number, line in enumerate(story.lines, start=1):
        console.print(f"{number:4}  {line}", markup=False, highlight=False)
    if story.run.violation:
        rule, detail = story.run.violation
        console.print(f"[red]{rule}[/]: ", end="")
        console.print(detail, markup=False, highlight=False)
    table = Table(title="The ledger (of the model) around the last step", title_justify="left")
    for name in ("what", "before", "after"):
        table.add_column(name, justify="left" if name == "what" else "right")
    for name, before, after in story.changes:
        table.add_row(escape(name), str(before), str(after))
    console.print(table)
