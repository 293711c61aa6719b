"""What deploy/k8s promises, held against the services themselves: settings, ports, topics, keys, time to stop."""

from __future__ import annotations

import importlib
import re
from contextlib import nullcontext
from pathlib import Path

import pytest
import yaml

from chassis.personal import make_first_keys
from chassis.service import http_app
from chassis.settings import HttpSettings
from sandbox.keys import make_keys
from tests.support.manifests import KIND, NAME, SERVICES, Manifest, objects, of, pods
from tools.handing_out import READ_BY
from tools.kubernetes import trial
from tools.kubernetes.preparing import OURS, Images, kustomization
from tools.kubernetes.trouble import SERVICES as TRIED
from tools.manifests.rendering import KUBERNETES, OVERLAYS, ROOT, renderer
from tools.manifests.schemas import wrong
from tools.topics.listing import read

SHOPS = ("production", "production-on-cpu")
ALIKE = ("order", "inventory", "notify", "analytics")
SPARE_SECONDS = 5.0

pytestmark = pytest.mark.skipif(renderer() is None, reason="SKIPPED: neither kubectl nor kustomize is here")


def container(overlay: str, service: str) -> Manifest:
    (only,) = of(overlay, "Deployment")[service]["spec"]["template"]["spec"]["containers"]
    assert isinstance(only, dict)
    return only


def environment(overlay: str, service: str) -> dict[str, str]:
    """What a service finds in its environment; what a shop's Secret holds is made up."""
    maps = {name: one["data"] for name, one in of(overlay, "ConfigMap").items()}
    found: dict[str, str] = {}
    for source in container(overlay, service)["envFrom"]:
        found |= maps[source["configMapRef"]["name"]]
    for variable in container(overlay, service)["env"]:
        key = variable["valueFrom"]["secretKeyRef"]
        assert key["name"].startswith("addresses")
        found[variable["name"]] = {"mongo": "mongodb://m:27017", "redis": "redis://r:6379/0"}[key["key"]]
    return found


def settings(service: str) -> type[HttpSettings]:
    module = importlib.import_module(f"services.{service}.settings")
    found: type[HttpSettings] = getattr(module, f"{service.capitalize()}Settings")
    return found


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    make_keys(tmp_path)
    make_first_keys(tmp_path)
    return tmp_path


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_service_has_what_it_needs(overlay: str) -> None:
    assert sorted(of(overlay, "Deployment")) == SERVICES == sorted(TRIED)
    for service in SERVICES:
        deployment = of(overlay, "Deployment")[service]
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        image, _, version = container(overlay, service)["image"].rpartition(":")
        assert (image, bool(version)) == (f"tuidan/{service}", True)
        assert of(overlay, "ServiceAccount")[service]["automountServiceAccountToken"] is False
        assert deployment["spec"]["template"]["spec"]["serviceAccountName"] == service
        budget = of(overlay, "PodDisruptionBudget")[service]["spec"]
        assert (budget["maxUnavailable"], budget["selector"]["matchLabels"]) == (1, {NAME: service})
        assert (
            of(overlay, "Service")[service]["spec"]["selector"]
            == {NAME: service}
            == deployment["spec"]["selector"]["matchLabels"]
        )
        assert labels[NAME] == service
        for spread in deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]:
            assert spread["labelSelector"]["matchLabels"] == {NAME: service}


def test_services_differ_in_nothing_but_what_is_theirs() -> None:
    texts = {}
    for service in ALIKE:
        text = (KUBERNETES / "base" / f"{service}.yaml").read_text("utf-8")
        lines = [line for line in text.replace(service, "NAME").splitlines()[1:] if "keys" not in line]
        texts[service] = "\n".join(lines)
    assert len(set(texts.values())) == 1


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_settings_are_read_by_somebody_and_complete_for_everybody(
    overlay: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_somewhere = {f"TUIDAN_{name.upper()}" for service in SERVICES for name in settings(service).model_fields}
    read_somewhere |= {"FORWARDED_ALLOW_IPS"}  # by uvicorn
    for service in SERVICES:
        given = environment(overlay, service)
        assert set(given) <= read_somewhere
        with monkeypatch.context() as world:
            for name, value in given.items():
                world.setenv(name, value)
            found = settings(service)()  # a missing or wrong one would raise
        assert found.http_port == container(overlay, service)["ports"][0]["containerPort"]
        assert found.http_host == "0.0.0.0"
        grace = of(overlay, "Deployment")[service]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        before = container(overlay, service)["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert grace >= before + found.stop_seconds + SPARE_SECONDS


@pytest.mark.parametrize("service", SERVICES)
def test_probes_ask_what_is_there(service: str) -> None:
    there = {getattr(route, "path", "") for route in http_app("x", lambda _: nullcontext(), dict).routes}
    asked = {
        name: container("production", service)[f"{name}Probe"]["httpGet"]
        for name in ("startup", "readiness", "liveness")
    }
    assert {name: probe["path"] for name, probe in asked.items()} == {
        "startup": "/live",
        "readiness": "/ready",
        "liveness": "/live",
    }
    assert {probe["path"] for probe in asked.values()} <= there
    assert {probe["port"] for probe in asked.values()} == {container("production", service)["ports"][0]["name"]}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_nothing_runs_as_root_can_write_to_its_image_or_has_a_token(overlay: str) -> None:
    for name, spec in pods(overlay):
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["enableServiceLinks"] is False, name
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["runAsUser"] > 0, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for one in spec["containers"]:
            assert one["securityContext"] == {
                "readOnlyRootFilesystem": True,
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
            }, name
            assert "memory" in one["resources"]["limits"], name
            assert {"cpu", "memory"} <= set(one["resources"]["requests"]), name
    (namespace,) = of(overlay, "Namespace").values()
    enforced = namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
    assert enforced == "restricted"


def test_each_service_gets_its_own_keys_where_it_looks_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    at = environment("production", "order")["TUIDAN_KEYS"]
    for service in SERVICES:
        spec = of("production", "Deployment")[service]["spec"]["template"]["spec"]
        volumes = {one["name"]: one["secret"]["secretName"] for one in spec["volumes"] if "secret" in one}
        mounts = {
            one["mountPath"]: volumes[one["name"]]
            for one in container("production", service)["volumeMounts"]
            if one["name"] in volumes
        }
        wanted = {at: f"keys-{service}"} if service in READ_BY else {}
        if any(pattern.startswith("wechatpay-keys/") for pattern in READ_BY.get(service, ())):
            wanted[f"{at}/wechatpay-keys"] = f"keys-{service}-wechatpay"
        assert mounts == wanted
    assert not [one for one in objects("production") if one[KIND] == "Secret"], "a shop's secrets are not written here"


@pytest.mark.parametrize("overlay", SHOPS)
def test_each_service_is_scaled_by_one_and_no_further_than_its_topics_reach(overlay: str) -> None:
    scalers = [one for one in objects(overlay) if one[KIND] in ("ScaledObject", "HorizontalPodAutoscaler")]
    assert sorted(one["spec"]["scaleTargetRef"]["name"] for one in scalers) == SERVICES
    partitions = {topic.name: topic.partitions for topic in read(copies=None) if not topic.name.endswith(".dead")}
    by_lag = of("production", "ScaledObject")
    for one in scalers:
        spec = one["spec"]
        service = spec["scaleTargetRef"]["name"]
        least, most = (
            spec.get(a, spec.get(b))
            for a, b in (("minReplicas", "minReplicaCount"), ("maxReplicas", "maxReplicaCount"))
        )
        deployed = of(overlay, "Deployment")[service]["spec"]
        furthest = min(partitions.values())
        if service in by_lag:
            # While an update runs there is a pod more, and that one, too, is ready only with a partition of its own.
            heard = sum(partitions[each["metadata"]["topic"]] for each in by_lag[service]["spec"]["triggers"])
            furthest = min(furthest, heard - deployed["strategy"]["rollingUpdate"]["maxSurge"])
        assert (service, least, most) == (service, 2, furthest)
        assert "replicas" not in deployed
    assert not [one for one in objects("local") if one[KIND] in ("ScaledObject", "HorizontalPodAutoscaler")]


def test_what_waits_for_a_service_is_counted_on_every_topic_that_it_hears(
    keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hearing = [service for service in SERVICES if service != "gateway"]
    assert sorted(of("production", "ScaledObject")) == hearing
    for service in hearing:
        for name, value in (environment("production", service) | {"TUIDAN_KEYS": str(keys)}).items():
            monkeypatch.setenv(name, value)
        built = importlib.import_module(f"services.{service}.main").service(settings(service)())
        triggers = [one["metadata"] for one in of("production", "ScaledObject")[service]["spec"]["triggers"]]
        assert sorted(one["topic"] for one in triggers) == sorted(topic.name for topic in built._topics)
        assert {one["consumerGroup"] for one in triggers} == {built.name}
        for one in triggers:
            assert one["bootstrapServersFromEnv"] in environment("production", service)


def test_topics_come_from_the_one_list() -> None:
    recipe = (ROOT / "deploy" / "Dockerfile").read_text("utf-8")
    assert "COPY deploy/topics.yaml deploy/topics.yaml" in recipe.split(" AS operator\n")[1].split("\nFROM ")[0]
    for overlay, copies in (("local", ["--copies", "1"]), ("production", [])):
        spec = of(overlay, "Job")["topics"]["spec"]["template"]["spec"]["containers"][0]
        assert spec["image"].startswith("tuidan/operator:")
        assert spec["args"] == ["topics", "create", *copies]


def test_the_local_overlay_has_the_settings_of_the_demo() -> None:
    def lines(path: Path) -> set[str]:
        return {line for line in path.read_text("utf-8").splitlines() if line.startswith("TUIDAN_")}

    demo = {line for line in lines(ROOT / "deploy/demo.env") if not line.startswith("TUIDAN_ENV_FILE")}
    assert lines(KUBERNETES / "overlays/local/settings.env") == demo


def test_a_demo_and_a_trial_are_never_where_a_shop_is() -> None:
    """On the wrong cluster they must neither put the stand-in in WeChat Pay's place nor remove a shop in the end."""
    names = {overlay: set(of(overlay, "Namespace")) for overlay in ("local", "production", "production-on-cpu")}
    assert names["production"] == names["production-on-cpu"] == {"tuidan"}
    assert names["local"] == {trial.NAMESPACE} != names["production"]


def test_a_trial_brings_images_of_its_own() -> None:
    named = {"mongo": "lab/mongo:6.0.5", "redis": "mirror:5000/redis"}
    images = yaml.safe_load(kustomization(Images("try-1", named)))["images"]
    assert {"name": "mongo", "newName": "lab/mongo", "newTag": "6.0.5"} in images
    assert {"name": "redis", "newName": "mirror:5000/redis"} in images
    assert {one["name"] for one in images if one.get("newTag") == "try-1"} == {f"tuidan/{name}" for name in OURS}
    used = {spec["image"].rpartition(":")[0] for _, pod in pods("local") for spec in pod["containers"]}
    assert {name for name in used if name.startswith("tuidan/")} == {f"tuidan/{name}" for name in OURS}


def test_a_field_that_nobody_knows_is_found_in_every_kind() -> None:
    right = [*objects("production"), *objects("production-on-cpu")]
    kinds = {one[KIND] for one in right}
    assert {"ScaledObject", "HorizontalPodAutoscaler", "NetworkPolicy"} <= kinds
    assert [line for one in right for line in wrong(one)] == []
    for kind in kinds - {"ConfigMap", "ServiceAccount"}:
        one = next(each for each in right if each[KIND] == kind)
        found = list(wrong({**one, "spec": {**one.get("spec", {}), "replicaz": 2}}))
        assert len(found) == 1
        assert re.search("replicaz", found[0])
    assert "there is no schema" in next(wrong({"apiVersion": "x.y/v1", "kind": "Z", "metadata": {"name": "z"}}))
