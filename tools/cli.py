"""The `tuidan` command: a list of what it can do. What each one does lives in the module it imports when called."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from tools.backup import cli as backups
from tools.bench.cli import benches
from tools.operating import add_operating
from tools.topics.cli import topics

app = typer.Typer(
    help="Run, watch and operate Tuidan.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
drills = typer.Typer(help="Prove the system under fire, on a stack of its own.", no_args_is_help=True)
app.add_typer(drills, name="drill")
orders = typer.Typer(help="Export, delete and restore orders.", no_args_is_help=True)
app.add_typer(orders, name="orders")

Before = Annotated[str, typer.Option(help="Orders placed before this day (UTC), like 2023-11-01.")]
Out = Annotated[Path, typer.Option(help="Folder for the files; they hold personal data.")]
Gateway = Annotated[str, typer.Option(help="Address of the gateway; that of the stack that is up when left out.")]
TokenFile = Annotated[Path | None, typer.Option(help="File with your token; signed in at the stack's sandbox without.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]
keys = typer.Typer(help="The keys of personal data at rest.", no_args_is_help=True)
app.add_typer(keys, name="keys")
seeds = typer.Typer(help="Fill the database of the running system for measurements.", no_args_is_help=True)
app.add_typer(seeds, name="seed")
app.add_typer(benches, name="bench")
staff = typer.Typer(help="Accounts of the staff.", no_args_is_help=True)
app.add_typer(staff, name="staff")
app.add_typer(topics, name="topics")
add_operating(app, drills, keys)
backups.join(app, drills)


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
    gateway: Gateway = "",
    sandbox: Annotated[str, typer.Option(help="Address of the sandbox, likewise.")] = "",
) -> None:
    """Replay orders and cancellations of a real year through the running system, and compare all books."""
    from tools.demo import run_replay

    run_replay(None if everything else invoices, seed, gateway, sandbox)


@app.command()
def demo(
    invoices: Annotated[int, typer.Option(min=1, help="How many purchase invoices.")] = 2000,
    seed: Annotated[int, typer.Option(help="Chooses which refunds meet trouble.")] = 7,
) -> None:
    """Start everything, replay real orders, show the books; the system stays up afterwards."""
    from tools.demo import run_demo

    run_demo(invoices, seed)


@seeds.command(name="orders")
def seed_orders(
    count: Annotated[int, typer.Option(min=1, max=10_000_000, help="How many there are to be.")] = 1_000_000,
    seed: Annotated[int, typer.Option(help="Chooses customers, goods and what became of each order.")] = 7,
) -> None:
    """Insert finished orders of one shop into the order service's database (and into no other). Resumable."""
    from tools.seed.command import run_seed_orders

    run_seed_orders(count, seed)


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


@drills.command()
def containers(
    calm: Annotated[int, typer.Option(min=1, help="Invoices that are replayed in peace.")] = 300,
    stormy: Annotated[int, typer.Option(min=1, help="Invoices until which containers are killed.")] = 2_000,
    build: Annotated[bool, typer.Option(help="Build the images first.")] = True,
    keep: Annotated[bool, typer.Option("--keep", help="Leave containers and volumes there, stopped.")] = False,
) -> None:
    """Build and start everything in containers, replay, kill each container, put payment on two, stop; exit code 0 it
    held, 1 it did not, 2 could not be run. Needs docker with compose."""
    from tools.containers.command import run_containers
    from tools.containers.drill import Wanted

    run_containers(Wanted(calm, max(calm, stormy), build, keep))


@drills.command(name="day")
def one_day(
    seed: Annotated[int, typer.Option(help="Chooses customers, prices and answers.")] = 7,
    lang: Annotated[Literal["both", "zh", "en"], typer.Option(help="The story's language.")] = "both",
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep data and logs of a stack that was started for it.")
    ] = False,
) -> None:
    """Play one day of a shop through the public API, all roles and all customers, and tell what each of them saw; then
    compare it with the sandbox's ledgers. Plays on the stack that is up, else on one of its own. Exit code 0 agrees, 1
    differs, 2 could not be played."""
    from tools.drill.day.command import run_day

    run_day(seed, lang, keep=keep)


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
    gateway: Gateway = "",
    token_file: Annotated[Path | None, typer.Option(help="File with your token, for that gateway.")] = None,
) -> None:
    """Compare a day of WeChat Pay's bills with our books; exit code 0 agrees, 1 differs, 2 could not be done."""
    from tools.reconcile import run_reconcile

    run_reconcile(day, shop, gateway, token_file, as_json=as_json)


@orders.command(name="export")
def export_orders(before: Before, out: Out, gateway: Gateway = "", token_file: TokenFile = None) -> None:
    """Write finished orders to files, read them back, and register their checksums; exit code 0 done, 2 not."""
    from tools.orders import command, work

    day = command.midnight(before)
    command.run(gateway, token_file, lambda door: work.export(door, day, out, command.say))


@orders.command(name="delete")
def delete_orders(
    before: Before,
    out: Out = Path("exports"),
    reason: Annotated[str, typer.Option(help="Why; kept with the order.")] = "kept long enough",
    dry_run: DryRun = False,
    gateway: Gateway = "",
    token_file: TokenFile = None,
) -> None:
    """Export finished orders, then erase the personal data of those that the rules let go, 200 with each code that you
    are sent; exit code 0 all, 1 some were refused, 2 it could not be done. Run it again whenever it was stopped."""
    from tools.orders import command, work

    day = command.midnight(before)
    if dry_run:
        command.run(gateway, token_file, lambda door: work.delete_dry(door, day, command.say))
    command.run(gateway, token_file, lambda door: work.delete(door, day, out, reason, command.ask_code, command.say))


@orders.command(name="restore")
def restore_orders(
    files: Annotated[list[Path], typer.Argument(help="Files that `export` or `delete` wrote.")],
    dry_run: DryRun = False,
    gateway: Gateway = "",
    token_file: TokenFile = None,
) -> None:
    """Prove files of exported orders and put the orders back, never over a newer one; exit code 0 all, 1 some were
    refused, 2 a file is damaged or nobody answers."""
    from tools.orders import command, work

    command.run(gateway, token_file, lambda door: work.restore(door, files, command.say, dry_run=dry_run))


@keys.command(name="make-personal")
def make_personal(folder: Annotated[Path, typer.Argument(help="The keys folder of the services.")]) -> None:
    """Make the first key and the search key where they are missing."""
    from tools.keys import run_make

    run_make(folder)


@keys.command(name="hand-out")
def hand_out(
    folder: Annotated[Path, typer.Argument(help="Holds every key file.")],
    out: Annotated[Path, typer.Argument(help="Gets a folder per service, to be mounted into its containers.")],
    stand_in: Annotated[bool, typer.Option("--stand-in", help="First make what is missing, for the sandbox.")] = False,
) -> None:
    """Give each service a folder with the key files that it reads, and no others. Run it again after a change."""
    from tools.handing_out import run_hand_out

    run_hand_out(folder, out, stand_in=stand_in)


@keys.command(name="rotate-personal")
def rotate_personal(
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the newest key instead of adding one.")] = False,
) -> None:
    """Add a key and seal everything that is stored about people with it, while the services run."""
    from tools.keys import run_rotate

    run_rotate(resume=resume)


@keys.command(name="personal")
def show_personal() -> None:
    """Count what is stored about people under each key; exit code 0: all of it under the newest."""
    from tools.keys import run_show

    run_show()


def main() -> None:
    """Run the command (entry point of the package)."""
    app()


if __name__ == "__main__":
    main()
