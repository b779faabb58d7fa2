"""Each part gives way to the real one when its setting is there; half a WeCom configuration is a fault."""

from pathlib import Path

import pytest
from kf_cli import config
from kf_cli.config import Part

WECOM = ("WECOM_CORP_ID", "WECOM_KF_SECRET", "WECOM_TOKEN", "WECOM_ENCODING_AES_KEY")


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in config.clean_environment().keys() ^ config.outer_environment().keys():
        monkeypatch.delenv(name, raising=False)


def test_nothing_set_means_nothing_real() -> None:
    assert config.load().real == frozenset()


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("DEEPSEEK_API_KEY", Part.MODEL),
        ("NATS_URL", Part.NATS),
        ("DATABASE_URL", Part.POSTGRES),
        ("EMBEDDING_BASE_URL", Part.EMBEDDING),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", Part.TRACES),
    ],
)
def test_one_setting_makes_one_part_real(name: str, part: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "something")
    assert config.load().real == {part}


def test_a_setting_in_dotenv_counts_and_reaches_the_children() -> None:
    Path(".env").write_text("DEEPSEEK_API_KEY=sk-real\nNATS_URL=\n", encoding="utf-8")
    assert config.load().real == {Part.MODEL}
    outer = config.outer_environment()
    assert outer["DEEPSEEK_API_KEY"] == "sk-real"
    assert "NATS_URL" not in outer


def test_environment_wins_over_dotenv(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("NATS_URL=nats://dotenv:4222\n", encoding="utf-8")
    monkeypatch.setenv("NATS_URL", "nats://environment:4222")
    assert config.outer_environment()["NATS_URL"] == "nats://environment:4222"


def test_all_four_wecom_settings_make_wecom_real(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in WECOM:
        monkeypatch.setenv(name, "x")
    assert config.load().real == {Part.WECOM}


def test_missing_wecom_settings_are_all_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WECOM_CORP_ID", "ww1")
    monkeypatch.setenv("WECOM_TOKEN", "do-not-print")
    with pytest.raises(SystemExit) as left:
        config.load()
    said = capsys.readouterr().err
    assert left.value.code == 2
    assert "WECOM_KF_SECRET is not set" in said
    assert "WECOM_ENCODING_AES_KEY is not set" in said
    assert "WECOM_CORP_ID is not set" not in said
    assert "do-not-print" not in said


def test_clean_environment_has_no_setting_of_the_product(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*WECOM, "DATABASE_URL", "KF_SENDER_RATE_PER_MINUTE", "PORT", "DEBUG"):
        monkeypatch.setenv(name, "x")
    clean = config.clean_environment()
    assert "PATH" in clean
    assert not {name for name in clean if name.startswith(("WECOM_", "KF_"))}
    assert not {"DATABASE_URL", "PORT", "DEBUG"} & clean.keys()


def test_loopback_never_goes_through_a_proxy() -> None:
    assert config.past_proxies({"NO_PROXY": "corp.example"})["NO_PROXY"] == "corp.example,127.0.0.1,localhost"
    assert config.past_proxies({})["no_proxy"] == "127.0.0.1,localhost"
