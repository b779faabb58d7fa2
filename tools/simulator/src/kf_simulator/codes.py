"""One-use codes for send_msg_on_event: welcome_code and msg_code, their lives and conditions (section 5)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kf_simulator import ids
from kf_simulator.records import State

_HOUR = 3600.0


class Situation(StrEnum):
    """Why a code was given out."""

    ENTERED = "entered"
    POOLED = "pooled"
    TAKEN = "taken"
    ENDED = "ended"


@dataclass(frozen=True)
class Terms:
    """How long a code lives, what it may carry, and the state the session must still be in."""

    seconds: float
    msgtypes: frozenset[str]
    state: State | None


_TEXT = frozenset({"text"})
_TEXT_OR_MENU = frozenset({"text", "msgmenu"})
TERMS = {
    Situation.ENTERED: Terms(20.0, _TEXT_OR_MENU, None),
    Situation.POOLED: Terms(48 * _HOUR, _TEXT, State.POOL),
    Situation.TAKEN: Terms(48 * _HOUR, _TEXT, State.HUMAN),
    Situation.ENDED: Terms(20.0, _TEXT_OR_MENU, State.ENDED),
}


@dataclass(frozen=True)
class Code:
    """A code as it was given out, at an epoch second."""

    value: str
    situation: Situation
    key: tuple[str, str]
    issued_at: float

    @property
    def terms(self) -> Terms:
        """The rules for this code."""
        return TERMS[self.situation]


class Codes:
    """All codes that can still be used."""

    def __init__(self) -> None:
        self._codes: dict[str, Code] = {}

    def issue(self, situation: Situation, key: tuple[str, str], now: float) -> str:
        """A fresh code; those that expired long ago are forgotten on the way."""
        while self._codes:
            oldest = next(iter(self._codes.values()))
            if now - oldest.issued_at <= 48 * _HOUR:
                break
            del self._codes[oldest.value]
        code = Code(ids.one_use_code(), situation, key, now)
        self._codes[code.value] = code
        return code.value

    def find(self, value: str, now: float) -> Code | None:
        """The code if it is known, unused and alive."""
        code = self._codes.get(value)
        return code if code and now - code.issued_at <= code.terms.seconds else None

    def spend(self, code: Code) -> None:
        """Use a code up."""
        self._codes.pop(code.value, None)

    def withdraw(self, situation: Situation, key: tuple[str, str]) -> None:
        """Make the codes of a situation void, as a sent welcome does."""
        for code in [c for c in self._codes.values() if c.key == key and c.situation is situation]:
            self.spend(code)
