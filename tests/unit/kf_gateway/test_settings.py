from pathlib import Path

import pytest
from kf_gateway.settings import Settings
from kf_runtime.settings import load

GOOD = {
    "WECOM_CORP_ID": "ww0123456789abcdef",
    "WECOM_KF_SECRET": "kf-secret",
    "WECOM_TOKEN": "simtoken01",
    "WECOM_ENCODING_AES_KEY": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
}


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)


def test_four_values_are_enough() -> None:
    settings = load(Settings)
    assert (settings.host, settings.port, settings.wecom_api_base) == (
        "0.0.0.0",
        8000,
        "https://qyapi.weixin.qq.com",
    )


def test_secrets_do_not_show() -> None:
    shown = repr(load(Settings))
    assert not any(GOOD[name] in shown for name in GOOD if name != "WECOM_CORP_ID")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WECOM_ENCODING_AES_KEY", "tooshort-secret"),
        ("WECOM_ENCODING_AES_KEY", "-" * 43),
        ("WECOM_TOKEN", "bad token secret"),
        ("WECOM_CORP_ID", "ww 1"),
        ("WECOM_API_BASE", "qyapi.weixin.qq.com"),
        ("PORT", "70000"),
        ("KF_NATS_REPLICAS", "9"),
        ("KF_GATEWAY_POLL_SECONDS", "0"),
    ],
)
def test_a_malformed_value_is_named_and_never_printed(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit, match="2"):
        load(Settings)
    printed = capsys.readouterr().err
    assert name in printed
    assert "secret" not in printed
    assert "-" * 43 not in printed


def test_all_missing_values_are_listed_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in GOOD:
        monkeypatch.delenv(name)
    with pytest.raises(SystemExit, match="2"):
        load(Settings)
    printed = capsys.readouterr().err
    assert all(f"{name} is not set" in printed for name in GOOD)
