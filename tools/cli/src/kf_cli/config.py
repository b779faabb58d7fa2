"""What `kf run` is told by the environment or .env: which parts are real, where its data is kept."""

import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from dotenv import dotenv_values
from kf_runtime.settings import faults, stop
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

HEADLINE = "kf cannot start / 无法启动"
_WECOM = ("wecom_corp_id", "wecom_kf_secret", "wecom_token", "wecom_encoding_aes_key")
_NO_PROXY = "127.0.0.1,localhost"
_OURS = ("WECOM_", "DEEPSEEK_", "EMBEDDING_", "KF_", "OTEL_")
_OURS_WHOLE = {"DATABASE_URL", "NATS_URL", "DEBUG", "LOG_LEVEL", "HOST", "PORT"}


class Part(StrEnum):
    """What a stack can have embedded or simulated, or take from outside."""

    WECOM = "WeCom"
    MODEL = "model"
    NATS = "NATS"
    POSTGRES = "PostgreSQL"
    EMBEDDING = "embeddings"
    TRACES = "traces"


class RunSettings(BaseSettings):
    """The settings that choose between the real and the embedded or simulated parts; all may be empty."""

    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    host: str = Field(
        "", description="Address of the gateway; empty: this machine only, or 0.0.0.0 for WeCom."
    )
    kf_data_dir: Path = Field(Path(".kefu"), description="Where the embedded parts keep their data.")
    kf_log_dir: Path = Field(Path("logs"), description="Folder of the services' log files.")
    wecom_corp_id: str = ""
    wecom_kf_secret: SecretStr = SecretStr("")
    wecom_token: SecretStr = SecretStr("")
    wecom_encoding_aes_key: SecretStr = SecretStr("")
    deepseek_api_key: SecretStr = SecretStr("")
    nats_url: str = ""
    database_url: SecretStr = SecretStr("")
    embedding_base_url: str = ""
    otel_exporter_otlp_endpoint: str = ""

    @property
    def real(self) -> frozenset[Part]:
        """The parts that exist outside."""
        given = {
            Part.WECOM: self.wecom_corp_id,
            Part.MODEL: self.deepseek_api_key.get_secret_value(),
            Part.NATS: self.nats_url,
            Part.POSTGRES: self.database_url.get_secret_value(),
            Part.EMBEDDING: self.embedding_base_url,
            Part.TRACES: self.otel_exporter_otlp_endpoint,
        }
        return frozenset(part for part, value in given.items() if value)

    def missing_wecom(self) -> list[str]:
        """The names of the WeCom settings that are not there although others are."""
        values = {name: getattr(self, name) for name in _WECOM}
        missing = [name.upper() for name, value in values.items() if not value]
        return missing if len(missing) < len(_WECOM) else []


SettingsT = TypeVar("SettingsT", bound=BaseSettings)


def read(cls: type[SettingsT]) -> SettingsT:
    """Read settings; on any fault print all of them and leave with status 2."""
    try:
        return cls()
    except ValidationError as error:
        stop(HEADLINE, faults(cls, error))


def load() -> RunSettings:
    """Read RunSettings; some of WeCom's four names without the others is a fault (status 2)."""
    settings = read(RunSettings)
    missing = settings.missing_wecom()
    mend = "is not set, other WECOM_* settings are. Set all four, or none of them for the simulator."
    if missing:
        stop(HEADLINE, [f"{name} {mend}" for name in missing])
    return settings


def outer_environment() -> dict[str, str]:
    """The environment with what only .env says, as our processes would read the two together."""
    written = {name: value for name, value in dotenv_values(".env").items() if value}
    given = {name: value for name, value in os.environ.items() if value}
    return past_proxies(written | given)


def clean_environment() -> dict[str, str]:
    """The environment without any setting of this product: a stack that must not touch anything real."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_OURS) and name not in _OURS_WHOLE
    }
    return past_proxies(kept)


def past_proxies(environment: Mapping[str, str]) -> dict[str, str]:
    """The same, with a proxy left out for loopback: our own parts talk to each other directly."""
    result = dict(environment)
    for name in ("NO_PROXY", "no_proxy"):
        result[name] = ",".join(part for part in (result.get(name, ""), _NO_PROXY) if part)
    return result
