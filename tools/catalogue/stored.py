"""The golden JSON Schema of everything that a service stores and reads into a model again: the states of its records,
the intents that wait beside them until they are performed, documents of other kinds, and the lines of sagas, by whose
names runs remember where they stand. A database holds what every older version wrote, so whatever fitted before must
fit now, as with the commands of an old writer."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from chassis.record import Aggregate
from chassis.saga import Saga
from contracts.message import Intent
from services.notify.quota import Fact
from services.order.bulk import Plan
from services.order.offer import Coupon, Product
from services.order.policies import Policy
from services.order.reason import ReasonList
from tools.catalogue.compatibility import breaks
from tools.catalogue.schemas import Schema, golden, rendered

SERVICES = Path(__file__).resolve().parents[2] / "services"
FOLDER = Path(__file__).with_name("stored")
SHOWN = "tools/catalogue/stored"
DEFINES = ("Aggregate(", "Intent)", "Saga(")
"""A module with one of these in it defines something stored; the others are not imported, which takes long."""

DOCUMENTS: Mapping[str, type[BaseModel]] = {
    "notify.subscription-facts": Fact,
    "order.bulk-plans": Plan,
    "order.coupons": Coupon,
    "order.policies": Policy,
    "order.products": Product,
    "order.reasons": ReasonList,
}
"""What is stored beside the records and read into a model: nothing but this list knows of it."""


def kept() -> dict[str, type[BaseModel]]:
    """Every model that something stored is read into, by `<service>.<kind of record>`, or wire name of an intent."""
    found = {**DOCUMENTS}
    for service, value in _defined():
        if isinstance(value, Aggregate):
            found[f"{service}.{value.name}"] = value.state
        elif isinstance(value, type) and issubclass(value, Intent) and value.wire:
            found[f"{service}.{value.wire}"] = value
    return dict(sorted(found.items()))


def lines() -> dict[str, list[str]]:
    """The names of every saga's lines, by `<service>.line-of-<saga>`. A run at a line that its list does not have is
    left to a newer process: a line that is renamed or taken out strands the runs that stand there."""
    sagas = {(service, value.name): value for service, value in _defined() if isinstance(value, Saga)}
    return {
        f"{service}.line-of-{name}": [line.name for line in (*saga.forward, *saga.backward)]
        for (service, name), saga in sorted(sagas.items())
    }


def _defined() -> Iterator[tuple[str, Any]]:
    """What the modules of services define, and of which service."""
    for path in sorted(SERVICES.glob("*/*.py")):
        if any(one in path.read_text("utf-8") for one in DEFINES):
            module = importlib.import_module(f"services.{path.parent.name}.{path.stem}")
            yield from ((path.parent.name, value) for value in vars(module).values())


def current() -> dict[str, Schema]:
    """The schema of everything stored as the code has it now. Without words for people: they change nothing stored."""
    models: dict[str, Schema] = {name: _bare(model.model_json_schema()) for name, model in kept().items()}
    places: dict[str, Schema] = {name: {"type": "string", "enum": known} for name, known in lines().items()}
    return {name: {"x-kind": "command", **schema} for name, schema in {**models, **places}.items()}


def _bare(schema: Any) -> Any:
    if isinstance(schema, dict):
        words = ("title", "description")
        return {name: _bare(one) for name, one in schema.items() if not (name in words and isinstance(one, str))}
    return [_bare(one) for one in schema] if isinstance(schema, list) else schema


def unreadable(now: Mapping[str, Schema], folder: Path = FOLDER) -> list[str]:
    """What was stored before and could not be read any more, as sentences."""
    before = golden(folder)
    return [
        f"{name}: {_of_stored(why)}"
        for name, schema in now.items()
        if name in before
        for why in breaks(before[name], schema)
    ]


def _of_stored(why: str) -> str:
    said = why.replace("an old writer may still send", "what is stored may have")
    return said.replace("a message without it", "none")


def stale(now: Mapping[str, Schema], folder: Path = FOLDER) -> list[str]:
    """What `make schemas` would change, as sentences; empty when golden files and models agree."""
    before = golden(folder)
    changed = [
        f"{SHOWN}/{name}.json is not how it is stored now: run `make schemas` and commit it"
        for name, schema in now.items()
        if before.get(name) != schema
    ]
    return changed + [
        f"nothing reads {SHOWN}/{name}.json any more: delete it when no database can hold such a thing"
        for name in sorted(before.keys() - now.keys())
    ]


def write(now: Mapping[str, Schema], folder: Path = FOLDER) -> list[str]:
    """Rewrite the golden files, or none where what is stored could not be read: then it says why."""
    refused = unreadable(now, folder)
    if refused:
        return [
            *refused,
            "Not written: databases hold what older versions wrote. Give a new field a default, leave an old one where "
            f"it is, or, when no database has ever held such a thing, delete its file in {SHOWN}.",
        ]
    folder.mkdir(parents=True, exist_ok=True)
    for name, schema in now.items():
        (folder / f"{name}.json").write_text(rendered(schema), "utf-8")
    return []
