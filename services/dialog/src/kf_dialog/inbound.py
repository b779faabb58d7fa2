"""Takes each item of KF_INBOUND into the inbox, in order and once, and decides whether it wants an answer."""

import asyncio
import hashlib
from typing import Literal, NamedTuple

import structlog
from kf_contracts import subjects
from kf_contracts.commands import FindHolder
from kf_contracts.events import MessageReceived, PayloadError
from kf_contracts.streams import KF_INBOUND
from kf_runtime import telemetry
from kf_runtime.bell import Bell
from kf_runtime.logging import hashed
from kf_runtime.nats import Consumer, Done, Outcome, Park, Retry
from kf_runtime.postgres import TRANSIENT
from kf_wecom import models
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from opentelemetry import trace

from kf_dialog.conversation import Visit
from kf_dialog.custody import of_item
from kf_dialog.quiet import seconds_after
from kf_dialog.store import Store
from kf_dialog.welcome import Welcome

log = structlog.get_logger()

# One in flight over all replicas: see docs/adr/0001.
CONSUMER = Consumer(
    stream=KF_INBOUND,
    durable="dialog",
    filter_subject=f"{subjects.INBOUND}.*",
    template=f"{subjects.INBOUND}.{{open_kfid}}",
    concurrency=1,
    ack_wait=5.0,
    max_ack_pending=1,
    # With a second between tries: more than two days without PostgreSQL.
    max_deliver=200_000,
)
_AGAIN_SECONDS = 1.0
_GLANCE_SECONDS = 1.0
"""Of a code's 20 s, for a look at who has the chat."""
_HELD = ("with_servicer", "with_pool")


class Arrival(NamedTuple):
    """How an item enters the inbox: waiting for an answer, or recorded only, and why."""

    status: Literal["new", "ignored"]
    reason: str = ""


def classify(event: MessageReceived) -> Arrival:
    """Only what a customer says wakes the bot (wecom-kf-api: origin 3); all else is recorded."""
    if event.msgtype == "event":
        body = event.item.get("event")
        name = body.get("event_type") if isinstance(body, dict) else None
        return Arrival("ignored", f"event:{name}")
    if event.origin == models.Origin.SERVICER:
        return Arrival("ignored", "servicer")
    if event.origin != models.Origin.CUSTOMER:
        return Arrival("ignored", f"origin:{event.origin}")
    if not event.external_userid:
        return Arrival("ignored", "no_customer")
    return Arrival("new") if event.answerable else Arrival("ignored", "history")


class Inbound:
    """The handler of KF_INBOUND."""

    def __init__(self, store: Store, welcome: Welcome, merge: float, asked: Bell) -> None:
        """merge: the ordinary quiet period after a message, in seconds. asked: rung for the relay."""
        self._store, self._welcome, self._merge, self._asked = store, welcome, merge, asked

    async def __call__(self, msg: Msg) -> Outcome:
        """Store one item; a second delivery of it changes nothing."""
        try:
            event = MessageReceived.decode(msg.data)
        except PayloadError as error:
            return Park(str(error))
        if not subjects.is_open_kfid(event.open_kfid):
            return Park("open_kfid cannot be part of a subject, so a reply could not be sent")
        if "\x00" in f"{event.external_userid}{event.msgid}{event.msgtype}":
            return Park("an id or msgtype holds a NUL, which no table can")
        try:
            await self._store_event(event)
        except NatsError as error:
            return Retry(_AGAIN_SECONDS, type(error).__name__)
        except TRANSIENT as error:
            # No growing pause: this message holds up those of all customers.
            log.warning("inbound.database_down", error=type(error).__name__)
            return Retry(_AGAIN_SECONDS, type(error).__name__)
        return Done()

    async def _store_event(self, event: MessageReceived) -> None:
        item = models.parse_item(event.item)
        # Its code lives 20 s: nothing slower than a publish may stand before it.
        if not await self._greets_over_a_human(event, item):
            await self._welcome.greet(event, item)
        await self._happened(event, item)
        quiet = seconds_after(item, self._merge)
        outcome = await self._store.record(event, telemetry.carrier(), *classify(event), quiet) or "duplicate"
        if outcome in _HELD:
            await self._ask_who_has_it(event)
        fields = {
            "kf.open_kfid": event.open_kfid,
            "kf.msgid": event.msgid,
            "kf.customer": hashed(event.external_userid),
            "kf.outcome": outcome,
        }
        trace.get_current_span().set_attributes(fields)
        log.info("inbound.stored", **{name.removeprefix("kf."): value for name, value in fields.items()})

    async def _greets_over_a_human(self, event: MessageReceived, item: models.SyncItem) -> bool:
        """Whether the customer only comes back to a human; without a database the greeting goes out."""
        if not isinstance(item, models.Event) or not isinstance(item.body, models.EnterSession):
            return False
        try:
            async with asyncio.timeout(_GLANCE_SECONDS):
                return await self._store.is_held(event.open_kfid, event.external_userid)
        except TRANSIENT:
            return False

    async def _ask_who_has_it(self, event: MessageReceived) -> None:
        """Nobody was heard of for long: the customer may be talking to a human who is gone."""
        if not await self._store.is_holder_silent(event.open_kfid, event.external_userid):
            return
        digest = hashlib.sha256(f"{event.open_kfid}\n{event.msgid}".encode()).hexdigest()
        question = FindHolder(
            command_id=f"holder-{digest[:32]}",
            open_kfid=event.open_kfid,
            external_userid=event.external_userid,
            in_reply_to=(event.msgid,),
        )
        await self._store.enqueue(question, telemetry.carrier())
        self._asked.ring()

    async def _happened(self, event: MessageReceived, item: models.SyncItem) -> None:
        """What an item changes besides the inbox; each of it may happen twice."""
        customer = (event.open_kfid, event.external_userid)
        if not event.external_userid:
            return
        if custody := of_item(event, item):
            # History tells how it was then, not how it is now.
            at = None if event.answerable else event.send_time
            await self._store.change_holder(*customer, custody, at)
            log.info("conversation.held_by", holder=custody.holder.value, reason=custody.reason)
        match item:
            case models.Event(body=models.UserRecallMsg(recall_msgid=recalled)):
                in_time = await self._store.recall(*customer, recalled)
                log.info("inbound.recalled", msgid=recalled, in_time=in_time)
            case models.Event(body=models.EnterSession() as entered):
                await self._store.visit(event, Visit(entered.scene, entered.scene_param_text))
