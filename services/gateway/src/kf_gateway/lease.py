"""Who pulls an account right now: a lease in NATS KV that spares double work and runs out by the clock."""

import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog
from nats.errors import Error as NatsError
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from kf_gateway.clocks import is_honest

log = structlog.get_logger()

LEASE_SECONDS = 8.0


class Lease:
    """A held lease; it is no lock: a holder that is slow may meet another, and the cursor's CAS decides.

    The bucket has no TTL. The value names the wall-clock time until which the lease holds, so a dead holder's
    is taken over after 8 s at most; one that holds for longer comes from a wrong clock and counts as over.
    """

    def __init__(self, bucket: KeyValue, key: str, revision: int, clock: Callable[[], float]) -> None:
        self._bucket, self._key, self._revision, self._clock = bucket, key, revision, clock

    async def renew(self) -> None:
        """Hold it for another 8 s; a lease that was lost stays lost."""
        await self._write(self._clock() + LEASE_SECONDS)

    async def release(self) -> None:
        """Let the next one in at once."""
        await self._write(0.0)

    async def _write(self, until: float) -> None:
        try:
            self._revision = await self._bucket.update(self._key, _encoded(until), last=self._revision)
        except (NatsError, OSError) as error:
            # It runs out by itself, and nothing correct depends on it.
            log.info("lease.not_written", error=type(error).__name__)


class Leases:
    """The leases of all accounts, shared by all replicas."""

    def __init__(self, bucket: KeyValue, clock: Callable[[], float] = time.time) -> None:
        self._bucket, self._clock = bucket, clock

    @asynccontextmanager
    async def hold(self, open_kfid: str) -> AsyncIterator[Lease | None]:
        """The lease of one account, released at the end; None when somebody else has it. NatsError."""
        lease = await self._acquire(f"pull.{open_kfid}")
        try:
            yield lease
        finally:
            if lease:
                await lease.release()

    async def _acquire(self, key: str) -> Lease | None:
        until, revision = await self._read(key)
        now = self._clock()
        if now < until and is_honest(until, now, LEASE_SECONDS):
            return None
        try:
            revision = await self._bucket.update(key, _encoded(now + LEASE_SECONDS), last=revision)
        except KeyWrongLastSequenceError:
            return None
        return Lease(self._bucket, key, revision, self._clock)

    async def _read(self, key: str) -> tuple[float, int]:
        try:
            entry = await self._bucket.get(key)
        except KeyNotFoundError:
            return 0.0, 0
        return float(json.loads(entry.value or b"{}").get("until", 0.0)), entry.revision or 0


def _encoded(until: float) -> bytes:
    return json.dumps({"until": until}).encode()
