"""`python -m weir.fuzz.mutation`: does the fuzzer find faults that are put into the contracts?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from weir.cli import one_line_errors
from weir.fuzz.mutation.campaign import (
    PATIENCE,
    PROFILE,
    SCOPE,
    Candidate,
    Fuzzer,
    baseline,
    compile_all,
    in_order,
    judge,
    select,
)
from weir.fuzz.mutation.compiling import Workshop
from weir.fuzz.mutation.operators import Mutant, generate
from weir.fuzz.mutation.results import (
    DOCUMENT,
    GOAL,
    RESULTS,
    Record,
    Results,
    Tally,
    load_reasons,
    notes,
    render,
    rewrite_document,
)

SAMPLE = 400
"""About what two cores try in three quarters of an hour."""


@click.command()
@click.option("--sample", type=click.IntRange(1), default=SAMPLE, show_default=True, help="How many mutants.")
@click.option("--all", "everything", is_flag=True, help="All mutants.")
@click.option("--only", multiple=True, metavar="DIGEST", help="These mutants; can be given again.")
@click.option("--seed", type=int, default=1, show_default=True, help="Chooses the sample.")
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True, help="How many at once.")
@click.option("--list", "listing", is_flag=True, help="List the mutants that would be tried.")
@click.option(
    "--json", "path", type=click.Path(dir_okay=False, path_type=Path), help="Write the results here."
)
@click.option("--write", is_flag=True, help="Renew analysis/mutation.json and docs/mutation.md.")
@click.option(
    "--render",
    "again",
    is_flag=True,
    help="Renew docs/mutation.md from the results and reasons that are kept.",
)
def main(
    sample: int,
    everything: bool,
    only: tuple[str, ...],
    seed: int,
    jobs: int,
    listing: bool,
    path: Path | None,
    write: bool,
    again: bool,
) -> None:
    """Try mutants of the contracts on the fuzzer; exit code 1 if it kills too few."""
    console = Console()
    with one_line_errors():
        if again:
            results = Results.load(RESULTS)
        else:
            with Workshop(jobs=jobs) as workshop:
                with console.status("finding mutants"):
                    mutants = generate(workshop.tree, SCOPE)
                chosen = _chosen(mutants, only, len(mutants) if everything else sample, seed)
                if listing:
                    for mutant in chosen:
                        console.print(
                            f"{mutant.id}  {mutant.old!r} → {mutant.new!r}", markup=False, soft_wrap=True
                        )
                    return
                records = _try(workshop, chosen, jobs, Console(stderr=True))
            results = Results(profile=PROFILE, seed=seed, generated=len(mutants), records=records)
        reasons = load_reasons()
        console.print(render(results, reasons))
        for note in notes(results, reasons):
            console.print(note, markup=False, soft_wrap=True)
        if path:
            results.save(path)
        if write:
            results.save(RESULTS)
        if write or again:
            document = rewrite_document(DOCUMENT.read_text("utf-8"), results, reasons)
            DOCUMENT.write_text(document, "utf-8")
        if Tally.of(results.records, reasons).score < GOAL:
            raise SystemExit(1)


def _chosen(mutants: Sequence[Mutant], only: Sequence[str], size: int, seed: int) -> list[Mutant]:
    if not only:
        return select(mutants, size, seed)
    if unknown := set(only) - {mutant.digest for mutant in mutants}:
        raise click.UsageError(f"no such mutant: {', '.join(sorted(unknown))}")
    return [mutant for mutant in mutants if mutant.digest in only]


def _try(workshop: Workshop, mutants: Sequence[Mutant], jobs: int, console: Console) -> tuple[Record, ...]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("compiling", total=len(mutants))
        compiled = list(compile_all(workshop, mutants, jobs, lambda: progress.advance(task)))
        records = [each for each in compiled if isinstance(each, Record)]
        candidates = [each for each in compiled if isinstance(each, Candidate)]
        if candidates:
            task = progress.add_task("fuzzing the original", total=None)
            originals = {name: workshop.original(name) for each in candidates for name in each.codes}
            fuzzer = Fuzzer(limit=PATIENCE * baseline(Fuzzer(), originals))
            progress.update(task, description="fuzzing", total=len(candidates), completed=0)
            records += judge(fuzzer, candidates, jobs, lambda: progress.advance(task))
    return in_order(mutants, records)


if __name__ == "__main__":
    main()
