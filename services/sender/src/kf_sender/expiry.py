"""Ends what has waited so long that sending it would help nobody, and deletes what ended long ago."""

import asyncio
from time import monotonic

import structlog
from kf_runtime.bell import Bell, pause
from kf_runtime.postgres import TRANSIENT

from kf_sender.pacing import Pacing
from kf_sender.store import Store

_PRUNE_BATCH = 500
_PRUNE_SECONDS = 60.0

log = structlog.get_logger()


class Expiry:
    """Every replica looks; `settled` rings when there are changes to publish."""

    def __init__(self, store: Store, pacing: Pacing, settled: Bell) -> None:
        self._store = store
        self._every = pacing.poll * 4
        self._keep = pacing.keep
        self._settled = settled
        self._prune_at = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Look every few seconds until `stop`."""
        while not stop.is_set():
            try:
                if expired := await self._store.expire():
                    log.warning("commands.expired", commands=expired)
                    self._settled.ring()
                await self._prune()
            except TRANSIENT as error:
                log.warning("expiry.database_away", error=type(error).__name__)
            await pause(stop, self._every)

    async def _prune(self) -> None:
        """A batch a minute, or with each look as long as there is more."""
        if monotonic() < self._prune_at:
            return
        pruned = await self._store.prune(self._keep, _PRUNE_BATCH)
        if pruned:
            log.info("commands.pruned", commands=pruned)
        if pruned < _PRUNE_BATCH:
            self._prune_at = monotonic() + _PRUNE_SECONDS
