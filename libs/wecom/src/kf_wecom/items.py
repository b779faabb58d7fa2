"""One item of sync_msg: a message, an event, or something unknown that is kept whole, never refused."""

import hashlib
import json
from collections.abc import Mapping
from enum import IntEnum
from typing import Any

from pydantic import Field, SkipValidation, ValidationError

from kf_wecom.events import EventBody, parse_event
from kf_wecom.messages import MessageBody, parse_body
from kf_wecom.wire import Wire


class Origin(IntEnum):
    """Who caused an item; compare with the plain integer, which may be newer than this list."""

    CUSTOMER = 3
    SYSTEM = 4
    SERVICER = 5


class SyncEnvelope(Wire):
    """What every item has. `send_time` is epoch seconds: too coarse to order by, keep the list's order.

    `msgid` is case-sensitive. `raw` is the item as it came.
    """

    msgid: str = Field(min_length=1)
    send_time: int
    origin: int
    msgtype: str
    raw: SkipValidation[dict[str, Any]]

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        return [("msgid", self.msgid), ("msgtype", self.msgtype), ("origin", self.origin)]


class Message(SyncEnvelope):
    """A message by the customer (origin 3) or by a servicer in the WeCom client (origin 5)."""

    open_kfid: str
    external_userid: str
    servicer_userid: str = ""
    body: MessageBody


class Event(SyncEnvelope):
    """A system event (origin 4)."""

    body: EventBody

    @property
    def open_kfid(self) -> str:
        """The account, from inside `event`."""
        return self.body.open_kfid

    @property
    def external_userid(self) -> str:
        """The customer, from inside `event`; empty for events that concern none."""
        return self.body.external_userid


class UnknownMessage(SyncEnvelope):
    """An item of a type this version does not know, or malformed; ids are filled where they can be found.

    Without a msgid of WeCom's, `msgid` is `unidentified-` and a hash of the item, the same at each pull.
    """

    open_kfid: str = ""
    external_userid: str = ""
    event_type: str = ""


SyncItem = Message | Event | UnknownMessage


def parse_item(raw: Mapping[str, Any]) -> SyncItem:
    """The typed item; never raises on content."""
    item = dict(raw)
    try:
        return _parse_event(item) if item.get("msgtype") == "event" else _parse_message(item)
    except ValidationError:
        return _unknown(item)


def _parse_message(item: dict[str, Any]) -> SyncItem:
    body = parse_body(str(item.get("msgtype")), item.get(str(item.get("msgtype")), {}))
    return _unknown(item) if body is None else Message.model_validate(item | {"body": body, "raw": item})


def _parse_event(item: dict[str, Any]) -> SyncItem:
    body = parse_event(item.get("event"))
    return _unknown(item) if body is None else Event.model_validate(item | {"body": body, "raw": item})


def _unknown(item: dict[str, Any]) -> UnknownMessage:
    event = item.get("event")
    inner: dict[str, Any] = event if isinstance(event, dict) else {}
    return UnknownMessage(
        msgid=_text(item, "msgid") or _fingerprint(item),
        send_time=_number(item, "send_time"),
        origin=_number(item, "origin"),
        msgtype=_text(item, "msgtype"),
        open_kfid=_text(item, "open_kfid") or _text(inner, "open_kfid"),
        external_userid=_text(item, "external_userid") or _text(inner, "external_userid"),
        event_type=_text(inner, "event_type"),
        raw=item,
    )


def _text(item: dict[str, Any], name: str) -> str:
    value = item.get(name)
    return value if isinstance(value, str) and value.isascii() else ""


def _number(item: dict[str, Any], name: str) -> int:
    digits = str(item.get(name))[:20]
    return int(digits) if digits.isascii() and digits.isdigit() else 0


def _fingerprint(item: dict[str, Any]) -> str:
    canonical = json.dumps(item, sort_keys=True, default=repr)
    return f"unidentified-{hashlib.sha256(canonical.encode()).hexdigest()[:32]}"
