"""What a check finds: that something is fine, or a diagnosis with the facts of this case."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    SKIPPED = "skipped"
    WARNING = "warning"
    FAULT = "fault"

    @property
    def rank(self) -> int:
        """0 for ok, higher for worse."""
        return list(Level).index(self)


@dataclass(frozen=True)
class Finding:
    """`diagnosis` names an entry of the catalogue, or `errcode.N` one of WeCom's; empty when all is well.

    `facts` fill the entry's sentences; they never hold a secret, a customer's id or text.
    """

    level: Level
    diagnosis: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    detail: str = ""
    """Of a finding that is fine: what was seen, in a few words."""


def fine(detail: str = "") -> Finding:
    """All is well; `detail` says what was seen."""
    return Finding(Level.OK, detail=detail)


def skipped(reason: str) -> Finding:
    """There was nothing to look at."""
    return Finding(Level.SKIPPED, detail=reason)


def worst(levels: Iterable[Level]) -> Level:
    """The worst of them; ok for none."""
    return max(levels, key=lambda level: level.rank, default=Level.OK)
