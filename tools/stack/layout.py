"""What the embedded stack of Tuidan consists of: which processes, on which ports, with which environment."""

import os
import sys

from tools.stack.binaries import find_mongod, find_redis
from tools.stack.home import Home
from tools.stack.plan import Plan, Program
from tools.stack.ports import LOOPBACK

SERVICES = ("order", "payment", "inventory", "notify", "analytics", "gateway")
INFRASTRUCTURE = ("mongo", "redis", "broker", "sandbox")
NAMES = (*INFRASTRUCTURE, *SERVICES)

USUAL_PORTS = {
    "mongo": 27117,
    "redis": 26379,
    "sandbox": 9700,
    "gateway": 8080,
    "order": 8101,
    "payment": 8102,
    "inventory": 8103,
    "notify": 8104,
    "analytics": 8105,
}

_DEFAULTS = {
    # A laptop restarts and kills things while one looks on: what was left undone should be seen moving within seconds.
    "TUIDAN_SWEEP_AFTER_SECONDS": "5",
    # This broker answers a fetch that finds nothing only after its whole waiting time (docs/decisions/0012).
    "TUIDAN_KAFKA_FETCH_WAIT_MS": "2",
    # One member per group here, and it is often killed: its successor need not wait long.
    "TUIDAN_KAFKA_SESSION_MS": "3000",
    # Whether a short message went out whose answer was lost: a customer in a demo does not wait a minute for that.
    "TUIDAN_LOOK_SECONDS": "2",
    # A demo cancels parts of one order within seconds; the stand-in is told not to mind (`_sandbox`).
    "TUIDAN_REFUND_SPACING_SECONDS": "0",
}
"""Settings the stack prefers, but which the user's own environment may change."""


def tuidan_plan(home: Home) -> Plan:
    """Describe the whole stack, to live in `home`."""
    return Plan((*_infrastructure(home), *(_service(name, home) for name in SERVICES)))


def _infrastructure(home: Home) -> tuple[Program, ...]:
    for name in ("mongo", "redis", "sandbox"):
        home.data(name).mkdir(mode=0o700, parents=True, exist_ok=True)
    return (_mongo(home), _redis(home), _broker(home), _sandbox(home))


def _mongo(home: Home) -> Program:
    command = (
        *(find_mongod(home.root / "bin"), "--dbpath", str(home.data("mongo"))),
        # No unix socket: it would lie in /tmp under the port's name, where another user's may lie already.
        *("--bind_ip", LOOPBACK, "--port", "{mongo.port}", "--nounixsocket"),
        *("--wiredTigerCacheSizeGB", "0.25", "--setParameter", "diagnosticDataCollectionEnabled=false", "--quiet"),
    )
    return Program("mongo", command, check="mongo", port=USUAL_PORTS["mongo"])


def _redis(home: Home) -> Program:
    command = (
        *(find_redis(home.root / "bin"), "--dir", str(home.data("redis"))),
        *("--bind", LOOPBACK, "--port", "{redis.port}", "--maxmemory", "64mb"),
        *("--save", "", "--appendonly", "no"),
    )
    return Program("redis", command, check="redis", port=USUAL_PORTS["redis"])


def _broker(home: Home) -> Program:
    file = str(home.root / "broker.address")
    command = (*_module("tools.stack.broker"), "--address-file", file)
    return Program("broker", command, check="tcp", address_file=file)


def _sandbox(home: Home) -> Program:
    command = (
        *(*_module("sandbox"), "serve", "--host", LOOPBACK, "--port", "{sandbox.port}"),
        *("--data", str(home.data("sandbox")), "--keys", str(home.keys)),
    )
    return Program(
        "sandbox",
        command,
        check="http",
        path="/live",
        port=USUAL_PORTS["sandbox"],
        # The replay refunds several parts of one order, and tells one customer of several orders, in quick succession.
        env={
            "SANDBOX_ENFORCE_REFUND_SPACING": "false",
            "SANDBOX_ENFORCE_SMS_LIMITS": "false",
            "SANDBOX_PUSH_URL": "http://{gateway.address}/callbacks/wechat/events",
            "SANDBOX_SMS_RECEIPT_URL": "http://{gateway.address}/callbacks/sms/receipts",
        },
        prepare=(*_module("sandbox"), "keys", str(home.keys)),
    )


def _service(name: str, home: Home) -> Program:
    return Program(
        name=name,
        command=_module(f"services.{name}.main"),
        check="http",
        path="/ready",
        port=USUAL_PORTS[name],
        env=_environment(name, home),
        after=INFRASTRUCTURE,
        restart_with=("broker",),
    )


def _environment(name: str, home: Home) -> dict[str, str]:
    """Say to a service where everything is; whatever else the user has set reaches it as it is."""
    urls = {f"TUIDAN_{other.upper()}_URL": f"http://{{{other}.address}}" for other in SERVICES if other != "gateway"}
    preferred = {key: value for key, value in _DEFAULTS.items() if key not in os.environ}
    return preferred | {
        "TUIDAN_HTTP_HOST": LOOPBACK,
        "TUIDAN_HTTP_PORT": f"{{{name}.port}}",
        "TUIDAN_KAFKA": "{broker.address}",
        "TUIDAN_MONGO": "mongodb://{mongo.address}",
        "TUIDAN_REDIS": "redis://{redis.address}/0",
        "TUIDAN_KEYS": str(home.keys),
        "TUIDAN_PROVIDER_URL": "http://{sandbox.address}",
        "TUIDAN_MINI_PROGRAM_URL": "http://{sandbox.address}",
        "TUIDAN_CALLBACK_URL": "http://{gateway.address}",
        **urls,
    }


def _module(name: str) -> tuple[str, ...]:
    # -P: the folder one happens to stand in must not hide our packages. -u: a log is of no use a buffer later.
    return (sys.executable, "-P", "-u", "-m", name)
