"""The records the simulated world is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any, Literal

Json = dict[str, Any]
Direction = Literal["customer", "app", "servicer", "event"]


class State(IntEnum):
    """service_state of a session (section 6.3)."""

    NEW = 0
    ASSISTANT = 1
    POOL = 2
    HUMAN = 3
    ENDED = 4


class Origin(IntEnum):
    """origin of an item of sync_msg."""

    CUSTOMER = 3
    SYSTEM = 4
    SERVICER = 5


class Reception(StrEnum):
    """Who receives a new customer message, the admin setting of an account."""

    ASSISTANT = "assistant"
    HUMAN = "human"
    POOL = "pool"


@dataclass
class Account:
    """A KF account; `granted` says whether the app may act on it, `servicers` None means all there are."""

    open_kfid: str
    name: str
    reception: Reception = Reception.ASSISTANT
    granted: bool = True
    media_id: str = ""
    deleted: bool = False
    servicers: list[str] | None = None
    departments: list[int] = field(default_factory=list)


@dataclass
class Servicer:
    """A human servicer; `status` 0 serves, 1 has stopped; `stop_type` 1 is a short suspension."""

    userid: str
    status: int = 0
    stop_type: int = 0


@dataclass
class Customer:
    """A WeChat user known to the corp."""

    external_userid: str
    nickname: str
    avatar: str = ""
    gender: int = 0


@dataclass
class Conversation:
    """What WeCom remembers about one customer at one account; times in epoch seconds."""

    open_kfid: str
    external_userid: str
    state: State = State.ENDED
    servicer_userid: str = ""
    last_customer_at: float | None = None
    last_entered_at: float | None = None
    last_active_at: float = 0.0
    welcomed_at: float | None = None
    sent_since_customer: int = 0
    scene: str = ""
    scene_param: str = ""
    upgraded: Json | None = None

    @property
    def key(self) -> tuple[str, str]:
        """The identity of the conversation."""
        return self.open_kfid, self.external_userid


@dataclass
class ContactWay:
    """A chat link: the account it leads to and the scene that the app gave it."""

    enc_scene: str
    open_kfid: str
    scene: str


@dataclass
class Entry:
    """One line of a transcript; `sequence` is the place in the account's stream, if it is in there."""

    number: int
    direction: Direction
    msgid: str
    msgtype: str
    body: Json
    at: float
    state: int
    sequence: int | None = None
    fail_type: int | None = None
    recalled: bool = False
    extra: Json = field(default_factory=dict)


def document_of(record: object) -> Json:
    """A record's fields for JSON; shallow, because what is inside is JSON already and is not kept."""
    return dict(vars(record))
