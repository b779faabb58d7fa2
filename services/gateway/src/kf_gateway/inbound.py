"""From an item of sync_msg to JetStream: the event it becomes, or the dead letter it ends as."""

import base64
import hashlib
import json
import re
from datetime import UTC, datetime
from typing import Any

import structlog
from kf_contracts import subjects
from kf_contracts.events import DeadLetter, MessageReceived
from kf_runtime import nats as kf_nats
from kf_runtime.dead_letter import bury
from kf_wecom.items import parse_item
from nats.js import JetStreamContext

from kf_gateway.cursor import Progress

log = structlog.get_logger()

SERVICE = "gateway"
_TEMPLATE = "kf.inbound.{open_kfid}"
# The msgid becomes a header of NATS and a key of the inbox: WeCom's are 41 to 44 letters and digits.
_MSGID = re.compile(r"[!-~]{1,128}")
_UNIDENTIFIED = "unidentified-"
_MAX_BYTES = 900_000


class ItemError(ValueError):
    """An item that no later stage could handle; the text says why, without its content."""


def received(open_kfid: str, raw: dict[str, Any], progress: Progress) -> MessageReceived:
    """The event for one item; its ids come from inside `event` where it is one, unknown types stay whole.

    Raises:
        ItemError: no usable msgid, an impossible send_time, or too big for the stream.
    """
    item = parse_item(raw)
    if item.msgid.startswith(_UNIDENTIFIED) or not _MSGID.fullmatch(item.msgid):
        raise ItemError("the item has no usable msgid")
    try:
        send_time = datetime.fromtimestamp(item.send_time, UTC)
    except (OverflowError, ValueError, OSError):
        raise ItemError("send_time is out of range") from None
    event = MessageReceived(
        # The account that was asked, not the one the item names: the subject and the inbox go by it.
        open_kfid=open_kfid,
        external_userid=item.external_userid,
        msgid=item.msgid,
        msgtype=item.msgtype,
        origin=item.origin,
        send_time=send_time,
        answerable=progress.answerable(item.send_time),
        item=raw,
    )
    if len(event.encode()) > _MAX_BYTES:
        raise ItemError("the item is too big for the stream")
    return event


def dead_letter(open_kfid: str, raw: dict[str, Any], reason: str) -> DeadLetter:
    """What is kept of an item that cannot be published: its shape, and the whole of it unless too big."""
    whole = json.dumps(raw, ensure_ascii=False).encode(errors="replace")
    return DeadLetter(
        service=SERVICE,
        subject=subjects.subject(subjects.INBOUND, open_kfid),
        reason=reason,
        shape={str(name)[:64]: type(value).__name__ for name, value in list(raw.items())[:50]},
        payload=base64.b64encode(whole).decode() if len(whole) <= _MAX_BYTES // 2 else "",
    )


class Inbound:
    """Publishes items in the list's order, each under its dedup id and acknowledged before the next."""

    def __init__(self, js: JetStreamContext) -> None:
        self._js = js

    async def publish(self, open_kfid: str, raw: dict[str, Any], progress: Progress) -> float:
        """Publish one item, or bury it; its send_time (epoch seconds), 0 for a buried one. NatsError."""
        try:
            event = received(open_kfid, raw, progress)
        except ItemError as error:
            await self.bury(dead_letter(open_kfid, raw, str(error)), _digest(raw))
            return 0.0
        await kf_nats.publish(
            self._js,
            subjects.subject(subjects.INBOUND, open_kfid),
            event.encode(),
            msg_id=f"{open_kfid}:{event.msgid}",
            template=_TEMPLATE,
        )
        return event.send_time.timestamp()

    async def bury(self, letter: DeadLetter, digest: str) -> None:
        """Publish a dead letter, once per `digest`. NatsError."""
        log.error("inbound.dead_letter", subject=letter.subject, reason=letter.reason, shape=letter.shape)
        await bury(self._js, letter, key=digest)


def _digest(raw: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(raw, sort_keys=True).encode()).hexdigest()[:32]
