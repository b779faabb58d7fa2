"""Publishes the outbox to KF_OUTBOUND, in order; a row waits in PostgreSQL until JetStream has stored it."""

import asyncio
from time import monotonic

import structlog
from kf_contracts import subjects
from kf_runtime import nats as kf_nats
from kf_runtime.bell import Bell
from kf_runtime.postgres import TRANSIENT
from nats.errors import Error as NatsError
from nats.js import JetStreamContext

from kf_dialog.store import Batch, Outgoing, Store

log = structlog.get_logger()

_BATCH = 64
_POLL_SECONDS = 1.0
_KEEP_SECONDS = 6 * 3600.0
"""How long published commands stay, for people who look into an incident; the turn keeps the reply."""
_PRUNE_BATCH = 1000
_PRUNE_SECONDS = 60.0


class Relay:
    """The loop between the outbox and the stream."""

    def __init__(self, store: Store, js: JetStreamContext) -> None:
        self._store, self._js = store, js
        self.bell = Bell()
        """Rung right after a turn was stored."""
        self._prune_at = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until `stop`, then what is still there, unless NATS or PostgreSQL is away."""
        stopping = False
        while not stopping:
            stopping = stop.is_set()
            while await self.publish_batch():
                pass
            await self._prune()
            await self.bell.wait(stop, _POLL_SECONDS)

    async def publish_batch(self) -> bool:
        """Publish the oldest rows; True when all of a full batch went out, so there may be more."""
        try:
            async with self._store.outbox(_BATCH) as batch:
                await self._publish(batch)
        except TRANSIENT as error:
            log.warning("relay.database_down", error=type(error).__name__)
            return False
        return len(batch.published) == _BATCH

    async def _prune(self) -> None:
        """Once a minute, delete a batch of what was published hours ago; more of it goes next round."""
        if monotonic() < self._prune_at:
            return
        try:
            pruned = await self._store.prune_outbox(_KEEP_SECONDS, _PRUNE_BATCH)
        except TRANSIENT as error:
            log.warning("relay.database_down", error=type(error).__name__)
            return
        if pruned < _PRUNE_BATCH:
            self._prune_at = monotonic() + _PRUNE_SECONDS

    async def _publish(self, batch: Batch) -> None:
        try:
            for command in batch.commands:
                await self._send(command)
                batch.published.append(command.id)
        except (NatsError, OSError) as error:
            # The rest waits: going on behind a gap would send a conversation's replies out of order.
            log.warning("relay.nats_down", error=type(error).__name__, waiting=len(batch.commands))

    async def _send(self, command: Outgoing) -> None:
        stored = await kf_nats.publish(
            self._js,
            subjects.subject(subjects.OUTBOUND, command.open_kfid),
            command.payload,
            msg_id=command.command_id,
            template=f"{subjects.OUTBOUND}.{{open_kfid}}",
            headers=command.carrier,
        )
        log.info("relay.published", command_id=command.command_id, duplicate=not stored)
