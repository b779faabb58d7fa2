"""The settings of the simulator, read from the environment and an optional .env file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from kf_simulator.faults import Fault
from kf_simulator.script import read


def _fault_list(value: object) -> object:
    return json.loads(value) if isinstance(value, str) else value


def _script_path(path: Path | None) -> Path | None:
    if path is not None:
        try:
            read(path)
        except OSError:
            raise ValueError("the file cannot be read") from None
        except ValidationError as error:
            raise ValueError(f"is no script: {error.errors()[0]['msg']}") from None
    return path


class Settings(BaseSettings):
    """Everything the simulator can be told at start; behaviour that tests turn is in Switches."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", env_ignore_empty=True)

    wecom_corp_id: str = Field("ww0123456789abcdef", min_length=4)
    wecom_kf_secret: SecretStr = SecretStr("simulator-secret")
    wecom_token: SecretStr = Field(SecretStr("simtoken01"), min_length=1, max_length=32)
    wecom_encoding_aes_key: SecretStr = Field(
        SecretStr("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"), min_length=43, max_length=43
    )
    kf_simulator_host: str = "127.0.0.1"
    kf_simulator_port: int = Field(8090, ge=0, le=65535)
    kf_simulator_callback_url: str = Field("", pattern=r"^(https?://.+)?$")
    kf_simulator_callback_retry_seconds: float = Field(2.0, ge=0)
    kf_simulator_accounts: str = Field("售前咨询,售后服务", min_length=1)
    kf_simulator_servicers: str = "zhangsan,lisi"
    kf_simulator_data_dir: Path | None = None
    kf_simulator_traces_url: str = ""
    kf_simulator_suggestions: str = ""
    kf_simulator_model_name: str = "deepseek-chat"
    kf_simulator_model_api_key: SecretStr = Field(SecretStr("simulator-key"), min_length=1)
    kf_simulator_send_limit_per_minute: int = Field(20, ge=0)
    kf_simulator_limit_scale: float = Field(1.0, gt=0)
    kf_simulator_faults: Annotated[list[Fault], NoDecode, BeforeValidator(_fault_list)] = []
    kf_simulator_script: Annotated[Path | None, AfterValidator(_script_path)] = None
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")

    @property
    def account_names(self) -> list[str]:
        """Names of the KF accounts that exist at the first start."""
        return _split(self.kf_simulator_accounts)

    @property
    def servicer_ids(self) -> list[str]:
        """Userids of the human servicers, who serve every account."""
        return _split(self.kf_simulator_servicers)

    @property
    def suggestions(self) -> list[str]:
        """Questions that the chat page offers to try, separated by `|`."""
        return [part.strip() for part in self.kf_simulator_suggestions.split("|") if part.strip()]


def load() -> Settings:
    """Read the settings; on a fault print one line for each of them (never the value) and exit with 2."""
    try:
        return Settings()
    except ValidationError as error:
        for fault in error.errors():
            name = str(fault["loc"][0]).upper()
            print(f"{name}: {fault['msg']}. Set it in the environment or in .env.", file=sys.stderr)
        raise SystemExit(2) from None


def _split(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]
