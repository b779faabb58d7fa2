"""docs/simulator.md names every setting, switch, fault and rule that exists."""

import re
from pathlib import Path

from kf_simulator.faults import FaultKind
from kf_simulator.judge import Rule
from kf_simulator.settings import Settings
from kf_simulator.switches import Switches

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "simulator.md").read_text(encoding="utf-8")
NAMED = set(re.findall(r"`([A-Za-z0-9_]+)`", PAGE))


def test_every_setting_is_documented_and_they_are_few() -> None:
    assert {name.upper() for name in Settings.model_fields} <= NAMED
    assert len(Settings.model_fields) <= 20


def test_every_switch_is_documented() -> None:
    assert set(Switches.model_fields) <= NAMED


def test_every_fault_and_rule_is_documented() -> None:
    assert {str(kind) for kind in FaultKind} <= NAMED
    assert {str(rule) for rule in Rule} <= NAMED


def test_every_rule_names_tests_that_exist() -> None:
    rules = PAGE.split("## The protocol's rules")[1].split("\n## ")[0]
    rows = [row for row in rules.splitlines() if row.startswith("| ")][1:]
    assert len(rows) > 40
    for row in rows:
        named = row.rstrip(" |").split(" | ")[-1]
        for group in named.split("; "):
            place, _, tests = group.partition(": ")
            path = ROOT / (place if "/" in place else f"tests/integration/kf_simulator/test_{place}.py")
            source = path.read_text(encoding="utf-8")
            for test in re.findall(r"`(\w+)`", tests):
                assert f"def {test}(" in source, f"{path.name}: {test}"
