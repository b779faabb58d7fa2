"""Settings of the dashboard, read from KF_TRACES_* and .env."""

import sys
from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

_PREFIX = "KF_TRACES_"


class Settings(BaseSettings):
    """Where the dashboard listens and how much it keeps; port 0 takes any free one."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, env_file=".env", extra="ignore", frozen=True)

    host: str = Field("127.0.0.1", min_length=1)
    port: int = Field(16686, ge=0, le=65535)
    otlp_grpc_port: int = Field(4317, ge=0, le=65535)
    otlp_http_port: int = Field(4318, ge=0, le=65535)
    data_dir: Path = Path(".kefu/traces")
    max_mb: int = Field(256, ge=1)


def load_settings() -> Settings:
    """Read the settings; prints one line for each fault and exits with 2 when there are any."""
    try:
        return Settings()
    except ValidationError as error:
        for fault in error.errors():
            name = _PREFIX + ".".join(str(part) for part in fault["loc"]).upper()
            print(f"{name}: {fault['msg']} (given: {fault['input']!r})", file=sys.stderr)
        raise SystemExit(2) from None
