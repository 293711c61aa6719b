"""What the stack of Tuidan consists of: which processes, on which ports, with which environment."""

import os
from typing import Literal

from chassis.personal import make_first_keys
from tools.stack import kafka
from tools.stack.binaries import BinaryMissing, find_mongod, find_redis
from tools.stack.home import Home
from tools.stack.jars import kafka_jars, why_no_kafka
from tools.stack.java import find_java
from tools.stack.plan import Plan, Program, python_module
from tools.stack.ports import LOOPBACK

Kafka = Literal["embedded", "native"]
"""Which broker: librdkafka's in memory, or Apache Kafka with its log on disk."""

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
INSTANCE_STEP = 200
"""Distance between the usual ports of two instances of a service."""

_DEFAULTS = {
    # A laptop restarts and kills things while one looks on: what was left undone should be seen moving within seconds.
    "TUIDAN_SWEEP_AFTER_SECONDS": "5",
    # Whether a short message went out whose answer was lost: a customer in a demo does not wait a minute for that.
    "TUIDAN_LOOK_SECONDS": "2",
    # A demo cancels parts of one order within seconds; the stand-in is told not to mind (`_sandbox`).
    "TUIDAN_REFUND_SPACING_SECONDS": "0",
    # Whoever tries the stack gets tokens from the stand-in, without an account.
    "TUIDAN_TRUST_SANDBOX_TOKENS": "true",
}
"""Settings the stack prefers, but which the user's own environment may change."""
_KAFKA_DEFAULTS: dict[Kafka, dict[str, str]] = {
    "embedded": {
        # This broker answers a fetch that finds nothing only after its whole waiting time (docs/decisions/0012).
        "TUIDAN_KAFKA_FETCH_WAIT_MS": "2",
        # One member per group here, and it is often killed: its successor need not wait long.
        "TUIDAN_KAFKA_SESSION_MS": "3000",
    },
    "native": {"TUIDAN_KAFKA_SESSION_MS": str(kafka.SESSION_MS)},
}


def tuidan_plan(home: Home, broker: Kafka = "embedded", instances: int = 1) -> Plan:
    """Describe the whole stack, to live in `home`. Raises BinaryMissing when a server cannot be had."""
    if broker == "embedded" and instances > 1:
        raise BinaryMissing("The embedded broker serves one member per group: more instances need --kafka native.")
    numbers = range(1, instances + 1)
    services = (_service(name, number, home, broker) for number in numbers for name in SERVICES)
    return Plan((*_infrastructure(home, broker), *services))


def instance(name: str, number: int) -> str:
    """What the program is called that is this instance of a service, counted from 1."""
    return name if number == 1 else f"{name}-{number}"


def choose_kafka(wanted: Kafka | Literal["auto"]) -> tuple[Kafka, str | None]:
    """Which broker it is to be; for `auto` the real one where it can be had, else the reason why not."""
    if wanted != "auto":
        return wanted, None
    why_not = why_no_kafka()
    return ("embedded" if why_not else "native"), why_not


def _infrastructure(home: Home, broker: Kafka) -> tuple[Program, ...]:
    for name in ("mongo", "redis", "sandbox"):
        home.data(name).mkdir(mode=0o700, parents=True, exist_ok=True)
    make_first_keys(home.keys)  # the others are the stand-in's to make
    return (mongo_program(home), _redis(home), _native(home) if broker == "native" else _broker(home), _sandbox(home))


def mongo_program(home: Home) -> Program:
    """The stack's MongoDB."""
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
    command = (*python_module("tools.stack.broker"), "--address-file", file)
    return Program("broker", command, check="tcp", address_file=file)


def _native(home: Home) -> Program:
    java = find_java()  # asked first: without it there is no use in fetching anything
    return kafka.kafka_program(home, java, kafka_jars())


def _sandbox(home: Home) -> Program:
    command = (
        *(*python_module("sandbox"), "serve", "--host", LOOPBACK, "--port", "{sandbox.port}"),
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
            "SANDBOX_REFUND_URL": "http://{gateway.address}/callbacks/wechat/refund",
            "SANDBOX_SMS_RECEIPT_URL": "http://{gateway.address}/callbacks/sms/receipts",
        },
        prepare=(*python_module("sandbox"), "keys", str(home.keys)),
    )


def _service(name: str, number: int, home: Home, broker: Kafka) -> Program:
    return Program(
        name=instance(name, number),
        command=python_module(f"services.{name}.main"),
        check="http",
        path="/ready",
        port=USUAL_PORTS[name] + INSTANCE_STEP * (number - 1),
        env=_environment(name, number, home, broker),
        after=INFRASTRUCTURE,
        # A real Kafka comes back where it was, and the services find it again by themselves.
        restart_with=("broker",) if broker == "embedded" else (),
    )


def _environment(name: str, number: int, home: Home, broker: Kafka) -> dict[str, str]:
    """Say to a service where everything is; whatever else the user has set reaches it as it is. Over HTTP an instance
    speaks to those with its own number: nothing here stands in front of several instances as a load balancer does."""
    near = {other: instance(other, number) for other in SERVICES}
    urls = {f"TUIDAN_{other.upper()}_URL": f"http://{{{near[other]}.address}}" for other in SERVICES[:-1]}
    defaults = _DEFAULTS | _KAFKA_DEFAULTS[broker]
    preferred = {key: value for key, value in defaults.items() if key not in os.environ}
    return preferred | {
        "TUIDAN_HTTP_HOST": LOOPBACK,
        "TUIDAN_HTTP_PORT": f"{{{instance(name, number)}.port}}",
        "TUIDAN_KAFKA": "{broker.address}",
        "TUIDAN_MONGO": "mongodb://{mongo.address}",
        "TUIDAN_REDIS": "redis://{redis.address}/0",
        "TUIDAN_KEYS": str(home.keys),
        "TUIDAN_PROVIDER_URL": "http://{sandbox.address}",
        "TUIDAN_PROVIDER_URL_2": "",  # a shop's would be asked whenever the stand-in is silent
        "TUIDAN_MINI_PROGRAM_URL": "http://{sandbox.address}",
        "TUIDAN_CALLBACK_URL": f"http://{{{near['gateway']}.address}}",
        **urls,
    }
