"""What the dialog service knows of a conversation: claims, messages to answer, turns and their answers."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any

from kf_wecom import models


class Outcome(StrEnum):
    """How a turn ended, as rows, logs and spans say it."""

    ANSWERED = "answered"
    FAQ = "answered_from_faq"
    """The model failed and the best FAQ entry was sent verbatim."""
    APOLOGISED = "apologised"
    """The model failed and nothing else answers the question."""
    ASKED_FOR_TEXT = "asked_for_text"
    """The messages hold nothing that can be read."""


@dataclass(frozen=True)
class Claim:
    """The right to answer one conversation, until its lease ends or a greater token is given out."""

    open_kfid: str
    external_userid: str
    token: int
    failures: int = 0
    """How often in a row its turn broke off with an error."""

    @property
    def key(self) -> tuple[str, str]:
        """Which conversation it is."""
        return self.open_kfid, self.external_userid


@dataclass(frozen=True)
class Question:
    """One unanswered message of a customer."""

    msgid: str
    position: int
    item: dict[str, Any]
    carrier: dict[str, str]

    @cached_property
    def msgtype(self) -> str:
        """WeCom's name of its kind."""
        return str(self.item.get("msgtype", ""))

    @cached_property
    def text(self) -> str:
        """What the customer wrote or tapped; empty for everything that is not text."""
        item = models.parse_item(self.item)
        if isinstance(item, models.Message) and isinstance(item.body, models.TextBody):
            return item.body.content.strip()
        return ""


@dataclass(frozen=True)
class Exchange:
    """One earlier turn: what the customer asked and what we replied."""

    question: str
    reply: str


@dataclass(frozen=True)
class Work:
    """What a claimed conversation wants answered, as it stood at `revision`."""

    revision: int
    waiting_since: datetime
    join_left: float
    """Seconds in which newer messages still join this turn; not positive: answer now."""
    questions: tuple[Question, ...]
    """Unanswered messages, oldest first, at least one."""
    history: tuple[Exchange, ...]
    """Earlier turns, oldest first."""


@dataclass(frozen=True)
class Answer:
    """A reply ready for the customer, and how it came about."""

    question: str
    """The customer's messages as one text, as later turns remember it."""
    text: str
    outcome: Outcome
    model: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    passage_ids: tuple[str, ...] = ()
    search_seconds: float = 0.0
    model_seconds: float = 0.0


@dataclass(frozen=True)
class Turn:
    """One answer to the messages of `work`, about to be stored."""

    turn_id: str
    work: Work
    answer: Answer
    carrier: dict[str, str]


class Commit(StrEnum):
    """What became of the wish to store a turn."""

    DONE = "done"
    NEWER = "newer"
    """The inbox changed meanwhile; nothing was stored."""
    LOST = "lost"
    """Another worker holds the conversation; nothing was stored."""
