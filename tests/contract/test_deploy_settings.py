"""What compose and Kubernetes set is what the services read: names, values, ports, probes, patience."""

import importlib
import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from kf_cli.ports import Ports
from kf_runtime.settings import ServiceSettings

DEPLOY = Path(__file__).parents[2] / "deploy"
BASE = DEPLOY / "k8s" / "base"


def settings_class(service: str) -> type[ServiceSettings]:
    found = vars(importlib.import_module(f"kf_{service}.settings")).values()
    (only,) = [
        c
        for c in found
        if isinstance(c, type) and issubclass(c, ServiceSettings) and c is not ServiceSettings
    ]
    return only


SETTINGS = {name: settings_class(name) for name in ("gateway", "dialog", "knowledge", "sender")}
PORT_FIELD = {
    "gateway": "port",
    "dialog": "kf_dialog_health_port",
    "knowledge": "kf_knowledge_port",
    "sender": "kf_sender_health_port",
}
# Deliberately unlike the code's default, which is for one machine.
CLUSTER_ONLY = {"KF_NATS_REPLICAS", "KF_DIALOG_KNOWLEDGE_TARGET", "KF_DIALOG_ACCOUNTS_FILE"}
AES_KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"

every_service = pytest.mark.parametrize("service", SETTINGS)


def env_file(path: Path) -> dict[str, str]:
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]
    return dict(line.split("=", 1) for line in lines)


def manifests(service: str) -> dict[str, Any]:
    documents = yaml.safe_load_all((BASE / f"{service}.yaml").read_text(encoding="utf-8"))
    return {document["kind"]: document for document in documents}


def pod(service: str) -> dict[str, Any]:
    spec: dict[str, Any] = manifests(service)["Deployment"]["spec"]["template"]["spec"]
    return spec


def container(service: str) -> dict[str, Any]:
    only: list[dict[str, Any]] = pod(service)["containers"]
    return only[0]


def cluster_names(service: str) -> set[str]:
    return set(env_file(BASE / "settings" / f"{service}.env")) | {
        e["name"] for e in container(service)["env"]
    }


def image_environment() -> dict[str, str]:
    text = (DEPLOY / "docker" / "Dockerfile").read_text(encoding="utf-8")
    return dict(re.findall(r"^\s+(?:ENV )?([A-Z_]+)=(\S+?)(?: \\)?$", text.rpartition("\nENV ")[2], re.M))


def compose_service(name: str) -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    service: dict[str, Any] = parsed["services"][name]
    return service


@every_service
def test_every_setting_is_in_the_config_map_or_the_secret(service: str) -> None:
    names = {name.upper() for name in SETTINGS[service].model_fields}
    assert names - cluster_names(service) == set()


@every_service
def test_the_cluster_sets_nothing_that_nobody_reads(service: str) -> None:
    text = (BASE / f"{service}.yaml").read_text(encoding="utf-8")
    unread = {
        name
        for name in cluster_names(service) - {n.upper() for n in SETTINGS[service].model_fields}
        if f"$({name})" not in text
    }
    assert unread == set()


@every_service
def test_every_setting_is_in_compose_or_the_image(service: str) -> None:
    given = set(compose_service(service)["environment"]) | set(image_environment())
    ports = {PORT_FIELD[service].upper()}  # inside its container each keeps the port of the code
    assert {name.upper() for name in SETTINGS[service].model_fields} - given - ports == set()


@every_service
def test_compose_sets_nothing_that_nobody_reads(service: str) -> None:
    given = set(compose_service(service)["environment"])
    known = {name.upper() for name in SETTINGS[service].model_fields}
    assert {name for name in given - known if not name.startswith("OTEL_")} == set()


@every_service
def test_the_config_map_changes_no_default_that_is_not_the_clusters(
    service: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    required = {
        "WECOM_CORP_ID": "ww0123456789abcdef",
        "WECOM_KF_SECRET": "s",
        "WECOM_TOKEN": "t",
        "WECOM_ENCODING_AES_KEY": AES_KEY,
        "DEEPSEEK_API_KEY": "k",
        "NATS_URL": "nats://gateway:p@nats:4222",
        "DATABASE_URL": "postgresql://u:p@h/d",
    }
    for name in {n.upper() for n in SETTINGS[service].model_fields} | set(required):
        monkeypatch.delenv(name, raising=False)
    for name, value in required.items():
        monkeypatch.setenv(name, value)
    default = SETTINGS[service]()
    for name, value in env_file(BASE / "settings" / f"{service}.env").items():
        monkeypatch.setenv(name, value)
    there = SETTINGS[service]()
    different = {
        name.upper()
        for name in SETTINGS[service].model_fields
        if getattr(there, name) != getattr(default, name) and not name.endswith("_host")
    }
    assert different - CLUSTER_ONLY == set()


@every_service
def test_ports_and_probes_match_the_code(service: str) -> None:
    port = SETTINGS[service].model_fields[PORT_FIELD[service]].default
    (declared,) = container(service)["ports"]
    assert declared["containerPort"] == port
    (offered,) = manifests(service)["Service"]["spec"]["ports"]
    assert (offered["port"], offered["targetPort"]) == (port, declared["name"])
    ready, live = container(service)["readinessProbe"], container(service)["livenessProbe"]
    if service == "gateway":
        assert ready["httpGet"] == {"path": "/ready", "port": declared["name"]}
        assert live["httpGet"] == {"path": "/health", "port": declared["name"]}
    else:
        assert ready["grpc"] == {"port": port, "service": "ready"}
        assert live["grpc"] == {"port": port}


@every_service
def test_kubernetes_and_compose_wait_longer_than_the_drain(service: str) -> None:
    field = SETTINGS[service].model_fields.get(f"kf_{service}_drain_seconds")
    drain = field.default if field else 30
    extra = 10 if service == "dialog" else 0  # it publishes what was decided
    assert pod(service)["terminationGracePeriodSeconds"] > drain + extra
    assert int(compose_service(service)["stop_grace_period"].rstrip("s")) > drain + extra


def test_the_image_health_check_asks_the_ports_of_the_code() -> None:
    spec = importlib.util.spec_from_file_location("healthcheck", DEPLOY / "docker" / "healthcheck.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    known = {name.upper(): field.default for name, field in Ports.model_fields.items()}
    assert {name: (setting, port) for name, (_, setting, port, _) in module.PROBES.items()} == {
        **{service: (field.upper(), known[field.upper()]) for service, field in PORT_FIELD.items()},
        "simulator": ("KF_SIMULATOR_PORT", known["KF_SIMULATOR_PORT"]),
        "traces": ("KF_TRACES_PORT", known["KF_TRACES_PORT"]),
    }
