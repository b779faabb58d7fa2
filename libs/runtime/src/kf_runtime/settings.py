"""The settings every service shares, and one report of everything that is wrong with a service's settings."""

import re
import sys
from typing import Annotated, Any, NoReturn, TypeVar

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from kf_runtime import diagnoses

EXIT_CONFIG = 2


class ServiceSettings(BaseSettings):
    """Base of a service's flat settings: a field's name in capitals is the environment variable.

    The environment wins over `.env` in the working directory; an empty variable counts as missing.
    Every field has a description; `json_schema_extra={"remedy": ...}` says how to mend a fault.
    """

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    debug: bool = Field(default=False, description="Readable console logs instead of JSON, and level DEBUG.")
    log_level: str = Field(
        default="INFO",
        pattern=r"^(DEBUG|INFO|WARNING|ERROR)$",
        description="The least severe level that is logged.",
        json_schema_extra={"remedy": "Use DEBUG, INFO, WARNING or ERROR."},
    )
    kf_log_dir: str = Field(
        default="", description="Folder for app_YYYYMMDD.log and error_YYYYMMDD.log; empty: none."
    )


_HOST = r"(\[[0-9A-Fa-f:.]+\]|[^\s:/?#\[\]@,]+)?(:\d{1,5})?"
_POSTGRES_URL = re.compile(rf"postgres(ql)?://([^\s/?#\[\]@]*@)?{_HOST}(,{_HOST})*(/[^?#\s]*)?(\?[^#\s]*)?")
_NATS_URL = re.compile(rf"((nats|tls|ws|wss)://)?([^\s/?#@]*@)?{_HOST}/?")


def _postgres_url(value: SecretStr) -> SecretStr:
    if not _POSTGRES_URL.fullmatch(value.get_secret_value()):
        raise ValueError("is not a PostgreSQL URL")
    return value


def _nats_url(value: str) -> str:
    if not all(server.strip() and _NATS_URL.fullmatch(server.strip()) for server in value.split(",")):
        raise ValueError("is not the URL of a NATS server")
    return value


PostgresUrl = Annotated[SecretStr, AfterValidator(_postgres_url)]
"""postgresql://user:password@host:port/database; checked at the start, where it can be explained."""
POSTGRES_URL_REMEDY = (
    "Use postgresql://user:password@host:port/database; "
    "in the password write / # ? @ [ ] as %2F %23 %3F %40 %5B %5D."
)
NatsUrl = Annotated[str, AfterValidator(_nats_url)]
"""nats://host:port, several separated by commas."""
NATS_URL_REMEDY = "Use nats://host:4222; several servers are separated by commas."

SettingsT = TypeVar("SettingsT", bound=BaseSettings)

_WORDS = {
    "missing": ("is not set", "未设置"),
    "bool_parsing": ("is neither true nor false", "不是 true 或 false"),
    "int_parsing": ("is not a whole number", "不是整数"),
    "float_parsing": ("is not a number", "不是数字"),
    "string_pattern_mismatch": ("does not have the right form", "格式不对"),
}


def _fault(cls: type[BaseSettings], error: Any) -> str:
    """One line: the name, what is wrong, how to mend it. Never the value: it may be a secret."""
    name = str(error["loc"][0]) if error["loc"] else "settings"
    field = cls.model_fields.get(name)
    own_words = error["msg"][:1].lower() + error["msg"][1:]
    what, what_zh = _WORDS.get(error["type"], (own_words, "的值不正确"))
    if error["type"] == "value_error":
        what = str(error["ctx"]["error"])
    extra = field.json_schema_extra if field else None
    remedy = str(extra.get("remedy", "")) if isinstance(extra, dict) else ""
    hint = remedy or (field.description if field and field.description else "")
    return f"{name.upper()} {what}. {hint} / {name.upper()} {what_zh}{_in_chinese(name.upper())}"


def _in_chinese(name: str) -> str:
    """What the setting is and where to find it, as far as the catalogue says it."""
    known = diagnoses.SETTINGS.get(name, {})
    menu = f"（{known['menu']}）" if "menu" in known else ""
    return f"：{known['zh']}{menu}" if known else ""


def faults(cls: type[BaseSettings], error: ValidationError) -> list[str]:
    """Every fault of one failed load, a line each."""
    return [_fault(cls, e) for e in error.errors(include_url=False, include_input=False)]


def load(cls: type[SettingsT]) -> SettingsT:
    """Read the settings from the environment; on any fault print all of them and leave with status 2."""
    try:
        return cls()
    except ValidationError as error:
        service = cls.__module__.split(".")[0].replace("_", "-")
        stop(f"{service}: cannot start / 服务无法启动", faults(cls, error))


def stop(headline: str, lines: list[str]) -> NoReturn:
    """Print one readable block on standard error and leave with status 2: only people can mend this."""
    print("\n".join([headline, *(f"  - {line}" for line in lines)]), file=sys.stderr, flush=True)  # noqa: T201
    raise SystemExit(EXIT_CONFIG)
