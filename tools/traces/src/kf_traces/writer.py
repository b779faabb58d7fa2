"""The writer: gathers spans from all receivers, commits them in batches and keeps the list's rows fresh."""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from kf_traces.span import Span
from kf_traces.store import Store

_log = logging.getLogger(__name__)

MAX_PENDING_SPANS = 50_000
_FRESH_SECONDS = 2.0


class OverloadedError(Exception):
    """More spans wait than memory is meant for; the exporter should try again later."""


class StoreFailedError(Exception):
    """SQLite refused a batch, for example because the disk is full."""


class _Batch:
    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Writer:
    """Group commit: whatever arrives while one batch is written makes up the next.

    Start run() as a task. Every store call that writes goes through the one thread of this object.
    """

    def __init__(self, store: Store, max_pending_spans: int = MAX_PENDING_SPANS) -> None:
        self._store = store
        self._max_pending_spans = max_pending_spans
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="kf-traces-writer")
        self._next = _Batch()
        self._arrived = asyncio.Event()
        self._closing = False
        self._stale, self._readers = True, 0
        self._freshened = asyncio.Condition()
        # Changes with every write, and with a restart.
        self.revision = time.time_ns()

    async def submit(self, spans: Sequence[Span]) -> None:
        """Return when the spans are committed; raises OverloadedError or StoreFailedError."""
        if not spans:
            # An empty export is a success (OTLP), and no batch would ever be written for it.
            return
        batch = self._next
        if self._closing or len(batch.spans) + len(spans) > self._max_pending_spans:
            raise OverloadedError("too many spans are waiting to be written; try again in a second")
        batch.spans.extend(spans)
        self._arrived.set()
        # Shielded: an exporter that gives up must not cancel the batch of the others.
        await asyncio.shield(batch.done)

    async def clear(self) -> None:
        """Forget every trace."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._store.clear)
        self.revision += 1
        self._arrived.set()

    async def run(self) -> None:
        """Write batches until close() was called and nothing waits."""
        while not self._closing or self._next.spans:
            if not self._stale:
                await self._arrived.wait()
            self._arrived.clear()
            batch, self._next = self._next, _Batch()
            await self._write(batch)
            # Rows wait for a quiet moment, unless somebody reads them.
            if self._stale and not self._closing and (self._readers or not self._next.spans):
                await self._refresh()
        self._thread.shutdown()

    async def fresh(self) -> None:
        """Return when the list's rows tell of every span submitted before, or after two seconds."""
        self._readers += 1
        try:
            async with asyncio.timeout(_FRESH_SECONDS), self._freshened:
                await self._freshened.wait_for(lambda: not self._stale)
        except TimeoutError:
            return
        finally:
            self._readers -= 1

    async def _refresh(self) -> None:
        try:
            self._stale = await asyncio.get_running_loop().run_in_executor(self._thread, self._store.refresh)
        except sqlite3.Error as error:
            # A full disk: the rows stay as they are until the next batch.
            _log.error("could not refresh the list: %s", error)
            self._stale = False
        self.revision += 1
        async with self._freshened:
            self._freshened.notify_all()

    async def _write(self, batch: _Batch) -> None:
        if not batch.spans:
            return
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._store.add, batch.spans)
        except Exception as error:  # noqa: BLE001 - the exporters are told, and the next batch may succeed
            _log.error("could not store %d spans: %s", len(batch.spans), error)
            batch.done.set_exception(
                StoreFailedError("the traces could not be stored; see the log of kf_traces")
            )
            # Marks the exception as seen even when every exporter has given up waiting.
            batch.done.exception()
            return
        self._stale = True
        batch.done.set_result(None)

    def close(self) -> None:
        """Let run() finish what waits, and return."""
        self._closing = True
        self._arrived.set()
