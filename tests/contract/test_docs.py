"""The docs say what the code says: settings, links."""

import re
import runpy
from pathlib import Path

import pytest

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
