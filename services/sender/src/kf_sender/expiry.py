"""Ends what has waited so long that sending it would help nobody."""

import asyncio

import structlog
from kf_runtime.bell import Bell, pause
from kf_runtime.postgres import TRANSIENT

from kf_sender.store import Store

log = structlog.get_logger()


class Expiry:
    """Every replica looks; `settled` rings when there are changes to publish."""

    def __init__(self, store: Store, every_seconds: float, settled: Bell) -> None:
        self._store = store
        self._every = every_seconds
        self._settled = settled

    async def run(self, stop: asyncio.Event) -> None:
        """Look every few seconds until `stop`."""
        while not stop.is_set():
            try:
                if expired := await self._store.expire():
                    log.warning("commands.expired", commands=expired)
                    self._settled.ring()
            except TRANSIENT as error:
                log.warning("expiry.database_away", error=type(error).__name__)
            await pause(stop, self._every)
