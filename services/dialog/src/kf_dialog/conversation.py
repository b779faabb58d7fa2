"""What the dialog service knows of a conversation: claims, messages to answer, turns and their answers."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any

from kf_contracts.commands import Command
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
    DECLINED = "declined"
    """Nothing that was found supports an answer, and the customer was told so."""
    ASKED_TO_CONFIRM = "asked_to_confirm"
    """A tool that changes something waits for the customer's tap."""
    MENU = "answered_from_menu"
    """A tapped line of a menu has an answer of its own."""
    HANDED_OVER = "handed_over"
    ENDED = "ended"
    """The customer is done; the session is ended."""
    RATED = "rated"
    """The customer answered the question about satisfaction."""

    @property
    def helped(self) -> bool | None:
        """Whether the customer got what was asked for; None when that cannot be said."""
        if self in (Outcome.APOLOGISED, Outcome.DECLINED):
            return False
        return True if self in (Outcome.ANSWERED, Outcome.FAQ, Outcome.MENU) else None


class HandoverReason(StrEnum):
    """Why people should take the chat."""

    WISH = "wish"
    """The customer asked for a human, in words or by a button."""
    ANGER = "anger"
    """The customer is angry, threatens or complains."""
    FAILURE = "repeated_failure"
    """Several turns in a row did not help, or the customer says so."""
    POLICY = "reserved_topic"
    """The account reserves the topic for people."""
    KNOWLEDGE = "out_of_knowledge"
    """The company has an answer, the knowledge has not."""
    MODEL = "model"
    """The model called for one."""


@dataclass(frozen=True)
class Handover:
    """The wish to give the chat to a human."""

    reason: HandoverReason
    summary: str = ""
    """For the servicer: what the customer wants and what was said; empty: the last turns are taken."""
    topic: str = ""
    """The reserved topic, where that is the reason."""


@dataclass(frozen=True)
class MenuLine:
    """A line that a customer may tap; a tap comes back as a text with `id` as its menu_id."""

    title: str
    id: str = ""
    url: str = ""
    """Opens a page instead."""


@dataclass(frozen=True)
class Menu:
    """Lines to tap, sent after the text of an answer; at most ten."""

    head: str
    lines: tuple[MenuLine, ...]
    tail: str = ""


@dataclass(frozen=True)
class Memory:
    """What older turns of a conversation said, in short."""

    text: str
    position: int
    """Of the newest turn that it covers; later ones are in the history."""


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
    def body(self) -> models.MessageBody | None:
        """The parsed body; None for kinds that nobody knows."""
        item = models.parse_item(self.item)
        return item.body if isinstance(item, models.Message) else None

    @property
    def text(self) -> str:
        """What the customer wrote or tapped; empty for everything that is not text."""
        return self.body.content.strip() if isinstance(self.body, models.TextBody) else ""

    @property
    def menu_id(self) -> str:
        """Of the line that the customer tapped; empty for what was typed."""
        return self.body.menu_id if isinstance(self.body, models.TextBody) else ""


@dataclass(frozen=True)
class Exchange:
    """One earlier turn: what the customer asked and what we replied."""

    question: str
    reply: str
    position: int = 0
    """Grows with every turn of the conversation."""


@dataclass(frozen=True)
class Visit:
    """How the customer came into the chat."""

    scene: str = ""
    scene_param: str = ""


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
    """Earlier turns that `memory` does not cover, oldest first."""
    memory: Memory | None = None
    """The summary of what came before `history`."""
    visit: Visit = Visit()
    waited: float = 0.0
    """Seconds since the oldest of `questions` arrived."""
    unhelpful: int = 0
    """Turns in a row, up to now, that did not help the customer."""
    kept: dict[str, Any] | None = None
    """What the last turn kept for this one (`Answer.kept`)."""


@dataclass(frozen=True)
class Answer:
    """What a turn decides: a reply, and what else happens; stored whole or not at all."""

    question: str
    """The customer's messages as one text, as later turns remember it."""
    text: str
    """May be empty when the chat is handed over or ended: that has words of its own."""
    outcome: Outcome
    model: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    passage_ids: tuple[str, ...] = ()
    """The passages that the answer rests on."""
    search_seconds: float = 0.0
    model_seconds: float = 0.0
    cost: float = 0.0
    """Of all model calls of the turn, in the account's currency."""
    menu: Menu | None = None
    handover: Handover | None = None
    end_session: bool = False
    gap: str = ""
    """The question that the knowledge does not cover, as somebody should read it; empty: none."""
    memory: Memory | None = None
    """A newer summary of older turns; none: it stays as it is."""
    kept: dict[str, Any] | None = None
    """JSON for the next turn alone, such as the tool call that waits for the customer's consent."""


@dataclass(frozen=True)
class Rating:
    """A tapped answer to the question about satisfaction."""

    msgid: str
    score: int
    """1 is the best."""
    label: str


@dataclass(frozen=True)
class Turn:
    """One answer to the messages of `work`, about to be stored."""

    turn_id: str
    work: Work
    answer: Answer
    carrier: dict[str, str]
    commands: tuple[Command, ...]
    """What the sender is asked for, in this order."""
    currency: str = ""
    """Of the answer's cost."""
    ratings: tuple[Rating, ...] = ()


class Holder(StrEnum):
    """Who has a conversation, as far as we know."""

    BOT = "bot"
    ASKED = "asked"
    """A handover is under way: what the customer says meanwhile waits for its outcome."""
    POOL = "pool"
    SERVICER = "servicer"


@dataclass(frozen=True)
class Custody:
    """News of who has a conversation."""

    holder: Holder
    reason: str
    servicer_userid: str = ""


class Commit(StrEnum):
    """What became of the wish to store a turn."""

    DONE = "done"
    NEWER = "newer"
    """The inbox changed meanwhile; nothing was stored."""
    LOST = "lost"
    """Another worker holds the conversation; nothing was stored."""
