"""`tuidan bench …`: how fast, and at what cost."""

from pathlib import Path
from typing import Annotated, Literal

import typer

benches = typer.Typer(help="Measure the running system, or one made for it.", invoke_without_command=True)


@benches.callback()
def bench(
    context: typer.Context,
    count: Annotated[int, typer.Option(min=1, help="How many paid orders to cancel.")] = 200,
) -> None:
    """Measure one paid cancellation at a time on the running system: milliseconds to each milestone."""
    if context.invoked_subcommand is not None:
        return
    from tools.demo import run_bench

    run_bench(count)


@benches.command(name="orders")
def bench_orders(
    rate: Annotated[float, typer.Option(min=1, help="Requests per second.")] = 200.0,
    seconds: Annotated[float, typer.Option(min=1, help="How long.")] = 30.0,
    seed: Annotated[int, typer.Option(help="Of the orders that were seeded; chooses what is asked for, too.")] = 7,
) -> None:
    """Measure lists and searches of seeded orders through the gateway: p50, p99, CPU and memory of who answers."""
    from tools.bench.orders import run_bench_orders

    run_bench_orders(rate, seconds, seed)


@benches.command(name="previews")
def bench_previews(
    count: Annotated[int, typer.Option(min=1, help="How many paid orders to place first.")] = 200,
    rate: Annotated[float, typer.Option(min=1, help="Requests per second.")] = 50.0,
    seconds: Annotated[float, typer.Option(min=1, help="How long.")] = 30.0,
) -> None:
    """Measure seeing what cancelling a paid order would do: p50, p99, CPU and memory of who answers."""
    from tools.bench.previews import run_bench_previews

    run_bench_previews(count, rate, seconds)


@benches.command(name="cancellations")
def bench_cancellations(
    count: Annotated[int, typer.Option(min=100, help="How many paid orders are cancelled at saturation.")] = 3_000,
    in_flight: Annotated[int, typer.Option(min=1, help="How many cases are under way then.")] = 128,
    provider: Annotated[
        Literal["at-once", "sandbox"], typer.Option(help="Who refunds and tells: nobody at all, or the sandbox.")
    ] = "at-once",
    stored: Annotated[int, typer.Option(min=0, help="How many finished orders are there beforehand.")] = 0,
    flames: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Draw flame graphs of the services at saturation (py-spy).")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep data and logs.")] = False,
) -> None:
    """Measure paid cancellations on a stack of its own, with a real Kafka: cases a second, times, cost."""
    from tools.bench.cancellations import Wanted, run_bench_cancellations

    run_bench_cancellations(Wanted(count, in_flight, provider, stored, flames), keep=keep)


@benches.command(name="bare")
def bench_bare(
    count: Annotated[int, typer.Option(min=100, help="How many cases.")] = 10_000,
    in_flight: Annotated[int, typer.Option(min=1, help="How many are under way.")] = 1_000,
    keep: Annotated[bool, typer.Option("--keep", help="Keep data and logs.")] = False,
) -> None:
    """Measure the same writes and records without the services: what this machine's Kafka and MongoDB allow."""
    from tools.bench.cancellations import run_bench_bare

    run_bench_bare(count, in_flight, keep=keep)
