"""The commands on KF_OUTBOUND: each asks the sender for one effect, and its id makes a repeat harmless."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field, TypeAdapter, ValidationError

from kf_contracts.events import SCHEMA_VERSION, Payload, PayloadError, SendReply


class _Addressed(Payload):
    command_id: str = Field(pattern=r"^[0-9A-Za-z_-]{1,64}$")
    """Idempotency key, as in SendReply."""
    open_kfid: str
    external_userid: str = Field(repr=False)
    turn_id: str = ""
    in_reply_to: tuple[str, ...] = ()
    created_at: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))


class SendOnEvent(_Addressed):
    """Send the one message that a welcome_code or an end code allows, before all else (wecom-kf-api §5)."""

    kind: Literal["send_on_event"] = "send_on_event"
    code: str = Field(repr=False, min_length=1)
    text: str = Field(repr=False, min_length=1)
    """What does not fit into 2048 bytes is cut at a sentence."""
    menu: dict[str, Any] = Field(default_factory=dict, repr=False)
    """Sent instead of the text where it is well formed: the fields of a menu, as in SendContent."""
    expires_at: AwareDatetime
    """The event's send_time and 20 s, or 48 h for a msg_code of the pool or a servicer."""


class SendContent(_Addressed):
    """Send a menu, a link card, a picture or a file; as plain text where WeCom will not have it."""

    kind: Literal["send_content"] = "send_content"
    msgtype: Literal["msgmenu", "link", "image", "file"]
    fields: dict[str, Any] = Field(default_factory=dict, repr=False)
    """The fields of kf_wecom.content.Menu (`items` as `{"type": "click", ...}`) or Link; none for media."""
    media_base64: str = Field("", repr=False)
    """The picture or file, or the thumbnail of a link; uploaded once and kept below WeCom's 3 days."""
    media_filename: str = "media"
    text: str = Field(repr=False, min_length=1)
    """What is said instead; one message."""


class HandOver(_Addressed):
    """Give the session to a servicer who is serving, else to the pool, else tell the customer the truth."""

    kind: Literal["hand_over"] = "hand_over"
    servicer_userids: tuple[str, ...] = ()
    """Only these may get it; empty: any servicer of the account."""
    to_pool: bool = True
    """Whether the waiting pool may have it when no servicer can."""
    notice: str = Field("已为您转接人工客服，请稍候。", min_length=1, repr=False)
    """Said when a servicer has got the session."""
    waiting_notice: str = Field("已为您转接人工客服，正在排队等待接入，请稍候。", min_length=1, repr=False)
    """Said when the pool has got it."""
    apology: str = Field(
        "抱歉，现在没有人工客服在线。您可以继续向我提问，或稍后再试。", min_length=1, repr=False
    )
    """Said when nobody can take it."""


class EndSession(_Addressed):
    """End the session unless a servicer has it, with a farewell through the end code if there is one."""

    kind: Literal["end_session"] = "end_session"
    farewell: str = Field("", repr=False)
    menu: dict[str, Any] = Field(default_factory=dict, repr=False)
    """Sent instead of the farewell, as in SendOnEvent."""


class FindHolder(_Addressed):
    """Ask WeCom who has the session; the answer is the `holder` of its DeliveryChanged. Nothing is sent."""

    kind: Literal["find_holder"] = "find_holder"


Command = SendReply | SendContent | SendOnEvent | HandOver | EndSession | FindHolder
_ANY: TypeAdapter[Command] = TypeAdapter(Annotated[Command, Field(discriminator="kind")])


def decode_command(data: bytes) -> Command:
    """Read whatever command a message of KF_OUTBOUND holds.

    Raises:
        PayloadError: as Payload.decode.
    """
    try:
        command = _ANY.validate_json(data)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['type']}" for e in error.errors())
        raise PayloadError(f"Command: {faults}") from None
    if command.schema_version > SCHEMA_VERSION:
        raise PayloadError(f"Command: schema_version {command.schema_version} is newer than this reader")
    return command
