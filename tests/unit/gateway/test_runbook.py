"""What docs/operating.md says of the gateway is true: how one gets a token into a file, and who may do what."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from services.gateway.auth import PROVIDER, right_for
from services.gateway.roles import EVERYBODY
from services.gateway.signing_in import ROUTE, StaffSignIn

RUNBOOK = (Path(__file__).parents[3] / "docs" / "operating.md").read_text("utf-8")
ANSWER = {"access_token": "eyJhbGciOi.J9-_x.y", "token_type": "Bearer", "refresh_token": "r.1", "role": "finance"}


@pytest.fixture
def desk() -> Iterator[HTTPServer]:
    """A gateway that lets in whoever knows the password."""

    class Desk(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            wanted = StaffSignIn.model_validate_json(self.rfile.read(int(self.headers["Content-Length"])))
            knows = (self.path, wanted.staff_id, wanted.code) == (ROUTE, "li.na", "123456")
            said = ANSWER if knows and wanted.password == 'a"b c$d' else {"code": "sign-in-refused"}
            body = json.dumps(said, separators=(",", ":")).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nobody reads it."""

    server = HTTPServer(("127.0.0.1", 0), Desk)
    Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(("typed", "kept"), [(r"a\"b c$d", ANSWER["access_token"]), ("wrong", "")])
def test_the_block_puts_ones_token_into_a_file(desk: HTTPServer, tmp_path: Path, typed: str, kept: str) -> None:
    (block,) = re.findall(r"^## Your token\n.*?^```sh\n(.*?)^```\n", RUNBOOK, re.MULTILINE | re.DOTALL)
    pasted = block.replace("https://SHOP", f"http://127.0.0.1:{desk.server_port}")
    done = subprocess.run(
        ["bash", "-c", pasted],
        cwd=tmp_path,
        input=f"li.na\n{typed}\n123456\n",
        text=True,
        capture_output=True,
        check=True,
    )
    token = tmp_path / "token"
    assert (token.read_text("utf-8").strip(), token.stat().st_mode & 0o777) == (kept, 0o600)
    assert 'a"b' not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("said", "method", "path"),
    [
        (r"all figures\. ([^.]*) may\.", "POST", "/admin/v1/orders/{order_id}/deletion"),
        (
            r"`POST /admin/v1/tasks/TASK/resolution` with [^(]*\(([^)]*)\)",
            "POST",
            "/admin/v1/tasks/{task_id}/resolution",
        ),
        (r"your token\]\(#your-token\) \(([^)]*) for `retry`\)", "POST", "/admin/v1/tasks/resolutions"),
        (r"your token\]\(#your-token\) \(([^)`]*)\)\. The same", "POST", "/admin/v1/reconciliations/{day}"),
    ],
)
def test_who_may_is_who_may(said: str, method: str, path: str) -> None:
    found = re.search(said, RUNBOOK.replace("\n", " "))
    assert found is not None
    named = {role for role in EVERYBODY if role in found[1].lower()}
    assert named == right_for(method, path).roles


def test_what_is_entered_at_providers_is_a_door_of_the_gateway() -> None:
    entered = re.findall(r"`CALLBACK(/[a-z/]+)`", RUNBOOK)
    assert len(entered) == 2
    assert {right_for("POST", path).may for path in entered} == {PROVIDER}


@pytest.mark.parametrize("where", ["With Docker", "With Kubernetes"])
def test_whoever_puts_a_proxy_before_the_gateway_is_told_to_have_it_believed(where: str) -> None:
    """Else all callers have its address, and a stranger's wrong passwords lock out the whole staff."""
    (section,) = re.findall(rf"^## {where}\n(.*?)^## ", RUNBOOK, re.MULTILINE | re.DOTALL)
    assert "`FORWARDED_ALLOW_IPS`" in section
