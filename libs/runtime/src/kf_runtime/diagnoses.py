"""The words of everything that can be wrong with an installation, in two languages, from diagnoses.toml.

A service that cannot start says them, `kf doctor` says them, and the troubleshooting guide is made from them.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any


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

    `level` is fault or warning. `menu` is where to click in WeCom's admin site, `prove` the command that
    shows the mend, `symptom` the section of the troubleshooting guide it belongs to.
    """

    name: str
    level: str
    cause: Words
    harm: Words
    remedy: Words
    menu: str = ""
    prove: str = ""
    symptom: str = ""

    def of(self, facts: Mapping[str, str]) -> "Diagnosis":
        """This diagnosis with the facts of one case; they never hold a secret or a customer's words."""
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

    def lines(self) -> Iterator[str]:
        """For people: what it is, what to do, where to click, what proves the mend."""
        yield f"{self.cause.zh} / {self.cause.en}"
        yield f"处理：{self.remedy.zh}"
        yield f"mend: {self.remedy.en}"
        if self.menu:
            yield f"菜单 / menu: {self.menu}"
        yield f"验证 / then: {self.prove}"

    def __str__(self) -> str:
        return f"{self.cause.en}: {self.remedy.en} / {self.cause.zh}：{self.remedy.zh}"


def diagnosed(name: str, /, **facts: object) -> Diagnosis:
    """The diagnosis of a name with the facts of one case; KeyError for a name that is none."""
    return CATALOGUE[name].of({key: str(value) for key, value in facts.items()})


def _diagnosis(name: str, row: Mapping[str, Any]) -> Diagnosis:
    return Diagnosis(
        name=name,
        level=row.get("level", "fault"),
        cause=Words(row["cause_zh"], row["cause_en"]),
        harm=HARMS[row["harm"]],
        remedy=Words(row["remedy_zh"], row["remedy_en"]),
        menu=row.get("menu", ""),
        prove=row["prove"],
        symptom=row["symptom"],
    )


_TABLE = tomllib.loads(files("kf_runtime").joinpath("diagnoses.toml").read_text(encoding="utf-8"))
HARMS = {name: Words(row["zh"], row["en"]) for name, row in _TABLE["harm"].items()}
"""Whom it hurts."""
CATALOGUE = {name: _diagnosis(name, row) for name, row in _TABLE["diagnosis"].items()}
SETTINGS: Mapping[str, Mapping[str, str]] = _TABLE["setting"]
"""What a setting is in Chinese (`zh`) and where it is found (`menu`), for those that people are asked for."""
SYMPTOM_OF_ERRCODE: Mapping[int, str] = {
    code: symptom for symptom, codes in _TABLE["errcodes"].items() for code in codes
}
"""The section of the guide in which an errcode of WeCom's is explained."""
