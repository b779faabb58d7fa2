"""The payloads on JetStream: frozen models, JSON on the wire, read tolerantly (unknown fields are ignored).

Events are past tense and say what happened; commands are imperative and ask the sender for one effect.
Raise `SCHEMA_VERSION` only for a change that an older reader would misread.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

SCHEMA_VERSION = 1


class PayloadError(ValueError):
    """A payload is not what its subject promises; `str()` names fields and faults, never values."""


def _now() -> datetime:
    return datetime.now(UTC)


class Payload(BaseModel):
    """Base of everything published: immutable, versioned, tolerant of fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: int = SCHEMA_VERSION

    def encode(self) -> bytes:
        """UTF-8 JSON as it goes on the wire."""
        return self.model_dump_json().encode()

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read one payload.

        Raises:
            PayloadError: not JSON, a field is missing or malformed, or a newer, incompatible version.
        """
        try:
            payload = cls.model_validate_json(data)
        except ValidationError as error:
            faults = "; ".join(
                f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['type']}" for e in error.errors()
            )
            raise PayloadError(f"{cls.__name__}: {faults}") from None
        if payload.schema_version > SCHEMA_VERSION:
            raise PayloadError(
                f"{cls.__name__}: schema_version {payload.schema_version} is newer than this reader"
            )
        return payload


class NoticeReceived(Payload):
    """WeCom said that an account has news; it carries no content (wecom-kf-api §1.6)."""

    open_kfid: str
    token: str = Field(default="", repr=False)
    """The callback's Token for sync_msg, valid for 10 minutes; not the access token. Empty: a poll."""
    received_at: AwareDatetime = Field(default_factory=_now)


class MessageReceived(Payload):
    """One item of sync_msg, in the order WeCom gave it."""

    open_kfid: str
    external_userid: str = ""
    """Empty for the few events that concern no customer, such as servicer_status_change."""
    msgid: str
    msgtype: str
    origin: int
    """3 customer, 4 system event, 5 servicer."""
    send_time: AwareDatetime
    answerable: bool = True
    """False for history found on the first run: recorded, never answered."""
    item: dict[str, Any] = Field(repr=False)
    """The item as WeCom sent it, whole; parse it with kf_wecom.models."""
    pulled_at: AwareDatetime = Field(default_factory=_now)


class SendReply(Payload):
    """Ask the sender to deliver one text to one customer; it cuts the text and keeps the order."""

    kind: Literal["send_reply"] = "send_reply"
    command_id: str = Field(pattern=r"^[0-9A-Za-z_-]{1,64}$")
    """Idempotency key: the same id is the same reply, however often it is published."""
    open_kfid: str
    external_userid: str = Field(repr=False)
    turn_id: str
    in_reply_to: tuple[str, ...]
    """msgids of the customer's messages that this answers, oldest first."""
    text: str = Field(repr=False, min_length=1)
    created_at: AwareDatetime = Field(default_factory=_now)


class DeliveryStatus(StrEnum):
    """Where a command stands (design §4 Sending)."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    UNKNOWN = "unknown"
    """The request left and no answer came; it is settled by sending again under the same msgid."""
    HELD = "held"
    PARKED = "parked"
    FAILED = "failed"
    EXPIRED = "expired"


class SessionHolder(StrEnum):
    """Who has a session, as a command found it (wecom-kf-api §6.3)."""

    UNKNOWN = ""
    """The command had no reason to ask."""
    ASSISTANT = "assistant"
    """State 0 or 1: the bot may speak."""
    POOL = "pool"
    SERVICER = "servicer"
    ENDED = "ended"


class DeliveryChanged(Payload):
    """A command took a new status.

    A `hand_over` that is SENT gave the session to its `holder`; ASSISTANT then means that nobody could take
    it and the customer was told so. PARKED names who has the chat instead of us.
    """

    command_id: str
    kind: str = ""
    """As in the command: send_reply, send_content, send_on_event, hand_over, end_session or find_holder."""
    turn_id: str
    open_kfid: str
    external_userid: str = Field(repr=False)
    status: DeliveryStatus
    parts_sent: int
    parts_total: int
    errcode: int | None = None
    reason: str = ""
    """English, for operators; holds no message text."""
    holder: SessionHolder = SessionHolder.UNKNOWN
    servicer_userid: str = Field(default="", repr=False)
    """With holder SERVICER."""
    replaced_by: str = ""
    """The command that the customer gets instead, whose outcome is this one's.

    With EXPIRED: it says this one's text too, or is the rest that "continue" asked for. With FAILED: a few
    words that say so.
    """
    occurred_at: AwareDatetime = Field(default_factory=_now)


class DeadLetter(Payload):
    """Work that a service gave up, with what is needed to understand it and to run it again."""

    service: str
    subject: str
    """Where the work came from, for a replay."""
    reason: str
    """Why it was given up, without message text."""
    errcode: int | None = None
    command_id: str | None = None
    """The row of the sender's ledger that holds the command; then `payload` is empty."""
    shape: dict[str, Any] = Field(default_factory=dict)
    """Field names, types and sizes of the request: enough to find a bug, never its text."""
    payload: str = Field(default="", repr=False)
    """The undelivered message, base64, where no other store keeps it."""
    occurred_at: AwareDatetime = Field(default_factory=_now)
