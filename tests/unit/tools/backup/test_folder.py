"""A backup's folder is believed only when every byte of it is as it was written."""

from __future__ import annotations

import errno
import gzip
import os
import stat
from pathlib import Path

import pytest
from bson import encode
from typer.testing import CliRunner

from services.payment import restored
from tests.unit.tools.backup.made import AT, CASE, PAID, books, made, order, payment, quiet, reservation
from tools.backup import putting
from tools.backup.crosscheck import compare
from tools.backup.folder import MANIFEST, BackupDamaged, Part, check_files, documents, read_manifest
from tools.cli import app

PAYMENTS = Path("tuidan_payment/payments.bson.gz")


def checked(folder: Path) -> str:
    """What is wrong with the folder."""
    with pytest.raises(BackupDamaged) as damaged:
        check_files(folder, quiet)
    return str(damaged.value)


def test_a_whole_folder_is_what_was_written(tmp_path: Path) -> None:
    manifest = made(tmp_path)
    assert check_files(tmp_path, quiet) == manifest
    part = manifest.part("tuidan_payment", "payments")
    assert part is not None
    assert list(documents(tmp_path, part)) == [encode(payment())]
    assert compare(tmp_path, manifest).differences == []


def test_what_was_said_to_be_there_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its name, in every folder on the way."""
    safe: set[int] = set()
    sync = os.fsync

    def synced(descriptor: int) -> None:
        safe.add(os.fstat(descriptor).st_ino)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", synced)
    made(tmp_path / "backup")
    assert {path.stat().st_ino for path in (tmp_path, tmp_path / "backup", *(tmp_path / "backup").rglob("*"))} <= safe


def test_a_folder_of_a_network_that_knows_no_sync_is_good_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = os.fsync

    def files_only(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", files_only)
    made(tmp_path / "backup")
    assert check_files(tmp_path / "backup", lambda _: None).is_whole()


def test_a_changed_byte_is_seen(tmp_path: Path) -> None:
    made(tmp_path)
    raw = bytearray((tmp_path / PAYMENTS).read_bytes())
    raw[len(raw) // 2] ^= 1
    (tmp_path / PAYMENTS).write_bytes(raw)
    assert "tuidan_payment/payments" in checked(tmp_path)
    assert "SHA-256" in checked(tmp_path)


def test_a_missing_file_is_seen(tmp_path: Path) -> None:
    made(tmp_path)
    (tmp_path / PAYMENTS).unlink()
    assert checked(tmp_path) == "tuidan_payment/payments: its file is missing"


def _with(folder: Path, **changed: object) -> None:
    """The manifest says something else about the payments, and is sealed again."""
    from tools.backup.folder import write_manifest

    manifest = read_manifest(folder)
    parts = tuple(
        Part.model_validate(one.model_dump() | changed) if one.collection == "payments" else one
        for one in manifest.parts
    )
    write_manifest(folder, manifest.model_copy(update={"parts": parts}))


def test_a_wrong_count_is_seen(tmp_path: Path) -> None:
    made(tmp_path)
    _with(tmp_path, documents=2)
    assert checked(tmp_path) == "tuidan_payment/payments: 1 documents, the manifest says 2"


def test_another_content_of_the_same_count_is_seen(tmp_path: Path) -> None:
    made(tmp_path)
    _with(tmp_path, content="0" * 64)
    assert "the manifest says 1" in checked(tmp_path)


@pytest.mark.parametrize("left", [3, 40])
def test_a_file_that_ends_inside_a_document_is_seen(tmp_path: Path, left: int) -> None:
    """Even when its checksum is right: then it was written so."""
    import hashlib

    made(tmp_path)
    cut = gzip.compress(encode(payment())[:left])
    (tmp_path / PAYMENTS).write_bytes(cut)
    _with(tmp_path, sha256=hashlib.sha256(cut).hexdigest())
    assert "cut off" in checked(tmp_path)


def test_a_changed_manifest_is_seen(tmp_path: Path) -> None:
    made(tmp_path)
    path = tmp_path / MANIFEST
    path.write_text(path.read_text().replace('"snapshot": true', '"snapshot": false'))
    assert "is not as it was written" in checked(tmp_path)


def test_a_manifest_that_ends_early_is_seen(tmp_path: Path) -> None:
    made(tmp_path)
    path = tmp_path / MANIFEST
    path.write_text(path.read_text()[:-40])
    assert "cannot be read" in checked(tmp_path)


def test_a_folder_without_manifest_is_no_backup(tmp_path: Path) -> None:
    made(tmp_path)
    (tmp_path / MANIFEST).unlink()
    assert "never finished" in checked(tmp_path)


def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    made(tmp_path)
    good = CliRunner().invoke(app, ["backup", "check", str(tmp_path)])
    assert (good.exit_code, "agree with each other" in good.output) == (0, True)
    (tmp_path / PAYMENTS).unlink()
    bad = CliRunner().invoke(app, ["backup", "check", str(tmp_path)])
    assert (bad.exit_code, "its file is missing" in bad.output) == (1, True)
    assert CliRunner().invoke(app, ["backup", "check"]).exit_code == 2


FOUND = {"case_id": "found/2000", "amount": PAID, "status": "settled"}
FOREIGN = {"case_id": "order-1-c2", "amount": PAID, "status": "settled"}
CHEAP = {"amount_minor": 1, "currency": "CNY"}
REFUND = payment()["state"]["refunds"][0]
HELD, RELEASED = ({"order-1-c1": {"status": status}} for status in ("held", "released"))
WRONG = {
    "no payment": (books(payments=[]), 2),
    "another receipt": (books(payments=[payment(receipt={"amount": CHEAP})]), 1),
    "no refund": (books(payments=[payment(refunds=[])]), 1),
    "another amount": (books(payments=[payment(refunds=[{**FOREIGN, "case_id": "order-1-c1", "amount": CHEAP}])]), 1),
    "a refund without a case": (books(payments=[payment(refunds=[*payment()["state"]["refunds"], FOREIGN])]), 1),
    "completed before its money arrived": (books(payments=[payment(refunds=[{**REFUND, "status": "accepted"}])]), 1),
    "completed before its stock was released": (books(reservations=[reservation(cases=HELD)]), 1),
    "no stock held": (books(reservations=[reservation(cases={})]), 1),
    "stock held for nobody": (books(reservations=[reservation(cases={**RELEASED, "order-1-c9": {}})]), 1),
    "no order": (books(orders=[]), 2),
    "orders before and behind": (books(payments=[payment("a"), payment(), payment("z")]), 2),
}


@pytest.mark.parametrize("what", WRONG)
def test_services_that_do_not_agree_are_seen(tmp_path: Path, what: str) -> None:
    kept, count = WRONG[what]
    agreement = compare(tmp_path, made(tmp_path, kept))
    assert agreement.found == count, agreement.differences


def test_what_is_under_way_is_no_difference(tmp_path: Path) -> None:
    """Said and not yet heard; found and not yet a case; an exchange's goods."""
    waiting = order(
        paid=None, cases=[{**CASE, "status": "open", "refund": None}], exchanges=[{"exchange_id": "order-1-x1"}]
    )
    kept = books(
        orders=[waiting],
        payments=[payment(refunds=[*payment()["state"]["refunds"], FOUND])],
        reservations=[reservation(cases={"order-1-c1": {}, "order-1-x1": {}})],
    )
    assert compare(tmp_path, made(tmp_path, kept)).differences == []


def test_a_case_that_goes_on_may_have_come_as_far_as_it_has(tmp_path: Path) -> None:
    """Its refund is on its way, its stock still held; or it is over, and its goods were taken again."""
    for cases, status, holds in (
        ([{**CASE, "status": "open"}], "accepted", HELD),
        ([CASE], "settled", {"order-1-c1": {"status": "taken-again"}}),
    ):
        refund = {**REFUND, "status": status}
        kept = books([order(cases=cases)], [payment(refunds=[refund])], [reservation(cases=holds)])
        folder = tmp_path / status
        assert compare(folder, made(folder, kept)).differences == []


def test_the_payment_service_reads_what_a_restore_writes(tmp_path: Path) -> None:
    written = putting.restored(tmp_path, made(tmp_path))
    assert putting.RESTORED == restored.NAME == written["_id"]
    assert written["taken_at"] == AT
    assert set(written) == {"_id", "taken_at", "restored_at", "cleared", "over"}
