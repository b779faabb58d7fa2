"""Hears on KF_INBOUND what customers, servicers and WeCom do, as far as it decides about sending."""

from typing import Any

import structlog
from kf_contracts import subjects
from kf_contracts.events import MessageReceived, PayloadError
from kf_contracts.streams import KF_INBOUND
from kf_runtime.bell import Bell
from kf_runtime.logging import hashed
from kf_runtime.nats import Consumer, Done, Outcome, Park, Retry
from kf_runtime.postgres import TRANSIENT
from kf_wecom import models
from kf_wecom.errcodes import ErrorClass, SendFailure, send_failure
from nats.aio.msg import Msg
from opentelemetry import trace

from kf_sender.intake import SERVICE
from kf_sender.plan import wants_rest
from kf_sender.store import Store

# One in flight over all replicas, as everywhere where order matters: see docs/adr/0001.
CONSUMER = Consumer(
    stream=KF_INBOUND,
    durable=SERVICE,
    filter_subject=f"{subjects.INBOUND}.*",
    template=f"{subjects.INBOUND}.{{open_kfid}}",
    concurrency=1,
    max_ack_pending=1,
    ack_wait=8.0,
    max_deliver=200_000,
)
_AGAIN_SECONDS = 1.0
_ENDED = 3
_FATE = {
    ErrorClass.WINDOW: "held",
    ErrorClass.STATE: "held",
    ErrorClass.CONFIG: "queued",
}
"""What becomes of a message that WeCom took and could not deliver; anything else has failed for good."""

log = structlog.get_logger()


class Conversation:
    """The handler of KF_INBOUND; `wake` rings when something that waited may go out."""

    def __init__(self, store: Store, wake: Bell) -> None:
        self._store = store
        self._wake = wake

    async def __call__(self, msg: Msg) -> Outcome:
        """Take note of one item; a redelivery changes nothing."""
        try:
            event = MessageReceived.decode(msg.data)
        except PayloadError as error:
            return Park(str(error))
        if not event.external_userid or "\x00" in event.external_userid + event.msgid:
            return Done()
        try:
            outcome = await self._hear(event, models.parse_item(event.item))
        except TRANSIENT as error:
            log.warning("conversation.database_away", error=type(error).__name__)
            return Retry(_AGAIN_SECONDS, type(error).__name__)
        if outcome is None:
            return Done()
        if outcome == "busy":
            # Without a reason: the customer's send in hand ends first, that is no fault.
            return Retry(_AGAIN_SECONDS)
        self._tell(event, outcome)
        self._wake.ring()
        return Done()

    async def _hear(self, event: MessageReceived, item: models.SyncItem) -> str | None:
        customer = (event.open_kfid, event.external_userid)
        if isinstance(item, models.Event):
            return await self._happened(event, item.body)
        if event.origin == models.Origin.SERVICER:
            await self._store.session_changed(*customer, ended=False, at=event.send_time)
            return "servicer"
        if event.origin != models.Origin.CUSTOMER:
            return None
        rest = isinstance(item, models.Message) and _asks_for_rest(item.body)
        return await self._store.customer_spoke(*customer, event.msgid, event.send_time, wants_rest=rest)

    async def _happened(self, event: MessageReceived, body: models.EventBody) -> str | None:
        customer = (event.open_kfid, event.external_userid)
        match body:
            case models.SessionStatusChange(change_type=change, new_servicer_userid=taker):
                ended = change == _ENDED
                await self._store.session_changed(*customer, ended=ended, at=event.send_time)
                if ended:
                    await self._store.session_over(*customer)
                elif taker:
                    await self._store.session_given(*customer, taker)
                return "session_ended" if ended else "session_taken"
            case models.MsgSendFail(fail_msgid=failed, fail_type=fail_type):
                return await self._send_failed(customer, failed, send_failure(fail_type))
            case _:
                return None

    async def _send_failed(self, customer: tuple[str, str], failed: str, failure: SendFailure) -> str | None:
        why = f"msg_send_fail type {failure.fail_type}: {failure.cause_en}. {failure.remedy_en}"
        fate = _FATE.get(failure.error_class, "failed")
        found = await self._store.delivery_failed(customer, failed, fate, why)
        if found is None:
            return None
        command_id, fate = found
        if fate == "busy":
            return fate
        trace.get_current_span().set_attribute("kf.command_id", command_id)
        log.error(
            "send.delivery_failed",
            command_id=command_id,
            fail_type=failure.fail_type,
            fate=fate,
            cause=failure.cause_zh,
            remedy=f"{failure.remedy_zh} / {failure.remedy_en}",
        )
        return f"send_failed_{fate}"

    def _tell(self, event: MessageReceived, outcome: str) -> None:
        fields = {
            "kf.open_kfid": event.open_kfid,
            "kf.msgid": event.msgid,
            "kf.customer": hashed(event.external_userid),
            "kf.outcome": outcome,
        }
        trace.get_current_span().set_attributes(fields)
        log.info("conversation.heard", **{name.removeprefix("kf."): value for name, value in fields.items()})


def _asks_for_rest(body: Any) -> bool:
    return isinstance(body, models.TextBody) and wants_rest(body.content)
