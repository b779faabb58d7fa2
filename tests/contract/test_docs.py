"""The docs say what the code says: settings, links."""

import re
import runpy
from pathlib import Path

import pytest
from kf_cli.doctor.checks import ALL
from kf_runtime.diagnoses import CATALOGUE, SYMPTOM_OF_ERRCODE

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "services/*/*.md", "tools/*/*.md")
    for path in ROOT.glob(pattern)
)


def test_the_settings_page_is_what_the_code_says() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert page == runpy.run_path(str(ROOT / "docs" / "settings.py"))["render"](), "run `make docs`"


def test_the_doctor_knows_every_setting_by_its_rules() -> None:
    docs = runpy.run_path(str(ROOT / "docs" / "settings.py"))
    assert docs["TABLE"].read_text(encoding="utf-8") == docs["table"](), "run `make docs`"


@pytest.mark.parametrize(
    ("name", "chinese"), [("troubleshooting.md", False), ("troubleshooting.zh-CN.md", True)]
)
def test_the_troubleshooting_page_holds_the_whole_catalogue(name: str, chinese: bool) -> None:
    page = (ROOT / "docs" / name).read_text(encoding="utf-8")
    render = runpy.run_path(str(ROOT / "docs" / "troubleshooting.py"))["render"]
    assert page == render(chinese=chinese), "run `make docs`"


def test_the_fault_matrix_page_is_what_is_injected() -> None:
    page = (ROOT / "docs" / "fault-matrix.md").read_text(encoding="utf-8")
    assert page == runpy.run_path(str(ROOT / "docs" / "troubleshooting.py"))["matrix"](), "run `make docs`"


def test_every_diagnosis_has_a_section_and_every_entry_of_the_old_guide_too() -> None:
    guide = runpy.run_path(str(ROOT / "docs" / "troubleshooting.py"))
    symptoms = guide["SYMPTOMS"]
    assert {entry.symptom for entry in CATALOGUE.values()} <= set(symptoms)
    assert set(SYMPTOM_OF_ERRCODE.values()) <= set(symptoms)
    titles = " ".join(row["title_en"] for row in symptoms.values())
    old = ["95018", "45009", "40058", "95016", "95014", "HTTP 403 or 404", "timeouts", "pgvector"]
    old += ["Database refused", "DeepSeek 401", "does not start", "do not arrive", "turn on logs"]
    assert [entry for entry in old if entry not in titles] == []


def test_every_command_of_the_guide_is_one() -> None:
    guide = runpy.run_path(str(ROOT / "docs" / "troubleshooting.py"))
    checks = {check.name for check in ALL}
    told = [c for row in guide["SYMPTOMS"].values() for c in row["check"]]
    told += [entry.prove for entry in CATALOGUE.values()]
    named = [name for c in told for found in re.findall(r"--only ([a-z_,]+)", c) for name in found.split(",")]
    assert {name for name in named if name not in checks and not name.endswith("_")} == set()


def test_no_service_has_more_than_twenty_settings() -> None:
    services = runpy.run_path(str(ROOT / "docs" / "settings.py"))["SERVICES"]
    assert {name: len(cls.model_fields) for name, cls in services.items() if len(cls.model_fields) > 20} == {}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_env_example_names_only_real_settings() -> None:
    # The settings of `kf run` itself are its own; those of the services are on the page.
    named = set(re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE))
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    runs_own = {"KF_DATA_DIR", "KF_NATS_PORT", "KF_POSTGRES_PORT"} | {
        n for n in named if "SIMULATOR" in n or "TRACES" in n
    }
    unknown = {name for name in named - runs_own if f"`{name}`" not in page and not name.startswith("OTEL_")}
    assert unknown == set()
