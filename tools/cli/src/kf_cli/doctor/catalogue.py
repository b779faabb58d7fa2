"""The words of every diagnosis: cause, harm, remedy and proof, in Chinese and English, from catalogue.toml.

A diagnosis `errcode.N` takes its words from WeCom's catalogue (kf_wecom.errcodes): nothing is said twice.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from kf_wecom.errcodes import ErrorClass, lookup
from kf_wecom.errors import ApiError

from kf_cli.doctor.finding import Finding, Level

ERRCODE = "errcode."
_HARM_OF_CLASS = {
    ErrorClass.CONFIG: "silent",
    ErrorClass.STATE: "human",
    ErrorClass.BACK_OFF: "late",
    ErrorClass.REFRESH: "late",
    ErrorClass.SERVICER: "handover",
}


@dataclass(frozen=True)
class Words:
    """One text in both languages; `{name}` stands for a fact."""

    zh: str
    en: str

    def filled(self, facts: Mapping[str, str]) -> "Words":
        """With the facts in their places; a fact that is not there stays visible as its name."""
        known = _Facts(facts)
        return Words(self.zh.format_map(known), self.en.format_map(known))


class _Facts(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return f"<{name}>"


@dataclass(frozen=True)
class Diagnosis:
    """One thing that can be wrong.

    `menu` is where to click in WeCom's admin site, `prove` the command that shows the mend, `symptom` the
    section of the troubleshooting guide it belongs to.
    """

    name: str
    level: Level
    cause: Words
    harm: Words
    remedy: Words
    menu: str = ""
    prove: str = ""
    symptom: str = ""

    def of(self, facts: Mapping[str, str]) -> "Diagnosis":
        """This diagnosis with the facts of one case."""
        return Diagnosis(
            self.name,
            self.level,
            self.cause.filled(facts),
            self.harm.filled(facts),
            self.remedy.filled(facts),
            self.menu or facts.get("menu", ""),
            self.prove.format_map(_Facts(facts)),
            self.symptom,
        )


def diagnosis(name: str) -> Diagnosis:
    """The entry of a name; KeyError for one that is neither in the catalogue nor an errcode."""
    if name.startswith(ERRCODE):
        return _of_errcode(int(name.removeprefix(ERRCODE)))
    return CATALOGUE[name]


def found(name: str, /, **facts: object) -> Finding:
    """A finding at the level that the catalogue gives it."""
    return Finding(diagnosis(name).level, name, {key: str(value) for key, value in facts.items()})


def refused(error: ApiError, level: Level = Level.FAULT) -> Finding:
    """WeCom refused a call of ours."""
    facts = {"api": error.api, "from_ip": error.from_ip or "?", "hint": error.hint or "-"}
    return Finding(level, f"{ERRCODE}{error.code}", facts)


def explained(finding: Finding) -> Diagnosis:
    """The whole diagnosis of a finding that is one."""
    return diagnosis(finding.diagnosis).of(finding.facts)


def _of_errcode(code: int) -> Diagnosis:
    entry = lookup(code)
    fault = entry.error_class in (ErrorClass.CONFIG, ErrorClass.REFRESH)
    return Diagnosis(
        name=f"{ERRCODE}{code}",
        level=Level.FAULT if fault else Level.WARNING,
        cause=Words(f"错误码 {code}：{entry.cause_zh}", f"errcode {code}: {entry.cause_en}"),
        harm=HARMS[_HARM_OF_CLASS.get(entry.error_class, "some")],
        remedy=Words(entry.remedy_zh, entry.remedy_en),
        menu=entry.menu,
        prove=f"kf errcode {code} && kf doctor",
        symptom=_SYMPTOM_OF_ERRCODE.get(code, "wecom"),
    )


def _diagnosis(name: str, row: Mapping[str, Any]) -> Diagnosis:
    return Diagnosis(
        name=name,
        level=Level(row.get("level", "fault")),
        cause=Words(row["cause_zh"], row["cause_en"]),
        harm=HARMS[row["harm"]],
        remedy=Words(row["remedy_zh"], row["remedy_en"]),
        menu=row.get("menu", ""),
        prove=row.get("prove", "kf doctor"),
        symptom=row["symptom"],
    )


_TABLE = tomllib.loads(files("kf_cli.doctor").joinpath("catalogue.toml").read_text(encoding="utf-8"))
HARMS = {name: Words(row["zh"], row["en"]) for name, row in _TABLE["harm"].items()}
CATALOGUE = {name: _diagnosis(name, row) for name, row in _TABLE["diagnosis"].items()}
SETTINGS: Mapping[str, Mapping[str, str]] = _TABLE["setting"]
"""What a setting is in Chinese (`zh`) and where it is found (`menu`), for those that people are asked for."""
_SYMPTOM_OF_ERRCODE = {code: name for name, codes in _TABLE["errcodes"].items() for code in codes}
