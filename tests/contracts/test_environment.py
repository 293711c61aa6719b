"""`deploy/env.example` names every variable that a service reads, with its default, and none that nobody reads."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from pydantic_core import PydanticUndefined

from chassis.settings import HttpSettings
from services.analytics.settings import AnalyticsSettings
from services.gateway.settings import GatewaySettings
from services.inventory.settings import InventorySettings
from services.notify.settings import NotifySettings
from services.order.settings import OrderSettings
from services.payment.settings import PaymentSettings

EXAMPLE = Path(__file__).parents[2] / "deploy" / "env.example"
SETTINGS: tuple[type[HttpSettings], ...] = (
    AnalyticsSettings,
    GatewaySettings,
    InventorySettings,
    NotifySettings,
    OrderSettings,
    PaymentSettings,
)
BY_UVICORN = {"FORWARDED_ALLOW_IPS": "127.0.0.1"}
OWN_DEFAULT_EACH = {"TUIDAN_PROVIDER_URL"}  # payment and notify have another one


def written() -> dict[str, str]:
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def read_by_services() -> dict[str, str]:
    found = dict(BY_UVICORN)
    for settings in SETTINGS:
        for name, field in settings.model_fields.items():
            absent = field.default is PydanticUndefined or field.default is None
            found[f"TUIDAN_{name.upper()}"] = "" if absent else str(field.default)
    return found


def test_every_variable_is_named_and_none_besides() -> None:
    assert set(written()) == set(read_by_services())


def test_the_defaults_are_the_services_own() -> None:
    given, expected = written(), read_by_services()
    assert {name for name in given if given[name] != expected[name]} <= OWN_DEFAULT_EACH


def test_what_may_stay_empty_says_so() -> None:
    """Whoever fills in the file sets what is empty, and no more than that."""
    required = {
        f"TUIDAN_{name.upper()}"
        for settings in SETTINGS
        for name, field in settings.model_fields.items()
        if field.is_required()
    }
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    for before, line in pairwise(lines):
        name, _, value = line.partition("=")
        if not value and not line.startswith("#") and name and name not in required:
            assert before.startswith("#"), name
            assert "empty" in before or "eave it out" in before, name
