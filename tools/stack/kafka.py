"""A real Kafka as one process of the stack: one node in KRaft mode, broker and controller together, its log on disk."""

from __future__ import annotations

from pathlib import Path

from tools.stack.home import Home
from tools.stack.jars import RECIPE
from tools.stack.plan import Program, python_module

NAME = "broker"
CONTROLLER = "broker-controller"
PORT, CONTROLLER_PORT = 29092, 29093
NODE_ID = 1
CLUSTER_ID = "dHVpZGFuLWxvY2FsLWthZg"
"""Sixteen bytes in base64, as Kafka wants them; a cluster that never meets another needs no chance in it."""
OWN_PARTITIONS = 6
"""Of Kafka's own topics, which keep what groups have read."""
HEAP = ("-Xmx512m", "-Xms256m", "-XX:+UseSerialGC")
SESSION_MS = 6_000
"""The shortest session of a consumer that Kafka allows unless told otherwise (`group.min.session.timeout.ms`)."""


def properties(data: Path, port: int, controller_port: int) -> str:
    """The text of `server.properties`."""
    settings = {
        "process.roles": "broker,controller",
        "node.id": NODE_ID,
        "controller.quorum.voters": f"{NODE_ID}@127.0.0.1:{controller_port}",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": data,
        # Topics are made from the list (`deploy/topics.yaml`): one that appears by itself has a wrong name.
        "auto.create.topics.enable": "false",
        "offsets.topic.num.partitions": OWN_PARTITIONS,
        "offsets.topic.replication.factor": 1,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "group.initial.rebalance.delay.ms": 0,
        # A killed node may register again only when its old registration has run out: 9 s unless told otherwise.
        "broker.session.timeout.ms": 3_000,
        "broker.heartbeat.interval.ms": 500,
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def java_command(java: str, jars: Path, main: str, *arguments: str) -> tuple[str, ...]:
    """How one of Kafka's programs is started."""
    logging = f"-Dlog4j2.configurationFile={RECIPE / 'log4j2.yaml'}"
    return (java, *HEAP, logging, "-cp", f"{jars}/*", main, *arguments)


def kafka_program(home: Home, java: str, jars: Path) -> Program:
    """Kafka for the plan, on ports that stay the same, with its topics there before anybody needs them."""
    folder = home.data(NAME)
    storage = ("--folder", str(folder), "--java", java, "--jars", str(jars))
    ports = ("--port", f"{{{NAME}.port}}", "--controller-port", f"{{{CONTROLLER}.port}}")
    topics = ("topics", "create", "--kafka", f"{{{NAME}.address}}", "--copies", "1")
    return Program(
        NAME,
        java_command(java, jars, "kafka.Kafka", str(folder / "server.properties")),
        check="kafka",
        port=PORT,
        side_ports={CONTROLLER: CONTROLLER_PORT},
        prepare=(*python_module("tools.stack.storage"), *storage, *ports),
        furnish=(*python_module("tools.cli"), *topics),
    )
