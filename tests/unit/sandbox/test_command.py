"""`python -m sandbox serve` as a process of its own, and the ten lines of the README against it."""

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from sandbox.__main__ import main

ROOT = Path(__file__).parents[3]
LISTENING = re.compile(r"listening on (http://127\.0\.0\.1:\d+), keys in (.+)")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


@contextmanager
def running(*more: str) -> Iterator[tuple[str, str]]:
    """Address and keys folder, as the process says them."""
    command = [sys.executable, "-m", "sandbox", "serve", "--port", str(free_port()), *more]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = LISTENING.fullmatch(process.stdout.readline().strip())
        assert said is not None
        transport = httpx.HTTPTransport(retries=8)
        with httpx.Client(transport=transport) as client:
            assert client.get(f"{said[1]}/live").status_code == 200
        yield said[1], said[2]
        process.terminate()


def test_it_says_where_it_listens_and_loads_a_script(
    tmp_path: Path, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    script = tmp_path / "faults.yaml"
    script.write_text("seed: 7\nrules: [{call: close, fault: 429}]\n", encoding="utf-8")
    with running("--keys", str(keys), "--faults", str(script), "--speed", "60") as (address, folder):
        assert Path(folder) == keys.resolve()
        shown = httpx.get(f"{address}/_control/faults").json()
        assert (shown["seed"], [rule["call"] for rule in shown["rules"]]) == (7, ["close"])
        assert httpx.get(f"{address}/_control/clock").json()["speed"] == 60


def test_a_wrong_script_stops_it(tmp_path: Path) -> None:
    script = tmp_path / "faults.yaml"
    script.write_text("rules:\n  - {call: refund, fault: closedd}\n", encoding="utf-8")
    command = [sys.executable, "-m", "sandbox", "serve", "--keys", str(tmp_path / "keys"), "--faults", str(script)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 1
    assert "faults.yaml: line 2, rules.0.fault: no such fault `closedd`" in ended.stderr
    assert not (tmp_path / "keys").exists()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("file",), "File exists"),
        (("file/keys",), "Not a directory"),
        (("made", "--merchant", "a shop"), "a merchant is named with letters, digits, - and _ only: 'a shop'"),
        (("broken",), "PEM"),
    ],
)
def test_why_keys_cannot_be_made_is_said(
    words: tuple[str, ...], why: str, tmp_path: Path, keys: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("not a folder", encoding="utf-8")
    (tmp_path / "made").symlink_to(keys)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "merchant-private.pem").write_text("not a key", encoding="utf-8")
    with pytest.raises(SystemExit) as left:
        main(["keys", str(tmp_path / words[0]), *words[1:]])
    assert left.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(f"the keys in {tmp_path / words[0]} cannot be made: ")
    assert why in said


def test_the_ten_lines_of_the_readme(tmp_path: Path, keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    text = (ROOT / "sandbox" / "README.md").read_text(encoding="utf-8")
    example = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert example is not None
    with running("--keys", str(keys)) as (address, _):
        lines = example[1].replace("http://127.0.0.1:9700", address)
        curl = re.search(r"-d '(\{.*?\})'", lines)
        assert curl is not None
        before, after = lines[: curl.start()].rpartition("\n")[0], lines[curl.end() :]
        (tmp_path / "keys").symlink_to(keys)
        pay = f"import httpx\nhttpx.post('{address}/_customer/pay', json={curl[1]}).raise_for_status()\n"
        (tmp_path / "whole.py").write_text(f"{before}\n{pay}\n{after}", encoding="utf-8")
        command = [sys.executable, str(tmp_path / "whole.py")]
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
        assert ended.returncode == 0, ended.stderr
        paid, refunded = ended.stdout.strip().splitlines()
        assert paid.startswith("(200,")
        assert refunded.startswith("(200,")
        assert httpx.get(f"{address}/_ledger/summary").json()["refunded"] == {"count": 1, "amount_minor": 40}
