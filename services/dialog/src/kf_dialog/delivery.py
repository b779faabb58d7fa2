"""Hears on KF_DELIVERY what became of every command: outcomes for the records, and who holds the chat."""

import structlog
from kf_contracts import subjects
from kf_contracts.events import DeliveryChanged, DeliveryStatus, PayloadError, SendReply
from kf_contracts.streams import KF_DELIVERY
from kf_runtime import telemetry
from kf_runtime.bell import Bell
from kf_runtime.logging import hashed
from kf_runtime.nats import Consumer, Done, Outcome, Park, Retry
from kf_runtime.postgres import TRANSIENT
from nats.aio.msg import Msg
from opentelemetry import trace

from kf_dialog import metrics, notices
from kf_dialog.accounts_file import Accounts
from kf_dialog.conversation import Custody, Holder
from kf_dialog.custody import handover_result, of_delivery
from kf_dialog.records import Records
from kf_dialog.store import Store
from kf_dialog.wording import Language

log = structlog.get_logger()

CONSUMER = Consumer(
    stream=KF_DELIVERY,
    durable="dialog",
    filter_subject=f"{subjects.DELIVERY}.*",
    template=f"{subjects.DELIVERY}.{{open_kfid}}",
    # The newest status wins by its time, so their order does not matter.
    concurrency=2,
    ack_wait=10.0,
    max_ack_pending=64,
    max_deliver=200_000,
)
_AGAIN_SECONDS = 1.0
_AWAITED = ("hand_over", "find_holder")
_UNTOLD = (DeliveryStatus.FAILED, DeliveryStatus.EXPIRED)


class Delivery:
    """The handler of KF_DELIVERY; `bell` is rung when it asked for something to be sent."""

    def __init__(self, store: Store, records: Records, accounts: Accounts, bell: Bell) -> None:
        self._store, self._records, self._accounts, self._bell = store, records, accounts, bell

    async def __call__(self, msg: Msg) -> Outcome:
        """Take note of one change; a redelivery changes nothing."""
        try:
            change = DeliveryChanged.decode(msg.data)
        except PayloadError as error:
            return Park(str(error))
        if "\x00" in f"{change.external_userid}{change.turn_id}{change.reason}":
            return Park("an id or reason holds a NUL, which no table can")
        try:
            await self._take(change)
        except TRANSIENT as error:
            log.warning("delivery.database_down", error=type(error).__name__)
            return Retry(_AGAIN_SECONDS, type(error).__name__)
        return Done()

    async def _take(self, change: DeliveryChanged) -> None:
        handover = handover_result(change)
        await self._records.record_delivery(change, handover)
        await metrics.delivered(change, handover, self._records)
        if change.kind == "hand_over" and change.status in _UNTOLD:
            await self._say_sorry(change)
        if custody := of_delivery(change):
            await self._change_holder(change, custody)
        fields = {
            "kf.command_id": change.command_id,
            "kf.turn_id": change.turn_id,
            "kf.outcome": change.status,
        }
        trace.get_current_span().set_attributes({**fields, "kf.customer": hashed(change.external_userid)})

    async def _change_holder(self, change: DeliveryChanged, custody: Custody) -> None:
        customer = (change.open_kfid, change.external_userid)
        if change.kind == "find_holder" and custody.holder is Holder.BOT:
            news = await self._store.take_back(*customer, custody)
        else:
            # These are news whatever the clocks say: somebody waits for them.
            at = None if change.kind in _AWAITED else change.occurred_at
            news = await self._store.change_holder(*customer, custody, at)
        log.info("conversation.held_by", holder=custody.holder.value, reason=custody.reason, news=news)

    async def _say_sorry(self, change: DeliveryChanged) -> None:
        """The handover failed before the customer was told anything: the truth, once."""
        account = self._accounts.of(change.open_kfid)
        language: Language = "en" if account.language == "en" else "zh"
        await self._store.enqueue(
            SendReply(
                command_id=f"{change.command_id[:56]}-sorry",
                open_kfid=change.open_kfid,
                external_userid=change.external_userid,
                turn_id=change.turn_id,
                in_reply_to=(),
                text=notices.nobody(account, language, is_open=True),
            ),
            telemetry.carrier(),
        )
        self._bell.ring()
