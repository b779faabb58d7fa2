"""Settings: defaults on loopback, one line for each fault, which Host headers are let in."""

from pathlib import Path

import pytest
from kf_traces.__main__ import allowed_hosts
from kf_traces.settings import load_settings


@pytest.fixture(autouse=True)
def _empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_defaults_listen_on_loopback_and_the_usual_ports() -> None:
    settings = load_settings()

    assert (settings.host, settings.port, settings.otlp_grpc_port, settings.otlp_http_port) == (
        *("127.0.0.1", 16686),
        *(4317, 4318),
    )


def test_all_faults_are_told_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KF_TRACES_PORT", "70000")
    monkeypatch.setenv("KF_TRACES_MAX_MB", "big")

    with pytest.raises(SystemExit) as exit_:
        load_settings()

    lines = capsys.readouterr().err.splitlines()
    assert exit_.value.code == 2
    assert [line.partition(":")[0] for line in lines] == ["KF_TRACES_PORT", "KF_TRACES_MAX_MB"]


@pytest.mark.parametrize(
    ("host", "foreign_is_allowed"),
    [
        ("127.0.0.1", False),
        ("localhost", False),
        ("::1", False),
        ("0.0.0.0", True),
        ("traces.internal", True),
    ],
)
def test_foreign_host_headers_pass_only_beyond_loopback(host: str, foreign_is_allowed: bool) -> None:
    assert ("*" in allowed_hosts(host)) is foreign_is_allowed
