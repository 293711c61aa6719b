"""The `tuidan` command: a list of what it can do. What each one does lives in the module it imports when called."""

from typing import Annotated, Literal

import typer

app = typer.Typer(
    help="Run, watch and operate Tuidan.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
drills = typer.Typer(help="Prove the system under fire, on a stack of its own.", no_args_is_help=True)
app.add_typer(drills, name="drill")
staff = typer.Typer(help="Accounts of the staff.", no_args_is_help=True)
app.add_typer(staff, name="staff")


@app.command()
def up(
    kafka: Annotated[
        Literal["embedded", "native"],
        typer.Option(help="The broker in memory, or Apache Kafka with its log on disk (needs Java)."),
    ] = "embedded",
) -> None:
    """Start the whole system on this machine and wait until it is ready."""
    from tools.stack.commands import run_up

    run_up(kafka)


@app.command()
def down() -> None:
    """Stop the whole system; data and logs stay."""
    from tools.stack.commands import run_down

    run_down()


@app.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Show every process; the exit code is 0 only when all are ready."""
    from tools.stack.commands import run_status

    run_status(as_json=as_json)


@app.command()
def logs(
    name: Annotated[str | None, typer.Argument(help="One process; all of them when left out.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
) -> None:
    """Show what a process has logged."""
    from tools.stack.commands import run_logs

    run_logs(name, and_follow=follow)


@app.command(
    name="sandbox",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
)
def run_sandbox(context: typer.Context) -> None:
    """Run the stand-in for WeChat Pay, the mini-program API and SMS alone (`tuidan sandbox --help`)."""
    from sandbox.__main__ import main

    main(context.args)


@app.command()
def replay(
    everything: Annotated[bool, typer.Option("--all", help="The whole year instead of the first invoices.")] = False,
    invoices: Annotated[int, typer.Option(min=1, help="How many purchase invoices.")] = 2000,
    seed: Annotated[int, typer.Option(help="Chooses which refunds meet trouble.")] = 7,
) -> None:
    """Replay orders and cancellations of a real year through the running system, and compare all books."""
    from tools.demo import run_replay

    run_replay(None if everything else invoices, seed)


@app.command()
def demo(
    invoices: Annotated[int, typer.Option(min=1, help="How many purchase invoices.")] = 2000,
    seed: Annotated[int, typer.Option(help="Chooses which refunds meet trouble.")] = 7,
) -> None:
    """Start everything, replay real orders, show the books; the system stays up afterwards."""
    from tools.demo import run_demo

    run_demo(invoices, seed)


@app.command()
def bench(count: Annotated[int, typer.Option(min=1, help="How many paid orders to cancel.")] = 200) -> None:
    """Measure one paid cancellation at a time on the running system: milliseconds to each milestone."""
    from tools.demo import run_bench

    run_bench(count)


@drills.command()
def refunds(
    count: Annotated[int, typer.Option(min=1, help="How many orders are placed, paid and cancelled.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Chooses orders, reasons, troubles and kills.")] = 7,
    kill_every: Annotated[float, typer.Option(min=0, help="Seconds between two kill -9; 0 for none.")] = 5.0,
    patience: Annotated[float, typer.Option(min=1, help="Seconds until every case must have ended.")] = 900.0,
    keep: Annotated[bool, typer.Option("--keep", help="Keep data and logs.")] = False,
) -> None:
    """Cancel paid orders while refunds fail and services are killed, then compare three ledgers; exit code 0 agrees,
    1 differs, 2 could not be run."""
    from tools.drill import Orders
    from tools.drill.command import run_drill

    run_drill(Orders(count, seed, kill_every, patience), keep=keep)


@drills.command()
def kill(
    minutes: Annotated[float, typer.Option(min=0.1, help="How long orders keep coming.")] = 10.0,
    seed: Annotated[int, typer.Option(help="Chooses orders, faults and victims.")] = 7,
    kafka: Annotated[
        Literal["auto", "native", "embedded"], typer.Option(help="auto: Apache Kafka where there is Java.")
    ] = "auto",
    every: Annotated[float, typer.Option(min=0, help="Seconds between two faults on average; 0 for none.")] = 5.0,
    rate: Annotated[float, typer.Option(min=0.1, help="Orders per second.")] = 3.0,
    instances: Annotated[int, typer.Option(min=1, max=5, help="Of every service; on Apache Kafka only.")] = 2,
    troubled: Annotated[float, typer.Option(min=0, max=0.9, help="Share of refunds with trouble as well.")] = 0.1,
    patience: Annotated[float, typer.Option(min=1, help="Seconds until every case must have ended.")] = 600.0,
    keep: Annotated[bool, typer.Option("--keep", help="Keep data and logs.")] = False,
) -> None:
    """Kill, freeze and stop processes and fill the database's disk under a steady load, then compare all books; exit
    code 0 agrees, 1 differs, 2 could not be run."""
    from tools.drill.command import run_kill_drill
    from tools.drill.killing import Raid

    raid = Raid("native", minutes, seed, every, rate, instances, troubled, patience)
    run_kill_drill(raid, kafka, keep=keep)


@staff.command()
def create(
    name: Annotated[str, typer.Argument(help="What the person signs in with, like li.na")],
    phone: Annotated[str, typer.Option(help="Gets the confirmation codes.")],
    role: Annotated[str, typer.Option(help="customer-service, supervisor, finance, warehouse, administrator")] = (
        "administrator"
    ),
    person: Annotated[str, typer.Option(help="The person's name; the sign-in name when left out.")] = "",
) -> None:
    """Make an account, with a password and a second factor that are shown once; for a shop's first administrator.
    Exit code 0 made, 1 the name is taken, 2 could not be done."""
    from tools.staff import run_create

    run_create(name, person or name, role, phone)


@app.command()
def reconcile(
    day: Annotated[str, typer.Argument(help="A day that is over, China time, like 2026-11-01.")],
    shop: Annotated[str, typer.Option(help="Name of a shop; the house when left out.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Compare a day of WeChat Pay's bills with our books; exit code 0 agrees, 1 differs, 2 could not be done."""
    from tools.reconcile import run_reconcile

    run_reconcile(day, shop, as_json=as_json)


def main() -> None:
    """Run the command (entry point of the package)."""
    app()


if __name__ == "__main__":
    main()
