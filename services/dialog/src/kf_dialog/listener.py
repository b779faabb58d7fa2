"""LISTEN on one connection per replica: news of the inbox arrive at once instead of at the next poll."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import asyncpg
import structlog
from kf_runtime.bell import Bell
from kf_runtime.postgres import TRANSIENT

from kf_dialog.store import INBOX_CHANNEL

log = structlog.get_logger()

_CHECK_SECONDS = 10.0
_RECONNECT_SECONDS = 1.0

OnNews = Callable[[str, str, int], None]
"""Called with open_kfid, external_userid and the revision of the conversation."""


class Listener:
    """Keeps the connection; while it is away, polling and the leases' heartbeat find the same news later."""

    def __init__(self, dsn: str, on_news: OnNews, on_connected: Callable[[], None]) -> None:
        self._dsn, self._on_news, self._on_connected = dsn, on_news, on_connected
        self._lost = Bell()

    async def run(self, stop: asyncio.Event) -> None:
        """Listen until `stop`, through any number of lost connections."""
        while not stop.is_set():
            try:
                await self._listen(stop)
            except TRANSIENT as error:
                log.warning("listener.lost", error=type(error).__name__)
                await self._lost.wait(stop, _RECONNECT_SECONDS)

    async def _listen(self, stop: asyncio.Event) -> None:
        connection: Any = await asyncpg.connect(
            self._dsn, timeout=5, server_settings={"application_name": "kf-dialog-listener"}
        )
        try:
            connection.add_termination_listener(lambda _: self._lost.ring())
            await connection.add_listener(INBOX_CHANNEL, self._heard)
            self._on_connected()
            while not stop.is_set():
                await self._lost.wait(stop, _CHECK_SECONDS)
                await connection.execute("SELECT 1", timeout=5)
        finally:
            connection.terminate()

    def _heard(self, _: Any, __: int, ___: str, payload: object) -> None:
        open_kfid, external_userid, revision = json.loads(str(payload))
        self._on_news(open_kfid, external_userid, revision)
