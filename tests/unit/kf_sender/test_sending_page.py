"""docs/sending.md names, for each class of errcode, a scenario test that exists."""

import re
from pathlib import Path

import pytest
from kf_wecom.errcodes import ErrorClass

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "sending.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| (\w+) \| .* \| `([^`]+::\w+)` \|$", PAGE, re.MULTILINE))


@pytest.mark.parametrize("error_class", list(ErrorClass))
def test_every_class_has_a_scenario_that_proves_it(error_class: ErrorClass) -> None:
    file, _, name = ROWS[error_class].partition("::")
    path = ROOT / "tests" / "integration" / "kf_sender" / file
    assert f"def {name}(" in path.read_text(encoding="utf-8")
