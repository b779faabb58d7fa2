"""The command line explains itself and leaves with stable statuses."""

import subprocess
import sys

import pytest


def kf(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kf_cli", *words], capture_output=True, text=True, check=False
    )


def test_version() -> None:
    done = kf("--version")
    assert (done.returncode, done.stdout) == (0, "kf 0.1.0\n")


@pytest.mark.parametrize("command", [["run"], ["demo"], ["trace"], ["kb", "import"], ["kb", "search"]])
def test_every_command_shows_an_example(command: list[str]) -> None:
    done = kf(*command, "--help")
    assert done.returncode == 0
    assert f"kf {' '.join(command)}" in done.stdout.partition("Example")[2]


def test_an_unknown_command_is_status_2() -> None:
    assert kf("fly").returncode == 2


def test_a_trace_that_cannot_be_asked_for_is_one_sentence() -> None:
    done = kf("trace", "m1", "--url", "http://127.0.0.1:1")
    assert done.returncode == 1
    assert "The traces do not answer at http://127.0.0.1:1" in done.stderr
    assert "Traceback" not in done.stderr
