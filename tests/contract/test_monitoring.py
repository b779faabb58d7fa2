"""Alerts, runbook, dashboard, the Collector's configuration and docs/telemetry.md agree with each other."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
COMPONENTS = ROOT / "deploy" / "k8s" / "components"
TELEMETRY = (ROOT / "docs" / "telemetry.md").read_text(encoding="utf-8")
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
ALERTS = COMPONENTS / "monitoring" / "alerts.yaml"
RULES: list[dict[str, Any]] = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"][0]["rules"]
BOARD = json.loads((COMPONENTS / "monitoring" / "kefu.json").read_text(encoding="utf-8"))
COLLECTOR: dict[str, Any] = yaml.safe_load(
    (COMPONENTS / "otel-collector" / "collector-config.yaml").read_text(encoding="utf-8")
)
EXPRESSIONS = {rule["alert"]: rule["expr"] for rule in RULES} | {
    panel["title"]: " ".join(target["expr"] for target in panel["targets"]) for panel in BOARD["panels"]
}


def rows(heading: str) -> list[str]:
    table = TELEMETRY.split(f"## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"^\| (.+) \|$", table, re.MULTILINE)


def series(row: str) -> set[str]:
    """The names in Prometheus of a metric that the services send, by the exporter's rules."""
    name, kind, unit = [cell.strip(" `") for cell in row.split("|")][:3]
    base = name.replace(".", "_") + {"s": "_seconds", "1": "_ratio" if kind == "gauge" else ""}.get(unit, "")
    return (
        {f"{base}_bucket", f"{base}_count"}
        if kind == "histogram"
        else {base + "_total" * (kind == "counter")}
    )


DECLARED = rows("Metrics")
METRICS = {match[1] for row in DECLARED if (match := re.match(r"`(\w+)`", row))}
METRICS |= {name for row in DECLARED if re.match(r"`\w+\.", row) for name in series(row)}
SPANS = [match[1] for row in rows("Spans") if (match := re.match(r"`([^`]+)`", row))]


def test_there_are_alerts_enough_and_each_has_its_runbook_entry() -> None:
    entries = dict(re.findall(r"^## (\w+)\n(.+?)(?=^## |\Z)", RUNBOOK, re.MULTILINE | re.DOTALL))
    assert len(RULES) >= 12
    assert sorted(entries) == sorted(rule["alert"] for rule in RULES)
    for name, text in entries.items():
        assert all(part in text for part in ("**Customers**", "**Look**", "**Do**")), name
    for rule in RULES:
        assert rule["annotations"]["runbook"] == f"docs/runbook.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in ("critical", "warning")


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_only_declared_metrics_and_spans_are_asked_for(name: str) -> None:
    expression = re.sub(
        r"by \([^)]*\)|\{[^}]*\}", lambda m: m[0] if "span_name" in m[0] else "{}", EXPRESSIONS[name]
    )
    expression = re.sub(r"by \{\}", "", expression)
    asked = set(
        re.findall(r"\b((?:traces|otelcol|jetstream|kube|kubelet|gen_ai|kf)_\w+)(?=[{\[)]| <| /)", expression)
    )
    assert asked
    assert asked <= METRICS
    for operator, wanted in re.findall(r'span_name(=~|=)"([^"]+)"', expression):
        pattern = wanted if operator == "=~" else re.escape(wanted)
        assert any(spelled(pattern, span) for span in SPANS), wanted


def spelled(pattern: str, span: str) -> bool:
    """Whether a span of the table matches, its own braces or examples standing for what varies."""
    examples = ("/kf/send_msg", "/kf/sync_msg") if "/cgi-bin/" in span else ("",)
    methods = ("Search",)
    names = [span, re.sub(r"\{model\}", "deepseek-chat", span)]
    names += [span.replace("/{path}", example) for example in examples]
    names += [span.replace("{method}", method) for method in methods]
    return any(re.fullmatch(pattern, name) for name in names)


def test_the_pipelines_use_what_is_defined_and_sampling_is_off() -> None:
    defined = {part: set(COLLECTOR[part]) for part in ("receivers", "processors", "exporters", "connectors")}
    used: set[str] = set()
    for pipeline in COLLECTOR["service"]["pipelines"].values():
        assert set(pipeline["receivers"]) <= defined["receivers"] | defined["connectors"]
        assert set(pipeline["exporters"]) <= defined["exporters"] | defined["connectors"]
        assert set(pipeline["processors"]) <= defined["processors"]
        assert (pipeline["processors"][0], pipeline["processors"][-1]) == ("memory_limiter", "batch")
        used |= set(pipeline["processors"])
    assert defined["processors"] - used == {"tail_sampling"}


@pytest.mark.parametrize(
    ("planted", "is_masked"),
    [
        ("电话 13800138000", True),
        ("11010519491231002X", True),
        ("https://host/x?access_token=abc", True),
        ("sk-0123456789abcdef0123", True),
        ("wmAJ2GCAAAZSfhHCt7IFSvLKtMPxyJTw", True),
        ("请问支持货到付款吗我想退货", True),
        ("9f2c41d07a3e", False),
        ("wkAJ2GCAAAZSfhHCt7IFSvLKtMPxyJTw", False),
        ("1763912345678", False),
        ("KnowledgeService/Search", False),
    ],
)
def test_the_second_net_holds_back_what_must_not_leave(planted: str, is_masked: bool) -> None:
    patterns = COLLECTOR["processors"]["redaction"]["blocked_values"]
    # Python's re has no \p{Han}; the Collector's RE2 has.
    found = [p for p in patterns if re.search(p.replace(r"\p{Han}", "\u4e00-\u9fff"), planted, re.ASCII)]
    assert bool(found) is is_masked


def test_every_panel_has_a_place_and_a_query() -> None:
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in BOARD["panels"]]
    assert len(set(places)) == len(places)
    assert len({p["id"] for p in BOARD["panels"]}) == len(places)
    assert all(target["exemplar"] for p in BOARD["panels"] for target in p["targets"])


@pytest.mark.skipif(not shutil.which("promtool"), reason="Debian's package prometheus has promtool")
def test_promtool_accepts_the_rules_and_they_fire_when_they_should(tmp_path: Path) -> None:
    cases = (ROOT / "tests/contract/alerts_test.yaml").read_text(encoding="utf-8")
    (tmp_path / "cases.yaml").write_text(cases.replace("ALERTS", str(ALERTS)), encoding="utf-8")
    for command in (["check", "rules", str(ALERTS)], ["test", "rules", str(tmp_path / "cases.yaml")]):
        done = subprocess.run(["promtool", *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(not shutil.which("kubectl"), reason="rendering the manifests needs kubectl")
def test_pod_names_come_from_the_api_server_by_a_role_of_one_namespace(tmp_path: Path) -> None:
    chosen = [COMPONENTS / name for name in ("otel-collector", "kubernetes-attributes", "monitoring")]
    kustomization = {
        "resources": [os.path.relpath(COMPONENTS.parent / "base", tmp_path)],
        "components": [os.path.relpath(component, tmp_path) for component in chosen],
        "namespace": "mix",
    }
    (tmp_path / "kustomization.yaml").write_text(json.dumps(kustomization), encoding="utf-8")
    done = subprocess.run(["kubectl", "kustomize", str(tmp_path)], capture_output=True, text=True, check=True)
    documents = [document for document in yaml.safe_load_all(done.stdout) if document]

    assert not {"ClusterRole", "ClusterRoleBinding"} & {document["kind"] for document in documents}
    (collector,) = [
        document
        for document in documents
        if (document["kind"], document["metadata"]["name"]) == ("Deployment", "otel-collector")
    ]
    pod = collector["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is True
    assert pod["containers"][0]["args"][-1] == "--config=/etc/otel-kubernetes/kubernetes.yaml"
    overlay = yaml.safe_load((COMPONENTS / "kubernetes-attributes" / "kubernetes.yaml").read_text("utf-8"))
    processors = overlay["service"]["pipelines"]["traces"]["processors"]
    base = COLLECTOR["service"]["pipelines"]["traces"]["processors"]
    assert [name for name in processors if name != "k8s_attributes"] == base
