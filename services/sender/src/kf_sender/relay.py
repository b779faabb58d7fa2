"""Publishes every status change of the ledger to KF_DELIVERY, and what failed to KF_DEAD, in order."""

import asyncio
from typing import Any

import structlog
from kf_contracts import subjects
from kf_contracts.events import DeadLetter, DeliveryChanged, DeliveryStatus
from kf_runtime.bell import Bell
from kf_runtime.dead_letter import bury
from kf_runtime.nats import publish
from kf_runtime.postgres import TRANSIENT
from nats.errors import Error as NatsError
from nats.js import JetStreamContext

from kf_sender.changes import Change
from kf_sender.intake import SERVICE
from kf_sender.store import Store

DELIVERY_TEMPLATE = "kf.delivery.{open_kfid}"
AWAY: tuple[type[Exception], ...] = (NatsError, *TRANSIENT)
_POLL_SECONDS = 0.5
_FAILED_SECONDS = 1.0

log = structlog.get_logger()


class Relay:
    """Every replica relays everything: the stream drops what it has, so none of them has to be the one."""

    def __init__(self, store: Store, js: JetStreamContext, settled: Bell) -> None:
        self._store = store
        self._js = js
        self._settled = settled

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until `stop`, then what is left of this moment."""
        while not stop.is_set():
            await self._settled.wait(stop, await self.publish_all())
        await self.publish_all()

    async def publish_all(self) -> float:
        """Publish what there is; the seconds until it is worth looking again."""
        try:
            while changes := await self._store.unpublished():
                for change in changes:
                    await self._publish(change)
        except AWAY as error:
            # Nothing is lost: the rows stay unpublished until both servers answer.
            log.warning("relay.failed", error=type(error).__name__)
            return _FAILED_SECONDS
        return _POLL_SECONDS

    async def _publish(self, change: Change) -> None:
        await publish(
            self._js,
            subjects.subject(subjects.DELIVERY, change.open_kfid),
            event_of(change).encode(),
            msg_id=f"{change.command_id}:{change.status}:{change.id}",
            template=DELIVERY_TEMPLATE,
            headers=change.carrier,
        )
        if change.status is DeliveryStatus.FAILED:
            await self._bury(change)
        await self._store.mark_published(change)

    async def _bury(self, change: Change) -> None:
        letter = DeadLetter(
            service=SERVICE,
            subject=subjects.subject(subjects.OUTBOUND, change.open_kfid),
            reason=change.reason,
            errcode=change.errcode,
            command_id=change.command_id,
            shape=shape_of(change, await self._store.part_sizes(change)),
            occurred_at=change.occurred_at,
        )
        await bury(self._js, letter, key=f"dead:{change.id}", headers=change.carrier)


def event_of(change: Change) -> DeliveryChanged:
    """A row as the event it stands for."""
    return DeliveryChanged(
        command_id=change.command_id,
        kind=change.kind,
        turn_id=change.turn_id,
        open_kfid=change.open_kfid,
        external_userid=change.external_userid,
        status=change.status,
        parts_sent=change.parts_sent,
        parts_total=change.parts_total,
        errcode=change.errcode,
        reason=change.reason,
        holder=change.holder,
        servicer_userid=change.servicer_userid,
        replaced_by=change.replaced_by,
        occurred_at=change.occurred_at,
    )


def shape_of(change: Change, parts: Any) -> dict[str, Any]:
    """The request's fields with types and sizes; never the text, never the customer."""
    return {
        "touser": f"str[{len(change.external_userid)}]",
        "open_kfid": f"str[{len(change.open_kfid)}]",
        "msgtype": "text",
        "parts": [
            {
                "part_no": part["part_no"],
                "text.content": f"utf8[{part['bytes']}]",
                "status": part["status"],
                "attempts": part["attempts"],
            }
            for part in parts
        ],
    }
