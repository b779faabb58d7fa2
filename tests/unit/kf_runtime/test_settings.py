from pathlib import Path

import pytest
from kf_runtime.settings import ServiceSettings, load
from pydantic import Field, SecretStr, field_validator


class Settings(ServiceSettings):
    wecom_kf_secret: SecretStr = Field(description="The app's secret.")
    wecom_token: str = Field(
        pattern=r"^\w{1,32}$", json_schema_extra={"remedy": "1 to 32 letters or digits."}
    )
    kf_test_workers: int = Field(default=1, ge=1, description="How many.")

    @field_validator("wecom_kf_secret")
    @classmethod
    def _no_spaces(cls, value: SecretStr) -> SecretStr:
        if " " in value.get_secret_value():
            raise ValueError("has a space in it")
        return value


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_all_faults_are_named_at_once_with_their_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WECOM_TOKEN", "not a token!")
    monkeypatch.setenv("KF_TEST_WORKERS", "many")
    with pytest.raises(SystemExit) as left:
        load(Settings)
    text = capsys.readouterr().err
    assert left.value.code == 2
    assert "WECOM_KF_SECRET is not set. The app's secret." in text
    assert "WECOM_TOKEN does not have the right form. 1 to 32 letters or digits." in text
    assert "KF_TEST_WORKERS is not a whole number. How many." in text


def test_a_fault_never_shows_the_value(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WECOM_KF_SECRET", "hunter2 with space")
    monkeypatch.setenv("WECOM_TOKEN", "hunter2 !")
    with pytest.raises(SystemExit):
        load(Settings)
    text = capsys.readouterr().err
    assert "WECOM_KF_SECRET has a space in it." in text
    assert "hunter2" not in text


def test_an_empty_variable_counts_as_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WECOM_KF_SECRET", "")
    monkeypatch.setenv("WECOM_TOKEN", "abc")
    with pytest.raises(SystemExit):
        load(Settings)
    assert "WECOM_KF_SECRET is not set" in capsys.readouterr().err


def test_the_environment_wins_over_the_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("WECOM_KF_SECRET=fromfile\nWECOM_TOKEN=filetoken\nOTHER=1\n")
    monkeypatch.setenv("WECOM_TOKEN", "envtoken")
    settings = load(Settings)
    assert settings.wecom_token == "envtoken"
    assert settings.wecom_kf_secret.get_secret_value() == "fromfile"
    assert "fromfile" not in repr(settings)
