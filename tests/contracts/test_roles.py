"""The table of who says what to whom is what the services' code does: what they register to hear, and which commands
of others they name."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from chassis.projection import Projection
from chassis.record import Aggregate
from contracts import CATALOGUE
from contracts.message import Command
from tools.catalogue.roles import COMMANDS_SAID_BY, EVENTS_HEARD_BY, hears, owner, unlisted
from tools.checks.source import Source

SERVICES = Path(__file__).resolve().parents[2] / "services"
NAMES = sorted(path.name for path in SERVICES.iterdir() if any(path.glob("*.py")))
# These read the environment or open doors when imported; what is heard is registered elsewhere.
WIRING = {"main", "api", "settings"}


def registered(service: str) -> Iterator[str]:
    """Wire names of what the service's aggregates and projections hear."""
    for path in sorted((SERVICES / service).glob("*.py")):
        if path.stem in WIRING:
            continue
        module = importlib.import_module(f"services.{service}.{path.stem}")
        for value in vars(module).values():
            if isinstance(value, Aggregate):
                yield from (message.wire for message in value.handlers if CATALOGUE.get(message.wire) is message)
            elif isinstance(value, Projection):
                yield from (message.wire for message in value.functions)


def named_commands(service: str) -> Iterator[str]:
    """Wire names of the commands of other services that this service's code names: it names them to say them."""
    classes = {f"{message.__module__}.{message.__name__}": message for message in CATALOGUE.values()}
    for path in (SERVICES / service).rglob("*.py"):
        for _, name in Source(path.as_posix(), path.read_text("utf-8")).uses():
            message = classes.get(name)
            if message is not None and issubclass(message, Command) and owner(message) != service:
                yield message.wire


def test_the_table_and_the_catalogue_name_the_same_messages() -> None:
    assert unlisted(CATALOGUE.values()) == []


def test_a_message_that_the_table_forgets_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(COMMANDS_SAID_BY, "refund-payment.v1")
    monkeypatch.setitem(EVENTS_HEARD_BY, "no-such.v1", ("order",))
    assert unlisted(CATALOGUE.values()) == [
        "nobody says refund-payment.v1: name its speaker in tools/catalogue/roles.py",
        "roles.py names the event no-such.v1, which does not exist",
    ]


@pytest.mark.parametrize("service", NAMES)
def test_a_service_hears_what_the_table_says(service: str) -> None:
    assert set(registered(service)) == {wire for wire, message in CATALOGUE.items() if service in hears(message)}


@pytest.mark.parametrize("service", NAMES)
def test_a_service_says_the_commands_the_table_says(service: str) -> None:
    assert set(named_commands(service)) == {wire for wire, said_by in COMMANDS_SAID_BY.items() if service in said_by}
