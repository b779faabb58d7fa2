"""Examines the settings: each one's form, what is missing, what looks like a slip of the pen."""

import difflib
import re
from collections.abc import Callable, Mapping
from typing import Any

from kf_runtime.diagnoses import SETTINGS
from kf_runtime.settings import NatsUrl, PostgresUrl
from kf_wecom.crypto import CallbackCrypto
from pydantic import TypeAdapter, ValidationError

from kf_cli.doctor.catalogue import found
from kf_cli.doctor.examination import Check
from kf_cli.doctor.finding import Finding, fine
from kf_cli.doctor.system import System
from kf_cli.doctor.target import ADDRESS_SETTINGS, SPECS

_OURS = re.compile(r"(WECOM|DEEPSEEK|EMBEDDING|KF)_[A-Z0-9_]+")
_LIKENESS = 0.85
# Valid partners for checking one setting of the callback's crypto alone.
_TOKEN, _AES_KEY, _CORP_ID = "token", "A" * 43, "ww0"
_PAIR = re.compile(r"([0-9A-Za-z_-]{1,64}|\*)=[0-9A-Za-z_-]{1,64}")

Problem = tuple[str, str] | None
"""What is wrong with a value, in Chinese and in English, without the value; None: nothing."""


async def settings(system: System) -> list[Finding]:
    """Every setting by its service's rules; names that nothing reads but that look like ours."""
    findings = []
    for name, spec in SPECS.items():
        value = system.target.values.get(name, "")
        problem = fault_of(name, value)
        if not value and spec["required"]:
            findings.append(found("setting.missing", name=name, **_help(name)))
        elif problem:
            words = {"problem_zh": problem[0], "problem": problem[1]}
            findings.append(found("setting.malformed", name=name, **_help(name), **words))
    findings += _missing_partners(system)
    system.wrong_settings |= {finding.facts["name"] for finding in findings}
    return [*findings, *_slips(system.target.values)] or [
        fine(f"{len(SPECS)} 项配置有效 / {len(SPECS)} settings are well-formed, from {system.target.origin}")
    ]


def fault_of(name: str, value: str) -> Problem:
    """What is wrong with one value; an empty one counts as not given."""
    spec = SPECS[name]
    if not value:
        return None
    if value != value.strip() or value[:1] in "\"'" or (spec["secret"] and re.search(r"\s", value)):
        return "含有多余的空格或引号", "it holds spaces or quotes that do not belong there"
    if name in _SPECIAL:
        return _SPECIAL[name](value)
    return _by_rules(spec, value)


def _by_rules(spec: Mapping[str, Any], value: str) -> Problem:
    kind = spec["type"]
    if kind == "boolean":
        known = {"true", "false", "1", "0", "yes", "no", "on", "off", "t", "f", "y", "n"}
        return None if value.lower() in known else ("不是 true 或 false", "it is neither true nor false")
    if kind in ("integer", "number"):
        return _number(spec, value)
    if "pattern" in spec and not re.search(spec["pattern"], value):
        return "格式不对", "it does not have the right form"
    return None


def _number(spec: Mapping[str, Any], value: str) -> Problem:
    try:
        number = int(value) if spec["type"] == "integer" else float(value)
    except ValueError:
        return "不是数字", "it is not a number"
    too_small = number < spec.get("minimum", number) or number <= spec.get("exclusiveMinimum", number - 1)
    too_large = number > spec.get("maximum", number)
    if too_small or too_large:
        low = spec.get("minimum", spec.get("exclusiveMinimum", "-"))
        limits = f"{low} ... {spec.get('maximum', '-')}"
        return f"超出范围 {limits}", f"it is out of range ({limits})"
    return None


def _callback_token(value: str) -> Problem:
    try:
        CallbackCrypto(value, _AES_KEY, _CORP_ID)
    except ValueError:
        return "应为 1 到 32 位字母和数字", "it must be 1 to 32 letters and digits"
    return None


def _callback_aes_key(value: str) -> Problem:
    try:
        CallbackCrypto(_TOKEN, value, _CORP_ID)
    except ValueError:
        wrong = (
            f"应为 43 位字母和数字，现为 {len(value)} 位",
            f"it must be 43 letters and digits, not {len(value)}",
        )
        return (
            wrong
            if len(value) != len(_AES_KEY)
            else ("含有字母和数字以外的字符", "it holds other characters")
        )
    return None


def _url(kind: Any) -> Callable[[str], Problem]:
    adapter: TypeAdapter[Any] = TypeAdapter(kind)

    def check(value: str) -> Problem:
        try:
            adapter.validate_python(value)
        except ValidationError:
            return "不是有效的地址", "it is not a valid address"
        return None

    return check


def _collections(value: str) -> Problem:
    parts = [part.strip() for part in value.split(",") if part.strip()]
    if all(_PAIR.fullmatch(part) for part in parts):
        return None
    return "有一项不是 open_kfid=集合", "a part is not open_kfid=collection"


_SPECIAL: Mapping[str, Callable[[str], Problem]] = {
    "WECOM_TOKEN": _callback_token,
    "WECOM_ENCODING_AES_KEY": _callback_aes_key,
    "DATABASE_URL": _url(PostgresUrl),
    "NATS_URL": _url(NatsUrl),
    "KF_DIALOG_COLLECTIONS": _collections,
}


def _missing_partners(system: System) -> list[Finding]:
    if system.get("EMBEDDING_BASE_URL") and not system.get("EMBEDDING_MODEL"):
        return [found("setting.missing", name="EMBEDDING_MODEL", **_help("EMBEDDING_MODEL"))]
    return []


def _slips(values: Mapping[str, str]) -> list[Finding]:
    known = [*SPECS, *ADDRESS_SETTINGS.values()]
    findings = []
    for name in values:
        if name in known or not _OURS.fullmatch(name):
            continue
        like = difflib.get_close_matches(name, known, n=1, cutoff=_LIKENESS)
        # What is set under its right name too was left behind on purpose, or does no harm.
        if like and not values.get(like[0]):
            findings.append(found("setting.unknown", name=name, known=like[0]))
    return findings


def _help(name: str) -> dict[str, str]:
    """What the setting is, in both languages, and where it is found."""
    spec, ours = SPECS[name], SETTINGS.get(name, {})
    english = " ".join(str(spec.get(key, "")) for key in ("description", "remedy")).strip()
    return {"help": english, "help_zh": ours.get("zh", english), "menu": ours.get("menu", "")}


CHECKS = (Check("settings", "配置", "settings", settings),)
