"""Every contract of `.importlinter` is seen to fail: a copy of the tree gets one import that it forbids."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = ("contracts", "chassis", "services", "sandbox", "tools")

# contract → file that gets the line, the line
VIOLATIONS = [
    ("services-know-messages-not-each-other", "services/order/handlers.py", "from services.payment import model as _"),
    ("services-know-messages-not-each-other", "services/gateway/api.py", "import services.order.settings"),
    ("downwards", "contracts/order.py", "import chassis.record"),
    ("downwards", "chassis/record.py", "import services.order.model"),
    ("downwards", "services/order/main.py", "import tools.catalogue.roles"),
    ("chassis-knows-no-business", "chassis/record.py", "from contracts.order import PlaceOrder as _"),
    ("sandbox-stands-alone", "sandbox/clock.py", "from contracts.message import Money as _"),
    ("sandbox-stands-alone", "sandbox/clock.py", "import tools.replay"),
    ("nothing-needs-the-sandbox", "services/payment/effects.py", "import sandbox.clock"),
    ("inside-a-service", "services/order/model.py", "import services.order.handlers"),
    ("inside-a-service", "services/payment/handlers.py", "import services.payment.effects"),
    ("inside-a-service", "services/order/helpers.py", "# a file name outside the vocabulary"),
    ("what-decides-touches-nothing", "services/payment/handlers.py", "import httpx"),
    ("what-decides-touches-nothing", "services/order/model.py", "from chassis.clock import now as _"),
    ("what-decides-touches-nothing", "services/order/cancellation.py", "import asyncio"),
    ("what-decides-touches-nothing", "contracts/order.py", "import fastapi"),
    ("what-decides-touches-nothing", "chassis/saga.py", "import structlog"),
    ("one-file-knows-mongodb", "chassis/record.py", "from bson import ObjectId as _"),
    ("one-file-knows-mongodb", "services/analytics/views.py", "import pymongo"),
    ("one-folder-knows-kafka", "services/order/main.py", "from aiokafka import AIOKafkaProducer as _"),
]


def contracts() -> dict[str, str]:
    """Name of every contract, by its identifier."""
    found = configparser.ConfigParser()
    found.read(ROOT / ".importlinter", "utf-8")
    prefix = "importlinter:contract:"
    return {section.removeprefix(prefix): found[section]["name"] for section in found.sections() if prefix in section}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree's Python files alone, and the rules."""
    there = tmp_path_factory.mktemp("tree")
    for package in PACKAGES:
        for source in (ROOT / package).rglob("*.py"):
            target = there / source.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    shutil.copy(ROOT / ".importlinter", there)
    return there


def verdict(tree: Path, contract: str) -> tuple[int, str]:
    """Exit code and words of lint-imports, asked for one contract only.

    `-S` leaves out the editable install: `services` is a namespace, and the project's own folder would be part of it.
    """
    lint = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run(
        [sys.executable, "-S", str(lint), "--no-logo", "--no-cache", "--contract", contract],
        cwd=tree,
        env={"PYTHONPATH": sysconfig.get_path("purelib")},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(("contract", "path", "line"), VIOLATIONS, ids=[f"{c}: {line}" for c, _, line in VIOLATIONS])
def test_a_contract_sees_the_import_it_forbids(copy: Path, contract: str, path: str, line: str) -> None:
    target = copy / path
    before = target.read_text("utf-8") if target.exists() else None
    target.write_text(f"{before or ''}\n{line}\n", "utf-8")
    try:
        code, words = verdict(copy, contract)
    finally:
        if before is None:
            target.unlink()
        else:
            target.write_text(before, "utf-8")
    assert code == 1, words
    assert f"{contracts()[contract]} BROKEN" in " ".join(words.split()), words


@pytest.mark.parametrize("contract", sorted(contracts()))
def test_a_contract_holds_without_the_import(copy: Path, contract: str) -> None:
    code, words = verdict(copy, contract)
    assert code == 0, words


def test_every_contract_is_seen_to_fail() -> None:
    assert {contract for contract, _, _ in VIOLATIONS} == set(contracts())
