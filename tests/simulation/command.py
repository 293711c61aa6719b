"""The commands a person types: run many seeds, replay one, shrink it, sweep crashes, switch guards off."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from tests.simulation.cover import REAL, covered
from tests.simulation.journal import Journal, Wanted
from tests.simulation.plan import Plan
from tests.simulation.runner import Ready, Task, Workers
from tests.simulation.sabotage import GUARDS, SEEDS_MAX
from tests.simulation.sabotage import show as show_table
from tests.simulation.seeds import may_be_heard_again, plan_of
from tests.simulation.shrink import shrunk
from tests.simulation.stories import STORIES
from tests.simulation.sweep import crossings_of, points
from tests.simulation.tally import Tally, show
from tests.simulation.world import Options

app = typer.Typer(help="All services in one process on virtual time, under every fault.", no_args_is_help=True)

WORKERS = os.cpu_count() or 1
CORPUS = Path(__file__).parent / "corpus"
"""Worlds that failed once."""


@app.command()
def run(
    seeds: Annotated[int, typer.Option(help="how many worlds")] = 1_000,
    first: Annotated[int | None, typer.Option(help="the first seed; none: drawn, and printed")] = None,
    workers: Annotated[int, typer.Option(help="processes at once")] = WORKERS,
    stop_after: Annotated[int, typer.Option(help="give up after so many failing worlds")] = 20,
    thorough: Annotated[bool, typer.Option(help="hear everything once more in every world, not in one of ten")] = False,
    minutes: Annotated[float | None, typer.Option(help="begin no world after so long; none: run them all")] = None,
    journal: Annotated[Path | None, typer.Option(help="a file to go on from after an end that came too early")] = None,
) -> None:
    """Run many seeds; exit code 1 when one of them shows a violation."""
    try:
        kept = Journal.of(journal, Wanted.now(seeds, thorough), first)
    except ValueError as problem:
        typer.echo(str(problem), err=True)
        raise typer.Exit(2) from problem
    tally = kept.tally
    print(f"seeds {kept.first} to {kept.first + seeds - 1}, {workers} at once", flush=True)
    if tally.worlds:
        print(f"{tally.worlds} of them were run before; failing ones: {tally.failing or 'none'}", flush=True)

    def tasks() -> Iterator[Task]:
        for seed in kept.left():
            if minutes is not None and tally.sitting > minutes * 60:
                return
            plan = plan_of(seed)
            yield (replace(plan, thorough=True) if thorough and may_be_heard_again(plan) else plan), ()

    for (plan, _), outcome in Workers(Ready.made(), workers).run(tasks()):
        tally.take(plan, outcome)
        kept.note(plan.seed)
        if tally.failed >= stop_after:
            break
    kept.write()
    tally.tell()
    tally.tell_roads()
    raise typer.Exit(int(tally.failed > 0))


@app.command()
def replay(
    seed: Annotated[str, typer.Argument(help="a seed, or a file with a kept plan")],
    trace: Annotated[bool, typer.Option(help="print everything that happened")] = False,
    logs: Annotated[bool, typer.Option(help="print what the services logged")] = False,
) -> None:
    """Run one world twice and compare: the same seed is the same world."""
    plan = plan_from(seed)
    workers = Workers(Ready.made([plan.house]), 1, Options(trace=trace, logs=logs))
    outcome, again = workers.one((plan, ())), workers.one((plan, ()))
    for line in outcome.lines:
        print(line)
    show(plan, outcome)
    print(
        f"trace {outcome.digest}, again {again.digest}: {'the same' if again.digest == outcome.digest else 'DIFFERENT'}"
    )
    raise typer.Exit(int(not outcome.good or again.digest != outcome.digest))


@app.command()
def shrink(
    seed: Annotated[str, typer.Argument(help="a seed, or a file with a kept plan")],
    keep: Annotated[Path | None, typer.Option(help="where to keep the small plan")] = None,
) -> None:
    """Make a failing world small, and keep it if asked to."""
    plan = plan_from(seed)
    workers = Workers(Ready.made([plan.house]), 1)
    try:
        small = shrunk(plan, lambda one: workers.one((one, ())))
    except ValueError as problem:
        typer.echo(str(problem), err=True)
        raise typer.Exit(2) from problem
    print(small.to_json())
    show(small, workers.one((small, ())))
    if keep is not None:
        keep.write_text(small.to_json() + "\n", encoding="utf-8")


@app.command()
def corpus(workers: Annotated[int, typer.Option(help="processes at once")] = WORKERS) -> None:
    """Run every kept world again: none may fail any more."""
    plans = _kept()
    tally = Tally(len(plans))
    for (plan, _), outcome in Workers(Ready.made(), workers).run((plan, ()) for plan in plans):
        tally.take(plan, outcome)
    tally.tell()
    raise typer.Exit(int(tally.failed > 0))


@app.command()
def sweep(
    one_in: Annotated[int, typer.Option(help="only every so manieth point; the first is drawn, and printed")] = 1,
    offset: Annotated[int | None, typer.Option(help="which of them")] = None,
    workers: Annotated[int, typer.Option(help="processes at once")] = WORKERS,
) -> None:
    """Kill every process of every story at each of its crossings, once."""
    crew = Workers(Ready.made(), workers)
    untouched = {name: crew.one((story, ())) for name, story in STORIES.items()}
    for name, outcome in untouched.items():
        print(f"{name}: {sum(outcome.crossings.values())} crossings, cases {outcome.cases}", flush=True)
        show(STORIES[name], outcome)
    all_points = list(points(crossings_of(untouched)))
    start = secrets.randbelow(one_in) if offset is None else offset
    chosen = all_points[start::one_in]
    print(
        f"{len(all_points)} points, {len(chosen)} of them now: one in {one_in}, beginning with number {start}",
        flush=True,
    )
    tally = Tally(len(chosen))
    for (plan, _), outcome in crew.run(chosen):
        tally.take(plan, outcome)
    tally.tell()
    raise typer.Exit(int(tally.failed > 0 or not all(outcome.good for outcome in untouched.values())))


@app.command()
def sabotage(
    guards: Annotated[list[str] | None, typer.Argument(help="which guards; none: all")] = None,
    seeds: Annotated[int, typer.Option(help="how many worlds each may need at most")] = SEEDS_MAX,
) -> None:
    """Switch each guard off: the judge must see what it protects from. Exit code 1 when one is not missed."""
    unknown = set(guards or ()) - GUARDS.keys()
    if unknown:
        typer.echo(f"no such guard: {', '.join(sorted(unknown))}; there are {', '.join(GUARDS)}", err=True)
        raise typer.Exit(2)
    missed = show_table(Ready.made(), [GUARDS[name] for name in guards or GUARDS], seeds)
    raise typer.Exit(int(not missed))


@app.command()
def cover(
    seeds: Annotated[int, typer.Option(help="how many worlds")] = 300,
    first: Annotated[int, typer.Option(help="the first seed")] = 1,
    missing: Annotated[bool, typer.Option(help="name the lines that no world reached")] = False,
) -> None:
    """Which branches of services/ and chassis/ are reached by worlds alone: the corpus, the stories of the sweep with
    nobody killed, the guards' worlds with their guards, and so many seeds."""
    plans = [*_kept(), *STORIES.values(), *(guard.plan(1) for guard in GUARDS.values())]
    plans += [plan_of(seed) for seed in range(first, first + seeds)]
    percent, with_drivers = covered(plans, missing)
    print(f"branches and lines reached by {len(plans)} worlds: {percent:.1f} %")
    print(f"and with the drivers, which no world can reach ({', '.join(REAL)}): {with_drivers:.1f} %")


def _kept() -> list[Plan]:
    return [Plan.from_json(file.read_text(encoding="utf-8")) for file in sorted(CORPUS.glob("*.json"))]


def plan_from(text: str) -> Plan:
    """A plan by its seed or out of a file."""
    if text.isdigit():
        return plan_of(int(text))
    with open(text, encoding="utf-8") as file:
        return Plan.from_json(file.read())
