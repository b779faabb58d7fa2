"""docs/simulator.md names every setting, switch, fault and rule that exists."""

import re
from pathlib import Path

from kf_simulator.faults import FaultKind
from kf_simulator.judge import Rule
from kf_simulator.settings import Settings
from kf_simulator.switches import Switches

ROOT = Path(__file__).parents[3]
NAMED = set(re.findall(r"`([A-Za-z0-9_]+)`", (ROOT / "docs" / "simulator.md").read_text(encoding="utf-8")))


def test_every_setting_is_documented_and_they_are_few() -> None:
    assert {name.upper() for name in Settings.model_fields} <= NAMED
    assert len(Settings.model_fields) <= 20


def test_every_switch_is_documented() -> None:
    assert set(Switches.model_fields) <= NAMED


def test_every_fault_and_rule_is_documented() -> None:
    assert {str(kind) for kind in FaultKind} <= NAMED
    assert {str(rule) for rule in Rule} <= NAMED
