"""`kf demo` end to end: every customer is answered rightly, once, and every trace is whole."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.timeout(300)
def test_demo_passes_and_leaves_nothing_behind(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kf_cli", "demo", "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["ok"]
    assert result["wrong"] == []
    assert len(result["customers"]) >= 5
    assert all(customer["traces"] for customer in result["customers"])
    assert result["judge"]["broken"] == {}
    assert list(tmp_path.iterdir()) == []
