"""`tuidan drill kubernetes` and `tuidan keys secrets`, as `tools/cli.py` lists them."""

from pathlib import Path
from typing import Annotated

import typer


def join(drills: typer.Typer, keys: typer.Typer) -> None:
    """Hang the commands in."""
    drills.command()(kubernetes)
    keys.command(name="secrets")(print_secrets)


def kubernetes(
    minutes: Annotated[float, typer.Option(min=0.1, help="How long orders keep coming.")] = 12.0,
    rate: Annotated[float, typer.Option(min=0.1, help="Orders per second.")] = 2.0,
    seed: Annotated[int, typer.Option(help="Chooses orders, refunds in trouble, and the order of the victims.")] = 7,
    build: Annotated[bool, typer.Option(help="Build the images first.")] = True,
    load: Annotated[str, typer.Option(help="Brings an image to the nodes: 'kind load docker-image {image}'.")] = "",
    keep: Annotated[bool, typer.Option("--keep", help="Leave the namespace there.")] = False,
) -> None:
    """Bring all into a cluster (deploy/k8s/overlays/local) and, under a steady load, delete pods, roll all, put all on
    two; then compare three ledgers. Exit code 0 it held, 1 it did not, 2 could not be run. Needs docker and kubectl."""
    from tools.kubernetes.command import run_trial
    from tools.kubernetes.trial import Wanted

    run_trial(Wanted(minutes, rate, seed, build=build, load=load, keep=keep))


def print_secrets(folder: Annotated[Path, typer.Argument(help="Made by `tuidan keys hand-out`.")]) -> None:
    """Print those folders as Secrets of Kubernetes: … | kubectl --namespace tuidan apply --filename -."""
    from tools.kubernetes.secrets import run_secrets

    run_secrets(folder)
