from pathlib import Path

import pytest
from kf_runtime.settings import (
    NATS_URL_REMEDY,
    POSTGRES_URL_REMEDY,
    NatsUrl,
    PostgresUrl,
    ServiceSettings,
    load,
)
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


class Urls(ServiceSettings):
    database_url: PostgresUrl = Field(json_schema_extra={"remedy": POSTGRES_URL_REMEDY})
    nats_url: NatsUrl = Field(json_schema_extra={"remedy": NATS_URL_REMEDY})


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://app@127.0.0.1:5432/postgres",
        "postgres://u:p%2Fss@db.example/x?sslmode=require",
        "postgresql://u:p@h1:5432,h2:5433/x",
        "postgresql://u:p@[::1]:5432/x",
        "postgresql:///x?host=/run/postgresql",
    ],
)
def test_a_postgres_url_is_taken(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("NATS_URL", "nats://a:4222, tls://user:pass@b:4222,c")
    assert load(Urls).database_url.get_secret_value() == url


@pytest.mark.parametrize(
    "url",
    [
        "foo",
        "mysql://u:p@h/x",
        "postgresql://u:hunter/2@h:5432/x",
        "postgresql://u:hunter#2@h:5432/x",
        "postgresql://u:hunter[2@h/x",
        "postgresql://u:hunter@h:port/x",
    ],
)
def test_a_malformed_url_is_explained_and_not_shown(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("NATS_URL", "http://x:y:z")
    with pytest.raises(SystemExit):
        load(Urls)
    text = capsys.readouterr().err
    assert "DATABASE_URL is not a PostgreSQL URL. Use postgresql://" in text
    assert "NATS_URL is not the URL of a NATS server. Use nats://" in text
    assert "hunter" not in text
