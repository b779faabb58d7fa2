"""What can be reached from outside, and what the services can reach: both are short lists, and stay so."""

import ast
import re
from pathlib import Path

import pytest
from kf_cli.config import Part
from kf_cli.datadir import DataDir
from kf_cli.layout import isolated
from kf_dialog.settings import Settings as DialogSettings
from kf_knowledge.settings import Settings as KnowledgeSettings
from kf_sender.settings import Settings as SenderSettings
from kf_simulator.settings import Settings as SimulatorSettings
from kf_traces.settings import Settings as TracesSettings

ROOT = Path(__file__).parents[2]
_CLIENTS = ("httpx", "httpx2", "openai", "aiohttp", "requests", "urllib", "urllib3", "http")
REACHES_OUT = {*_CLIENTS, "smtplib", "ftplib", "websockets", "mcp"}
# Each goes to one address of the settings, or of the accounts file that an operator writes. None takes an
# address from a message: a link or a picture that a customer sends is never fetched.
MAY_REACH_OUT = {
    "libs/wecom/src/kf_wecom/transport.py": "WECOM_API_BASE",
    "services/dialog/src/kf_dialog/company.py": "tools of the accounts file",
    "services/dialog/src/kf_dialog/mcp_tools.py": "MCP servers of the accounts file",
    "services/dialog/src/kf_dialog/model.py": "DEEPSEEK_BASE_URL",
    "services/knowledge/src/kf_knowledge/endpoint_embedder.py": "EMBEDDING_BASE_URL",
}
# Only types of messages and quoting of URLs.
HARMLESS = ("openai.types", "urllib.parse")
DANGEROUS = {"eval", "exec", "compile", "__import__"}


def sources() -> list[Path]:
    return sorted([*ROOT.glob("services/*/src/**/*.py"), *ROOT.glob("libs/*/src/**/*.py")])


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module}
    return names


def test_only_known_modules_of_the_services_can_open_an_http_connection() -> None:
    found = {
        str(path.relative_to(ROOT))
        for path in sources()
        if any(
            name.partition(".")[0] in REACHES_OUT and not name.startswith(HARMLESS) for name in imported(path)
        )
    }
    assert found == set(MAY_REACH_OUT), "describe the new way out in docs/security.md"


def test_no_service_runs_text_as_code_or_unpickles() -> None:
    for path in sources():
        assert not imported(path) & {"pickle", "shelve", "subprocess"}, path
        calls = [
            node.func for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)
        ]
        assert not {func.id for func in calls if isinstance(func, ast.Name)} & DANGEROUS, path


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        (SimulatorSettings, "kf_simulator_host"),
        (TracesSettings, "host"),
        (DialogSettings, "kf_dialog_health_host"),
        (SenderSettings, "kf_sender_health_host"),
        (KnowledgeSettings, "kf_knowledge_host"),
    ],
)
def test_what_has_no_password_listens_on_loopback_unless_told_otherwise(settings: type, field: str) -> None:
    assert settings.model_fields[field].default == "127.0.0.1"  # type: ignore[attr-defined]


def test_a_local_stack_listens_on_loopback_only(tmp_path: Path) -> None:
    with DataDir(tmp_path) as data:
        layout = isolated(data, {}, {"sender": 2})
        assert Part.WECOM not in layout.real
        assert {listener.host for listener in layout.listeners()} == {"127.0.0.1"}


def test_the_security_page_names_tests_that_exist() -> None:
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    for name in re.findall(r"`(tests/[^`]+)`", page):
        assert list(ROOT.glob(name)), name
    written = "".join(path.read_text("utf-8") for path in ROOT.glob("tests/**/*.py"))
    for name in re.findall(r"`(test_[a-z0-9_]+)`", page):
        assert f"def {name}(" in written, name
