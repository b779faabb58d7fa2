"""The judge: it sees every call and counts what a correct client would never do."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, deque
from dataclasses import dataclass, field
from enum import StrEnum

from kf_simulator.clock import Clock
from kf_simulator.records import Json
from kf_simulator.switches import Switches
from kf_simulator.windows import SlidingWindow

Key = tuple[str, str]
_EXAMPLES_KEPT = 100
_CALLS_KEPT = 5000
_GETTOKEN_PER_MINUTE = 10


class Rule(StrEnum):
    """What can be broken."""

    DUPLICATE_ANSWER = "duplicate_answer"
    SECOND_ANSWER = "second_answer"
    OUT_OF_ORDER = "out_of_order"
    PARALLEL_SENDS = "parallel_sends"
    OVER_RATE = "over_rate"
    FORBIDDEN_STATE = "forbidden_state"
    OVER_QUOTA = "over_quota"
    OUT_OF_WINDOW = "out_of_window"
    OVERSIZE_TEXT = "oversize_text"
    REUSED_MSGID = "reused_msgid"
    LATE_CALLBACK = "late_callback"
    GETTOKEN_TOO_OFTEN = "gettoken_too_often"
    TOKENLESS_SYNC = "tokenless_sync"


_RULE_OF_ERRCODE = {
    95018: Rule.FORBIDDEN_STATE,
    95013: Rule.FORBIDDEN_STATE,
    95001: Rule.OVER_QUOTA,
    95002: Rule.OUT_OF_WINDOW,
}


@dataclass
class _Sends:
    """What was sent to one customer at one account since they last wrote."""

    contents: set[str] = field(default_factory=set)
    answers: int = 0
    attempts: dict[str, int] = field(default_factory=dict)
    latest_effect: int = 0
    in_progress: int = 0


class Judge:
    """Counts of calls and of broken rules, with examples that name ids but no text."""

    def __init__(self, clock: Clock, switches: Switches) -> None:
        self._clock = clock
        self._switches = switches
        self.reset()

    def reset(self) -> None:
        """Forget everything counted so far."""
        self._calls: Counter[tuple[str, int]] = Counter()
        self._broken: Counter[Rule] = Counter()
        self._examples: deque[Json] = deque(maxlen=_EXAMPLES_KEPT)
        self._record: deque[Json] = deque(maxlen=_CALLS_KEPT)
        self._sends: dict[Key, _Sends] = {}
        self._send_window = SlidingWindow()
        self._token_window = SlidingWindow()
        self._attempt = 0
        self._repeats = 0

    def called(self, api: str, errcode: int, key: Key = ("", ""), msgid: str = "") -> None:
        """A call was answered with this errcode; answers that are no JSON have the HTTP status."""
        self._calls[api, errcode] += 1
        call = {"at": self._clock.now(), "api": api, "errcode": errcode}
        named = {"open_kfid": key[0], "external_userid": key[1], "msgid": msgid}
        self._record.append(call | {name: value for name, value in named.items() if value})

    def calls(self, api: str = "", errcode: int | None = None) -> list[Json]:
        """The latest calls, oldest first, of one API and with one errcode if named."""
        return [
            call for call in self._record if api in ("", call["api"]) and errcode in (None, call["errcode"])
        ]

    def token_fetched(self) -> None:
        """Someone called gettoken."""
        if self._token_window.add(self._clock.now()) > _GETTOKEN_PER_MINUTE:
            self.broke(Rule.GETTOKEN_TOO_OFTEN)

    def customer_wrote(self, key: Key) -> None:
        """A customer message begins a new turn: the same words may now be said again."""
        sends = self._of(key)
        sends.contents.clear()
        sends.answers = 0

    def send_called(self) -> None:
        """Any call that sends; the limit is per corp over the last 60 s."""
        limit = self._switches.send_limit_per_minute
        if self._send_window.add(self._clock.now()) > limit > 0:
            self.broke(Rule.OVER_RATE)

    def send_began(self, key: Key, msgid: str) -> None:
        """A send for this customer came in; two at once cannot keep an order.

        The first try of a msgid fixes its place in the order, whatever comes of that try.
        """
        sends = self._of(key)
        self._attempt += 1
        if msgid:
            sends.attempts.setdefault(msgid, self._attempt)
        sends.in_progress += 1
        if sends.in_progress > 1:
            self.broke(Rule.PARALLEL_SENDS, key)

    def send_ended(self, key: Key) -> None:
        """The send was answered, or its connection dropped."""
        # A reset in between forgot that it began.
        sends = self._of(key)
        sends.in_progress = max(0, sends.in_progress - 1)

    def refused(self, key: Key, msgid: str, errcode: int) -> None:
        """A definite refusal: what was refused has no place in the order any more."""
        self._of(key).attempts.pop(msgid, None)
        if errcode == self._switches.oversize_errcode:
            self.broke(Rule.OVERSIZE_TEXT, key, msgid)
        elif errcode in _RULE_OF_ERRCODE:
            self.broke(_RULE_OF_ERRCODE[errcode], key, msgid)

    def reused(self, key: Key, msgid: str, *, same_message: bool) -> None:
        """A msgid came again; the same message again is the safe repeat of an unknown outcome."""
        if same_message:
            self._repeats += 1
        else:
            self.broke(Rule.REUSED_MSGID, key, msgid)

    def delivered(self, key: Key, msgid: str, body: Json) -> None:
        """A send took effect: check order, and whether the customer has read this already."""
        sends = self._of(key)
        place = sends.attempts.pop(msgid, self._attempt)
        if place < sends.latest_effect:
            self.broke(Rule.OUT_OF_ORDER, key, msgid)
        sends.latest_effect = max(sends.latest_effect, place)
        digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        if digest in sends.contents:
            self.broke(Rule.DUPLICATE_ANSWER, key, msgid)
        sends.contents.add(digest)
        sends.answers += 1
        if sends.answers > self._switches.answers_per_message > 0:
            self.broke(Rule.SECOND_ANSWER, key, msgid)

    def broke(self, rule: Rule, key: Key | None = None, msgid: str = "", **facts: float) -> None:
        """Count a broken rule and keep it as an example."""
        self._broken[rule] += 1
        example: Json = {"rule": str(rule), "at": self._clock.now()}
        if key:
            example |= {"open_kfid": key[0], "external_userid": key[1]}
        if msgid:
            example["msgid"] = msgid
        self._examples.append(example | facts)

    def _of(self, key: Key) -> _Sends:
        return self._sends.setdefault(key, _Sends())

    def report(self) -> Json:
        """Counts per API and errcode, counts per broken rule, the latest examples."""
        calls: dict[str, dict[str, int]] = {}
        for (api, errcode), count in sorted(self._calls.items()):
            calls.setdefault(api, {})[str(errcode)] = count
        return {
            "ok": not self._broken,
            "broken": {str(rule): count for rule, count in sorted(self._broken.items())},
            "examples": list(self._examples),
            "calls": calls,
            "repeated_sends": self._repeats,
        }
