"""Who may talk to whom in a cluster whose network enforces it: the policies, added up as the API defines it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.manifests import NAME, SERVICES, objects, pods
from tools.manifests.rendering import renderer

pytestmark = pytest.mark.skipif(renderer() is None, reason="SKIPPED: neither kubectl nor kustomize is here")

Rule = dict[str, Any]
HEARERS = ("order", "payment", "inventory", "notify", "analytics")
PORTS = {"kafka": 9092, "mongo": 27017, "redis": 6379}
PROVIDED = ("payment", "notify", "gateway")
ALLOWED = {
    *(("gateway", to, 8080) for to in HEARERS),
    *((who, "kafka", 9092) for who in (*HEARERS, "topics", "kafka")),
    *((who, "mongo", 27017) for who in (*SERVICES, "mongo", "mongo-set")),
    *((who, "redis", 6379) for who in ("payment", "gateway")),
    *((who, "sandbox", 8080) for who in PROVIDED),
    ("sandbox", "gateway", 8080),
}


def selects(selector: Rule, app: str) -> bool:
    wanted = selector.get("matchLabels", {}).get(NAME, app) == app
    return wanted and all(app in one["values"] for one in selector.get("matchExpressions", ()) if one["key"] == NAME)


def rules(overlay: str, app: str, way: str) -> Iterator[Rule]:
    """What the policies that are about a pod allow it, one way."""
    about = [one["spec"] for one in objects(overlay) if one["kind"] == "NetworkPolicy"]
    about = [spec for spec in about if way.capitalize() in spec["policyTypes"] and selects(spec["podSelector"], app)]
    assert about, f"no policy is about {app}: it may do everything"
    for spec in about:
        yield from spec.get(way, ())


def allows(rule: Rule, peers: str, other: str, port: int) -> bool:
    named = rule.get(peers)
    who = named is None or any("podSelector" in one and selects(one["podSelector"], other) for one in named)
    return who and any(one["port"] == port and one.get("protocol", "TCP") == "TCP" for one in rule["ports"])


def test_inside_everybody_may_talk_to_whom_the_table_says_and_to_nobody_else() -> None:
    apps = sorted({name for name, _ in pods("local")})
    found = {
        (who, to, port)
        for who in apps
        for to in apps
        for port in {PORTS.get(to, 8080), 8080}
        if any(allows(rule, "to", to, port) for rule in rules("local", who, "egress"))
        and any(allows(rule, "from", who, port) for rule in rules("local", to, "ingress"))
    }
    assert found == ALLOWED


@pytest.mark.parametrize(("overlay", "open_to_all"), [("local", {"gateway", "sandbox"}), ("production", {"gateway"})])
def test_from_outside_only_the_door_is_reached(overlay: str, open_to_all: set[str]) -> None:
    apps = {name for name, _ in pods(overlay)}
    assert {app for app in apps for rule in rules(overlay, app, "ingress") if "from" not in rule} == open_to_all
    other = {
        app: one["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
        for app in apps
        for rule in rules(overlay, app, "ingress")
        for one in rule.get("from", ())
        if "namespaceSelector" in one
    }
    assert other == dict.fromkeys(HEARERS, "monitoring")


def test_in_a_shop_only_who_speaks_to_a_provider_gets_out_and_nobody_into_the_shops_own_nets() -> None:
    out: dict[str, set[int]] = {}
    for app in {name for name, _ in pods("production")}:
        for rule in rules("production", app, "egress"):
            for one in rule["to"]:
                if one.get("ipBlock", {}).get("cidr") == "0.0.0.0/0":
                    assert "10.0.0.0/8" in one["ipBlock"]["except"]
                    assert "169.254.0.0/16" in one["ipBlock"]["except"], "where clouds hand out credentials"
                    out.setdefault(app, set()).update(port["port"] for port in rule["ports"])
    assert out == {app: {443} for app in PROVIDED}


def test_an_operators_pod_gets_to_servers_and_door_and_nobody_to_it() -> None:
    """A shop puts it there: backups, dead letters, keys."""
    apps = {name for name, _ in pods("local")}
    found = {
        (to, port)
        for to in apps
        for port in {PORTS.get(to, 8080), 8080}
        if any(allows(rule, "to", to, port) for rule in rules("local", "operator", "egress"))
        and any(allows(rule, "from", "operator", port) for rule in rules("local", to, "ingress"))
    }
    assert found == {("kafka", 9092), ("mongo", 27017), ("gateway", 8080)}
    for overlay in ("local", "production", "production-on-cpu"):
        assert not list(rules(overlay, "operator", "ingress"))
    blocks = [
        ({one["ipBlock"]["cidr"] for one in rule["to"] if "ipBlock" in one}, {port["port"] for port in rule["ports"]})
        for rule in rules("production", "operator", "egress")
    ]
    assert [ports for nets, ports in blocks if nets] == [{9092}, {27017}]
    assert not any("0.0.0.0/0" in nets for nets, _ in blocks)


@pytest.mark.parametrize("overlay", ["local", "production"])
def test_traces_may_go_to_a_collector(overlay: str) -> None:
    monitoring = {"kubernetes.io/metadata.name": "monitoring"}
    found = {
        (app, port["port"])
        for app in {name for name, _ in pods(overlay)}
        for rule in rules(overlay, app, "egress")
        if any(one.get("namespaceSelector", {}).get("matchLabels") == monitoring for one in rule["to"])
        for port in rule["ports"]
    }
    assert found == {(service, 4318) for service in SERVICES}


def test_in_a_shop_only_who_needs_a_server_may_go_to_it() -> None:
    found = {
        (app, port["port"])
        for app in {name for name, _ in pods("production")}
        for rule in rules("production", app, "egress")
        if any(one.get("ipBlock", {}).get("cidr") == "10.0.0.0/8" for one in rule["to"])
        for port in rule["ports"]
    }
    assert found == {(who, PORTS[to]) for who, to, _ in ALLOWED if to in PORTS and who in (*SERVICES, "topics")}
