"""The trial's parts without a cluster, and the Secrets that services read."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from rich.console import Console
from typer.testing import CliRunner

from tests.support.waiting import until
from tools.cli import app
from tools.handing_out import READ_BY
from tools.kubernetes import forwarding, trial
from tools.kubernetes.cluster import Cluster, ClusterFailed, pod, why_no_cluster
from tools.kubernetes.forwarding import Forward
from tools.kubernetes.inside import DOORS, to
from tools.kubernetes.knocking import Knocked, gaps
from tools.kubernetes.preparing import Images
from tools.kubernetes.secrets import NotASecret, secrets
from tools.kubernetes.trouble import SERVERS, SERVICES, blows
from tools.replay.knock import Pace

MADE = "2026-11-28T12:00:00Z"
STARTED = "2026-11-28T12:00:02Z"
READY = "2026-11-28T12:00:06Z"


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program called kubectl, to be written by the test; there is no other."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    return tmp_path / "kubectl"


def says(kubectl: Path, script: str) -> None:
    kubectl.write_text(f"#!/bin/sh\n{script}\n")
    kubectl.chmod(0o755)


# ── Secrets ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_each_folder_is_a_secret_of_its_own(tmp_path: Path) -> None:
    put = [
        "order/personal-1.key",
        "payment/mchid.txt",
        "payment/wechatpay-keys/a.pem",
        "payment/merchants/south/mchid.txt",
    ]
    put += ["payment/merchants/south/wechatpay-keys/b.pem", "payment/.half", "elsewhere/x"]
    for name in put:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode() + b"\x00\xff")
    found = {one["metadata"]["name"]: one["data"] for one in secrets(tmp_path)}
    assert {name: sorted(data) for name, data in found.items()} == {
        "keys-order": ["personal-1.key"],
        "keys-payment": ["mchid.txt"],
        "keys-payment-wechatpay": ["a.pem"],
        "keys-payment-south": ["mchid.txt"],
        "keys-payment-south-wechatpay": ["b.pem"],
    }
    assert base64.b64decode(found["keys-payment-wechatpay"]["a.pem"]) == b"payment/wechatpay-keys/a.pem\x00\xff"


@pytest.mark.parametrize("shop", ["", "merchants/south/"], ids=["house", "shop"])
@pytest.mark.parametrize("left", [True, False], ids=["empty", "gone"])
def test_a_key_of_wechat_pay_that_was_withdrawn_goes_from_the_cluster(tmp_path: Path, shop: str, left: bool) -> None:
    """A Secret that is not printed stays as it was, and what is signed with the old key would go on being believed."""
    account = tmp_path / "payment" / shop
    (account / "wechatpay-keys").mkdir(parents=True)
    (account / "mchid.txt").write_text("1900000109")
    withdrawn = account / "wechatpay-keys" / "PUB_KEY_ID_1.pem"
    withdrawn.write_text("old")
    name = "keys-payment-south-wechatpay" if shop else "keys-payment-wechatpay"
    assert {one["metadata"]["name"]: one["data"] for one in secrets(tmp_path)}[name]
    withdrawn.unlink()
    if not left:
        withdrawn.parent.rmdir()
    assert {one["metadata"]["name"]: one["data"] for one in secrets(tmp_path)}[name] == {}


def test_a_folder_that_is_not_mounted_takes_nothing_from_the_cluster(tmp_path: Path) -> None:
    (tmp_path / "payment").mkdir()
    assert list(secrets(tmp_path)) == []


def test_what_cannot_be_a_secret_is_named(tmp_path: Path) -> None:
    shop = tmp_path / "payment" / "merchants" / "South_1"
    shop.mkdir(parents=True)
    with pytest.raises(NotASecret, match="South_1: a Secret cannot be named keys-payment-South_1"):
        list(secrets(tmp_path))
    shop.rmdir()
    (tmp_path / "payment" / "mchid.txt").write_bytes(b"x" * 1_000_001)
    with pytest.raises(NotASecret, match="more than 1,000,000 bytes"):
        list(secrets(tmp_path))


def test_what_hand_out_made_is_printed_as_secrets(tmp_path: Path) -> None:
    (tmp_path / "all").mkdir()
    done = CliRunner().invoke(app, ["keys", "hand-out", "--stand-in", str(tmp_path / "all"), str(tmp_path / "out")])
    assert done.exit_code == 0
    done = CliRunner().invoke(app, ["keys", "secrets", str(tmp_path / "out")])
    assert done.exit_code == 0
    assert {one["metadata"]["name"] for one in yaml.safe_load_all(done.stdout)} == {
        *(f"keys-{name}" for name in READ_BY),
        "keys-payment-wechatpay",
    }
    done = CliRunner().invoke(app, ["keys", "secrets", str(tmp_path / "all")])
    assert done.exit_code == 2
    assert "has no folder of a service; make them with: tuidan keys hand-out" in done.output


# ── the trial ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_without_a_cluster_one_is_told(kubectl: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as world:
        world.setenv("PATH", str(tmp_path))
        assert "kubectl cannot be called" in (why_no_cluster() or "")
    says(kubectl, 'echo "connection refused" >&2; exit 1')
    assert why_no_cluster() == "no cluster answers (KUBECONFIG names one): connection refused"
    done = CliRunner().invoke(app, ["drill", "kubernetes"])
    assert done.exit_code == 2
    assert "The trial was not run: no cluster answers" in done.output
    says(kubectl, "exit 0")
    assert why_no_cluster() is None


def test_a_command_that_fails_is_shown_with_the_end_of_what_it_said(kubectl: Path) -> None:
    says(kubectl, "seq 30 >&2; exit 17")
    with pytest.raises(ClusterFailed) as failed:
        Cluster("trial")("get", "pods")
    lines = str(failed.value).splitlines()
    assert lines[0] == "`kubectl --namespace trial get pods` ended with 17:"
    assert lines[1:] == [str(number) for number in range(16, 31)]
    says(kubectl, "exec sleep 60")
    with pytest.raises(ClusterFailed, match="took longer than 0 s"):
        Cluster("trial")("get", "pods", seconds=0.1)


def test_an_api_server_that_is_slow_for_a_moment_is_asked_again(kubectl: Path, tmp_path: Path) -> None:
    says(kubectl, f"[ -e {tmp_path}/once ] && echo yes || {{ touch {tmp_path}/once; exit 1; }}")
    cluster = Cluster("trial")
    assert cluster.wait_for(lambda: cluster("get") == "yes\n", "it answers", 30) >= 0
    with pytest.raises(ClusterFailed, match="order is ready: not within 0 s"):
        cluster.wait_for(lambda: False, "order is ready", 0)


async def test_a_namespace_that_was_there_before_is_left_alone(
    kubectl: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody may work in it."""
    says(kubectl, f'echo "$*" >> {tmp_path}/asked; case "$*" in *"get namespace "*) echo namespace/it;; esac')
    monkeypatch.setattr(trial, "built", lambda **_: Images("try-1", {}))
    monkeypatch.setattr(trial, "forget", lambda images: None)
    with pytest.raises(ClusterFailed, match="there is a namespace tuidan-demo already"):
        await trial.attempt(trial.Wanted(1, 1, 7), Console(quiet=True), Pace())
    asked = (tmp_path / "asked").read_text()
    assert "get namespace tuidan-demo" in asked
    assert "delete" not in asked
    assert "apply" not in asked


def test_a_pod_is_read_as_the_cluster_shows_it(kubectl: Path) -> None:
    shown = {
        "metadata": {
            "uid": "u",
            "name": "order-1",
            "labels": {"app.kubernetes.io/name": "order"},
            "creationTimestamp": MADE,
        },
        "status": {
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": READY}],
            "containerStatuses": [{"restartCount": 0, "state": {"running": {"startedAt": STARTED}}}],
        },
    }
    ready = pod(shown)
    assert (ready.app, ready.ready, ready.leaving, ready.start_to_ready) == ("order", True, False, 4.0)
    again = pod({**shown, "status": {**shown["status"], "containerStatuses": [{"restartCount": 1, "state": {}}]}})  # type: ignore[dict-item]
    assert (again.restarts, again.start_to_ready) == (1, None)
    leaving = {**shown, "metadata": {**shown["metadata"], "deletionTimestamp": READY}}  # type: ignore[dict-item]
    new = pod({"metadata": shown["metadata"], "status": {}})
    assert (new.ready, new.ready_at) == (False, None)
    says(kubectl, f"cat <<'END'\n{json.dumps({'items': [shown, leaving]})}\nEND")
    assert [one.leaving for one in Cluster("trial").pods()] == [False, True]
    assert [one.leaving for one in Cluster("trial").standing("order")] == [False]


def test_every_service_is_killed_and_told_to_go_in_an_order_of_the_seed() -> None:
    planned = list(blows(7))
    assert planned == list(blows(7))
    assert planned != list(blows(8))
    assert sorted(planned) == sorted(
        [*((name, how) for name in SERVICES for how in ("killed", "deleted")), *((name, "killed") for name in SERVERS)]
    )


def test_the_longest_gap_is_between_good_answers_and_reaches_to_both_ends() -> None:
    knocks = [
        Knocked(0, 1, "ok"),
        Knocked(2, 3, "503"),
        Knocked(4, 5.5, "ok"),
        Knocked(6, 6.1, "URLError"),
        Knocked(20, 21, "ok"),
    ]
    found = gaps(knocks, 0, 10)
    assert (found.asked, found.wrong, found.longest, found.slowest) == (4, {"503": 1, "URLError": 1}, 4.5, 1.5)
    assert gaps(knocks, 0, 10.5).longest == 5.0
    assert gaps(knocks[1:2], 0, 10).longest == 10
    assert gaps([], 0, 10).asked == 0


async def test_the_way_into_the_cluster_is_laid_again_when_it_ends(kubectl: Path, tmp_path: Path) -> None:
    says(kubectl, f'echo "$@" >> {tmp_path}/calls; exec sleep 60')

    def calls() -> list[str]:
        return (tmp_path / "calls").read_text("utf-8").splitlines() if (tmp_path / "calls").exists() else []

    with Forward(Cluster("trial"), "knocker", {"gateway": 18088, "order": 18188}) as forward:
        await until(lambda: len(calls()) == 1, "it was laid")
        ports = {name: address.rpartition(":")[2] for name, address in forward.addresses.items()}
        pairs = f"{ports['gateway']}:{DOORS['gateway']} {ports['order']}:{DOORS['order']}"
        assert calls()[0] == f"--namespace trial port-forward --address 127.0.0.1 pod/knocker {pairs}"
        forward.break_off()
        await until(lambda: len(calls()) == 2, "it was laid again")


async def test_a_way_that_is_broken_off_while_it_is_being_laid_is_laid_again(
    kubectl: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program may be running, and seen to be, before whoever has started it knows of it."""
    says(kubectl, "exec sleep 60")
    forward = Forward(Cluster("trial"), "knocker", {"gateway": 18088})
    laid: list[subprocess.Popen[bytes]] = []

    def lay(*words: Any, **more: Any) -> subprocess.Popen[bytes]:
        laid.append(subprocess.Popen(*words, **more))
        if len(laid) == 1:
            forward.break_off()
        return laid[-1]

    monkeypatch.setattr(forwarding, "subprocess", SimpleNamespace(Popen=lay, DEVNULL=subprocess.DEVNULL))
    with forward:
        await until(lambda: len(laid) == 2, "it was laid again")
        assert laid[0].poll() is not None


async def test_inside_a_connection_is_handed_on_and_closed_when_nobody_is_there() -> None:
    async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.readline()).upper())
        writer.close()

    async with await asyncio.start_server(shout, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        relay = await asyncio.start_server(to("127.0.0.1", port), "127.0.0.1", 0)
        near = relay.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", near)
        writer.write(b"a case\n")
        assert await reader.read() == b"A CASE\n"
        writer.close()
    async with relay:
        reader, writer = await asyncio.open_connection("127.0.0.1", near)
        assert await reader.read() == b"", "nobody is there any more"
        writer.close()
