"""Each service gets the key files that it reads, and no others."""

from __future__ import annotations

import ast
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from chassis.personal import add_key
from services.payment.keyfolder import read_merchant
from services.payment.merchants import expect_keys, folders
from tools.cli import app
from tools.handing_out import READ_BY, hand_out

SERVICES = Path(__file__).resolve().parents[3] / "services"
_KEY_FILE = re.compile(r"[a-z0-9-]+\.(txt|pem)|(sms-)?templates\.json")


def named_in_code(service: str) -> set[str]:
    """Every name of a key file in the service's code."""
    found = set()
    for path in (SERVICES / service).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and _KEY_FILE.fullmatch(node.value):
                found.add(node.value)
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything, as the demo makes it, with a second merchant."""
    made = tmp_path_factory.mktemp("all")
    done = CliRunner().invoke(app, ["keys", "hand-out", "--stand-in", str(made), str(made.parent / "first")])
    assert done.exit_code == 0, done.output
    (made / "merchants" / "tea-house").mkdir(parents=True)
    for name in ("mchid.txt", "appid.txt", "apiv3-key.txt", "merchant-serial.txt", "merchant-private.pem"):
        (made / "merchants" / "tea-house" / name).write_bytes((made / name).read_bytes())
    return made


@pytest.mark.parametrize("service", sorted(path.name for path in SERVICES.iterdir() if (path / "main.py").exists()))
def test_the_list_names_each_file_that_the_code_names(service: str) -> None:
    assert named_in_code(service) <= set(READ_BY.get(service, ()))


def test_a_service_gets_what_it_reads_and_no_others(folder: Path, tmp_path: Path) -> None:
    for service in READ_BY:
        assert hand_out(service, folder, tmp_path / service) > 0
    assert {path.name for path in (tmp_path / "order").iterdir()} == {"personal-1.key", "personal-search.key"}
    assert {path.name for path in (tmp_path / "gateway").iterdir()} == set(READ_BY["gateway"]) - {"sub-appid.txt"}
    assert not list((tmp_path / "payment").rglob("personal*"))
    assert not list((tmp_path / "notify").rglob("merchant*"))
    assert read_merchant(tmp_path / "payment").mchid == read_merchant(folder).mchid
    assert (tmp_path / "payment" / "merchants" / "tea-house" / "mchid.txt").exists()
    assert {path.stat().st_mode & 0o777 for path in tmp_path.rglob("*") if path.is_file()} == {0o600}


def test_handing_out_again_brings_what_is_new_and_takes_what_is_gone(folder: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    for name in ("appid.txt", "gateway-secret.txt"):
        (mine / name).write_bytes((folder / name).read_bytes())
    out = tmp_path / "out"
    assert hand_out("gateway", mine, out) == 2
    (mine / "appid.txt").write_text("wx-new")
    (mine / "gateway-secret.txt").unlink()
    assert hand_out("gateway", mine, out) == 1
    assert [(path.name, path.read_text()) for path in out.iterdir()] == [("appid.txt", "wx-new")]


def test_a_shop_that_is_gone_leaves_no_empty_folder(folder: Path, tmp_path: Path) -> None:
    """To payment that would be a shop whose keys are missing: it would not start, for no shop."""
    mine, out = tmp_path / "mine", tmp_path / "out"
    shutil.copytree(folder, mine)
    hand_out("payment", mine, out)
    assert set(folders(out)) == {"", "tea-house"}
    shutil.rmtree(mine / "merchants" / "tea-house")
    hand_out("payment", mine, out)
    assert set(folders(out)) == {""}
    expect_keys(out)


def test_a_folder_without_any_key_takes_nothing_from_services_that_run(folder: Path, tmp_path: Path) -> None:
    """A volume that is not mounted looks like that."""
    for service in READ_BY:
        hand_out(service, folder, tmp_path / "out" / service)
    before = sorted(path for path in (tmp_path / "out").rglob("*") if path.is_file())
    (tmp_path / "unmounted").mkdir()
    done = CliRunner().invoke(app, ["keys", "hand-out", str(tmp_path / "unmounted"), str(tmp_path / "out")])
    assert (done.exit_code, "holds no key file" in done.output) == (2, True)
    assert sorted(path for path in (tmp_path / "out").rglob("*") if path.is_file()) == before


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["keys", "hand-out", str(tmp_path / "nothing"), str(tmp_path / "out")])
    assert (done.exit_code, "nothing is no folder" in done.output) == (2, True)


def out_of(folder: Path, out: Path) -> dict[str, bytes]:
    """Hands out what is in `folder`; what the order service has then."""
    for service in READ_BY:
        hand_out(service, folder, out / service)
    return {path.name: path.read_bytes() for path in (out / "order").iterdir()}


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (
            lambda mine, out: (out / "order" / "personal-2.key").write_text("put into the mounts first"),
            "personal-2.key",
        ),
        (lambda mine, out: (mine / "personal-1.key").write_text("of another folder"), "personal-1.key"),
        (lambda mine, out: (mine / "personal-search.key").unlink(), "personal-search.key"),
        (lambda mine, out: (mine / "gateway-secret.txt").write_text("a" * 64), "gateway-secret.txt"),
        (lambda mine, out: (mine / "gateway-secret.txt").unlink(), "gateway-secret.txt"),
    ],
    ids=["newer", "another", "gone", "another of the gateway", "the gateway's gone"],
)
def test_the_last_copy_of_a_key_that_people_are_sealed_with_is_never_taken(
    folder: Path, tmp_path: Path, spoil: Callable[[Path, Path], object], named: str
) -> None:
    mine, out = tmp_path / "mine", tmp_path / "out"
    shutil.copytree(folder, mine)
    out_of(mine, out)
    spoil(mine, out)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    done = CliRunner().invoke(app, ["keys", "hand-out", str(mine), str(out)])
    assert (done.exit_code, named in done.output, "Nothing was changed" in done.output) == (2, True, True)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("stand_in", [[], ["--stand-in"]])
def test_a_folder_that_holds_other_things_is_left_as_it_is(folder: Path, tmp_path: Path, stand_in: list[str]) -> None:
    """`services` was typed in place of `secrets`."""
    code = tmp_path / "services" / "order" / "inner" / "model.py"
    code.parent.mkdir(parents=True)
    code.write_text("all of it")
    done = CliRunner().invoke(app, ["keys", "hand-out", *stand_in, str(folder), str(tmp_path / "services")])
    assert (done.exit_code, str(code) in done.output, "Nothing was changed" in done.output) == (2, True, True)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [code]


@pytest.mark.parametrize("inside", [".", "all"])
def test_the_folder_with_every_key_is_not_one_of_those_that_are_filled(
    folder: Path, tmp_path: Path, inside: str
) -> None:
    everything = tmp_path / "keys" / "payment" / inside
    shutil.copytree(folder, everything)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    done = CliRunner().invoke(app, ["keys", "hand-out", str(everything), str(tmp_path / "keys")])
    assert (done.exit_code, "Nothing was changed" in done.output) == (2, True), done.output
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_what_was_cut_off_while_it_was_written_goes(folder: Path, tmp_path: Path) -> None:
    out_of(folder, tmp_path)
    half = tmp_path / "gateway" / ".appid.txt.0a1b2c3d"
    half.touch()
    done = CliRunner().invoke(app, ["keys", "hand-out", str(folder), str(tmp_path)])
    assert (done.exit_code, half.exists()) == (0, False), done.output


def test_the_stand_in_makes_no_key_beside_one_that_is_in_use(folder: Path, tmp_path: Path) -> None:
    """The folder with everything was lost, the services' own were not."""
    mine, out = tmp_path / "mine", tmp_path / "out"
    before = out_of(folder, out)
    done = CliRunner().invoke(app, ["keys", "hand-out", "--stand-in", str(mine), str(out)])
    assert (done.exit_code, mine.exists()) == (2, False)
    assert {path.name: path.read_bytes() for path in (out / "order").iterdir()} == before


def test_a_key_that_a_newer_one_has_replaced_goes(folder: Path, tmp_path: Path) -> None:
    mine, out = tmp_path / "mine", tmp_path / "out"
    shutil.copytree(folder, mine)
    out_of(mine, out)
    add_key(mine)
    (mine / "personal-1.key").unlink()
    done = CliRunner().invoke(app, ["keys", "hand-out", str(mine), str(out)])
    assert done.exit_code == 0, done.output
    assert {path.name for path in (out / "notify").glob("personal*")} == {"personal-2.key", "personal-search.key"}
