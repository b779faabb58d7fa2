"""Ends what has waited so long that sending it would help nobody."""

import asyncio

import structlog
from kf_runtime.postgres import TRANSIENT

from kf_sender.bell import first_of
from kf_sender.store import Store

log = structlog.get_logger()


class Expiry:
    """Every replica looks; `settled` is set when there are changes to publish."""

    def __init__(self, store: Store, every_seconds: float, settled: asyncio.Event) -> None:
        self._store = store
        self._every = every_seconds
        self._settled = settled

    async def run(self, stop: asyncio.Event) -> None:
        """Look every few seconds until `stop`."""
        while not stop.is_set():
            try:
                if expired := await self._store.expire():
                    log.warning("commands.expired", commands=expired)
                    self._settled.set()
            except TRANSIENT as error:
                log.warning("expiry.database_away", error=type(error).__name__)
            await first_of(stop, stop, self._every)
