"""One-use codes for send_msg_on_event: welcome_code and msg_code, their lives and conditions (section 5)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kf_simulator import ids
from kf_simulator.journal import Journal
from kf_simulator.records import Json, State

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

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._codes: dict[str, Code] = {}

    def issue(self, situation: Situation, key: tuple[str, str], now: float) -> str:
        """A fresh code; those that expired long ago are forgotten on the way."""
        while self._codes:
            oldest = next(iter(self._codes.values()))
            if now - oldest.issued_at <= 48 * _HOUR:
                break
            self.spend(oldest)
        code = Code(ids.one_use_code(), situation, key, now)
        self._keep(code)
        return code.value

    def find(self, value: str, now: float) -> Code | None:
        """The code if it is known, unused and alive."""
        code = self._codes.get(value)
        return code if code and now - code.issued_at <= code.terms.seconds else None

    def spend(self, code: Code) -> None:
        """Use a code up."""
        if self._codes.pop(code.value, None):
            self._journal.drop("code", code.value)

    def withdraw(self, situation: Situation, key: tuple[str, str]) -> None:
        """Make the codes of a situation void, as a sent welcome does."""
        for code in [c for c in self._codes.values() if c.key == key and c.situation is situation]:
            self.spend(code)

    def restore(self, documents: dict[str, Json]) -> None:
        """Take back what a run before this one gave out."""
        for value, document in documents.items():
            key = (document["open_kfid"], document["external_userid"])
            self._keep(Code(value, Situation(document["situation"]), key, document["issued_at"]))

    def clear(self) -> None:
        """Forget all codes."""
        self._codes.clear()

    def _keep(self, code: Code) -> None:
        self._codes[code.value] = code
        document = {"situation": code.situation, "issued_at": code.issued_at}
        document |= {"open_kfid": code.key[0], "external_userid": code.key[1]}
        self._journal.put("code", code.value, document)
