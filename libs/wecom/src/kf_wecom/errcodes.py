"""The one catalogue of WeCom's errcodes and msg_send_fail types, read from errcodes.toml."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from typing import Any, Literal


class ErrorClass(StrEnum):
    """What an errcode asks of us."""

    OK = "ok"
    REFRESH = "refresh"
    """The access token is dead. The client has already refreshed once when a caller sees it: back off."""
    BACK_OFF = "back_off"
    """Try the same call again after `wait_seconds`."""
    STATE = "state"
    """Read service_state and decide by who holds the session."""
    WINDOW = "window"
    """Nothing can be sent until the customer speaks again."""
    SERVICER = "servicer"
    """This servicer cannot take the session: the next one, the pool, or tell the customer."""
    CONFIG = "config"
    """An operator must mend something; keep every message and probe slowly."""
    PAYLOAD = "payload"
    """This request can never succeed."""
    TOKEN_LESS = "token_less"  # noqa: S105
    """The callback's Token is dead: pull once without it."""
    MSGID_USED = "msgid_used"
    """WeCom has seen this msgid: the message was sent before."""
    UNKNOWN = "unknown"
    """Not in the catalogue: permanent, and worth an alert."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One errcode: its class, why it comes and what mends it.

    `menu` is the path in the admin site where an operator clicks; `wait_seconds` the least pause before the
    same call may succeed; `refresh_once` says that a fresh access token may cure it; `scope` whom a config
    fault concerns. A remedy may contain `{from_ip}`.
    """

    code: int
    error_class: ErrorClass
    cause_zh: str
    cause_en: str
    remedy_zh: str
    remedy_en: str
    menu: str = ""
    wait_seconds: int = 0
    refresh_once: bool = False
    scope: Literal["corp", "account"] = "corp"


@dataclass(frozen=True, slots=True)
class SendFailure:
    """One fail_type of a msg_send_fail event, with the class an errcode of that meaning would have."""

    fail_type: int
    error_class: ErrorClass
    cause_zh: str
    cause_en: str
    remedy_zh: str
    remedy_en: str


def lookup(code: int) -> Entry:
    """The entry of a code; a code not in the catalogue gets one of class unknown."""
    return CATALOGUE.get(code) or _unknown(code)


def classify(code: int, errmsg: str) -> Entry:
    """The entry of an answer.

    The code of a msgid sent twice is not documented: any answer that calls the msgid a duplicate is taken for
    one, and so is an unknown code that speaks of the msgid without finding fault with its form.
    """
    if _MSGID_TAKEN.search(errmsg):
        return _msgid_used(code)
    speaks_of_it = "msgid" in errmsg.lower() and not _MSGID_FORM.search(errmsg)
    return _msgid_used(code) if speaks_of_it and code not in CATALOGUE else lookup(code)


def send_failure(fail_type: int) -> SendFailure:
    """What a fail_type means; one not in the list means what 0 means."""
    known = SEND_FAILURES.get(fail_type)
    return known or SendFailure(fail_type, ErrorClass.UNKNOWN, *_UNKNOWN_FAILURE)


_MSGID_TAKEN = re.compile(
    r"msgid\W.*\b(duplicat|repeat|already|(?<!not )exist(s|ed)?\b|(?<!not )used\b)", re.IGNORECASE
)
_MSGID_FORM = re.compile(
    r"empty|missing|invalid|illegal|exceed|length|format|not found|not exist", re.IGNORECASE
)
_UNKNOWN_FAILURE = (
    "微信未说明原因",
    "WeCom does not say why",
    "查看日志中的 fail_type 并联系企业微信客服支持",
    "look up the fail_type in the log and ask WeCom support",
)


def _unknown(code: int) -> Entry:
    return Entry(
        code,
        ErrorClass.UNKNOWN,
        cause_zh=f"未收录的错误码 {code}",
        cause_en=f"errcode {code} is not in the catalogue",
        remedy_zh="用错误码查询工具查看含义，并把 hint 提供给企业微信客服支持",
        remedy_en="look the code up in WeCom's errcode query tool and give the hint to WeCom support",
    )


def _msgid_used(code: int) -> Entry:
    return Entry(
        code,
        ErrorClass.MSGID_USED,
        cause_zh="该 msgid 已经发送过",
        cause_en="this msgid was sent before",
        remedy_zh="无需处理：消息先前已被接收；请核对错误码以便收录",
        remedy_en="nothing to do: the message was accepted before; report the code for the catalogue",
    )


def _entries(table: dict[str, Any]) -> Iterator[Entry]:
    for row in table["errcode"]:
        details = {name: value for name, value in row.items() if name not in ("codes", "class")}
        for code in row["codes"]:
            yield Entry(code=code, error_class=ErrorClass(row["class"]), **details)


def _failures(table: dict[str, Any]) -> Iterator[SendFailure]:
    for row in table["fail_type"]:
        details = {name: value for name, value in row.items() if name not in ("types", "class")}
        for fail_type in row["types"]:
            yield SendFailure(fail_type=fail_type, error_class=ErrorClass(row["class"]), **details)


_TABLE = tomllib.loads(files("kf_wecom").joinpath("errcodes.toml").read_text(encoding="utf-8"))
CATALOGUE = {entry.code: entry for entry in _entries(_TABLE)}
SEND_FAILURES = {failure.fail_type: failure for failure in _failures(_TABLE)}
