"""The rendered overlays hold together: every name resolves, images are pinned, pods are locked down."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

K8S = Path(__file__).parents[2] / "deploy" / "k8s"
OVERLAYS = ("demo", "production")
WORKLOADS = {"Deployment", "StatefulSet", "Job", "CronJob"}
SECRET_KEYS = {
    line.partition("=")[0]
    for line in (K8S / "overlays/production/examples/secret.env").read_text(encoding="utf-8").splitlines()
    if line and line[0] != "#"
}
QUANTITY = re.compile(r"^[1-9]\d*(m|Ki|Mi|Gi)?$")

Manifest = dict[str, Any]
pytestmark = [
    pytest.mark.skipif(
        not (shutil.which("kubectl") or shutil.which("kustomize")),
        reason="rendering the manifests needs kubectl or kustomize",
    ),
    pytest.mark.parametrize("overlay", OVERLAYS),
]


@cache
def rendered(overlay: str) -> list[Manifest]:
    command = ["kubectl", "kustomize"] if shutil.which("kubectl") else ["kustomize", "build"]
    done = subprocess.run(
        [*command, str(K8S / "overlays" / overlay)], capture_output=True, text=True, check=True
    )
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def of_kind(overlay: str, *kinds: str) -> list[Manifest]:
    return [document for document in rendered(overlay) if document["kind"] in kinds]


def names(overlay: str, kind: str) -> set[str]:
    return {document["metadata"]["name"] for document in of_kind(overlay, kind)}


def template(workload: Manifest) -> Manifest:
    spec = workload["spec"]
    found: Manifest = (spec["jobTemplate"]["spec"] if workload["kind"] == "CronJob" else spec)["template"]
    return found


def pods(overlay: str) -> Iterator[tuple[str, Manifest]]:
    for workload in of_kind(overlay, *WORKLOADS):
        yield workload["metadata"]["name"], template(workload)["spec"]


def containers(overlay: str) -> Iterator[tuple[str, Manifest]]:
    for name, pod in pods(overlay):
        for container in [*pod.get("initContainers", []), *pod["containers"]]:
            yield f"{name}/{container['name']}", container


def selects(selector: Manifest, labels: dict[str, str]) -> bool:
    wanted = selector.get("matchLabels", {}).items()
    terms = selector.get("matchExpressions", [])
    return wanted <= labels.items() and all(labels.get(t["key"]) in t["values"] for t in terms)


def all_labels(overlay: str) -> list[dict[str, str]]:
    return [template(workload)["metadata"]["labels"] for workload in of_kind(overlay, *WORKLOADS)]


def test_every_config_map_and_secret_key_exists(overlay: str) -> None:
    maps = {document["metadata"]["name"]: document["data"] for document in of_kind(overlay, "ConfigMap")}
    for where, container in containers(overlay):
        for source in container.get("envFrom", []):
            optional = source.get("secretRef", {}).get("optional")
            assert optional or source["configMapRef"]["name"] in maps, where
        for variable in container.get("env", []):
            source = variable.get("valueFrom", {})
            if "configMapKeyRef" in source:
                reference = source["configMapKeyRef"]
                assert reference["key"] in maps[reference["name"]], where
            if "secretKeyRef" in source:
                assert source["secretKeyRef"]["name"] == "kefu", where
                assert source["secretKeyRef"]["key"] in SECRET_KEYS, where


def test_every_variable_in_a_value_is_declared_before_it(overlay: str) -> None:
    for where, container in containers(overlay):
        declared: set[str] = set()
        for variable in container.get("env", []):
            assert set(re.findall(r"\$\((\w+)\)", variable.get("value", ""))) <= declared, where
            declared.add(variable["name"])
        for argument in container.get("args", []):
            assert set(re.findall(r"\$\((\w+)\)", argument)) <= declared, where


def test_volumes_accounts_and_claims_exist(overlay: str) -> None:
    claims, maps = names(overlay, "PersistentVolumeClaim"), names(overlay, "ConfigMap")
    for name, pod in pods(overlay):
        assert pod["serviceAccountName"] in names(overlay, "ServiceAccount"), name
        for volume in pod.get("volumes", []):
            assert volume.get("configMap", {}).get("name") in {None, *maps}, name
            assert volume.get("persistentVolumeClaim", {}).get("claimName") in {None, *claims}, name


def test_selectors_and_targets_find_what_they_name(overlay: str) -> None:
    labels = all_labels(overlay)
    for service in of_kind(overlay, "Service"):
        assert any(service["spec"]["selector"].items() <= pod.items() for pod in labels), service["metadata"]
    for budget in of_kind(overlay, "PodDisruptionBudget"):
        assert any(selects(budget["spec"]["selector"], pod) for pod in labels), budget["metadata"]
    for scaler in of_kind(overlay, "HorizontalPodAutoscaler"):
        assert scaler["spec"]["scaleTargetRef"]["name"] in names(overlay, "Deployment")
    for ingress in of_kind(overlay, "Ingress"):
        for path in ingress["spec"]["rules"][0]["http"]["paths"]:
            assert path["backend"]["service"]["name"] in names(overlay, "Service")


def test_network_policies_select_pods_and_name_ports_that_somebody_listens_on(overlay: str) -> None:
    labels = all_labels(overlay)
    for policy in of_kind(overlay, "NetworkPolicy"):
        spec = policy["spec"]
        assert any(selects(spec["podSelector"], pod) for pod in labels), policy["metadata"]["name"]
        for rule in spec.get("ingress", []):
            ports = {port["port"] for port in rule["ports"]}
            offered = {
                port["containerPort"]
                for workload in of_kind(overlay, *WORKLOADS)
                if selects(spec["podSelector"], template(workload)["metadata"]["labels"])
                for container in template(workload)["spec"]["containers"]
                for port in container.get("ports", [])
            }
            assert ports <= offered, policy["metadata"]["name"]


def test_nothing_is_allowed_by_default(overlay: str) -> None:
    (deny,) = [p for p in of_kind(overlay, "NetworkPolicy") if p["metadata"]["name"] == "default-deny"]
    assert deny["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    internet = {
        policy["metadata"]["name"]
        for policy in of_kind(overlay, "NetworkPolicy")
        for rule in policy["spec"].get("egress", [])
        for peer in rule.get("to", [])
        if "ipBlock" in peer
    }
    # The doctor asks what these three ask; it runs only when somebody starts it.
    assert internet - {"doctor"} == {"gateway", "dialog", "sender"}


def test_every_image_has_a_tag_that_does_not_move(overlay: str) -> None:
    for where, container in containers(overlay):
        _, _, tag = container["image"].rpartition("/")[2].partition(":")
        assert re.match(r"\d+\.\d+\.\d+", tag), f"{where}: {container['image']}"


def test_every_pod_meets_the_restricted_standard(overlay: str) -> None:
    for name, pod in pods(overlay):
        security = pod["securityContext"]
        assert security["runAsNonRoot"] is True, name
        assert security["runAsUser"] > 0, name
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["automountServiceAccountToken"] is (name == "credentials"), name
        assert not any("hostPath" in volume for volume in pod.get("volumes", [])), name
    for where, container in containers(overlay):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, where
    (namespace,) = of_kind(overlay, "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_every_container_has_requests_a_memory_limit_and_sane_numbers(overlay: str) -> None:
    for where, container in containers(overlay):
        resources = container["resources"]
        assert QUANTITY.match(resources["requests"]["cpu"]), where
        assert QUANTITY.match(resources["requests"]["memory"]), where
        assert QUANTITY.match(resources["limits"]["memory"]), where
        for port in container.get("ports", []):
            assert 1 <= port["containerPort"] <= 65535, where
            assert len(port["name"]) <= 15, where
        for probe in (value for key, value in container.items() if key.endswith("Probe")):
            assert probe.get("periodSeconds", 10) >= 1, where
            assert probe.get("failureThreshold", 3) >= 1, where


def test_autoscalers_have_ranges_that_a_server_accepts(overlay: str) -> None:
    for scaler in of_kind(overlay, "HorizontalPodAutoscaler"):
        assert 1 <= scaler["spec"]["minReplicas"] <= scaler["spec"]["maxReplicas"]
        for metric in scaler["spec"]["metrics"]:
            assert 1 <= metric["resource"]["target"]["averageUtilization"] <= 100
    for deployment in of_kind(overlay, "Deployment"):
        scaled = deployment["metadata"]["name"] in names(overlay, "HorizontalPodAutoscaler")
        # A number here would fight the autoscaler at every apply.
        assert ("replicas" in deployment["spec"]) is not scaled, deployment["metadata"]["name"]


def test_no_secret_value_is_in_the_manifests(overlay: str) -> None:
    for secret in of_kind(overlay, "Secret"):
        assert "data" not in secret
        assert "stringData" not in secret
    for document in of_kind(overlay, "ConfigMap"):
        assert SECRET_KEYS & {key for key, value in document["data"].items() if value} == set()


def test_everything_lives_in_the_overlays_namespace(overlay: str) -> None:
    (namespace,) = names(overlay, "Namespace")
    for document in rendered(overlay):
        if document["kind"] not in {"Namespace", "PriorityClass"}:
            assert document["metadata"]["namespace"] == namespace, document["metadata"]["name"]
