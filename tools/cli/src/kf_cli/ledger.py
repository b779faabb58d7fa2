"""The sender's ledger as operators see it: what waits and why, and running a failed command again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any

from kf_runtime import postgres
from kf_runtime.logging import hashed

_SCHEMA = "sender"
_WAITING = """
SELECT c.command_id, c.kind, c.open_kfid, c.external_userid, c.status, c.parts_sent, c.parts_total, c.errcode,
    c.reason, extract(epoch FROM clock_timestamp() - c.created_at)::float8 AS age_seconds
FROM command c
WHERE c.status IN ('queued', 'sending', 'unknown', 'held', 'parked') AND ($1 = '' OR c.status = $1)
ORDER BY c.seq LIMIT $2
"""
_COUNTS = """
SELECT status, count(*) AS commands FROM command
WHERE status IN ('queued', 'sending', 'unknown', 'held', 'parked') GROUP BY status ORDER BY status
"""
_CIRCUITS = """
SELECT open_kfid, errcode, failures, extract(epoch FROM paused_until - steady())::float8 AS seconds
FROM account WHERE failures > 0 ORDER BY open_kfid
"""
_PAUSE = "SELECT greatest(0, extract(epoch FROM paused_until - steady()))::float8 FROM limiter"


@dataclass(frozen=True)
class Waiting:
    """A command that has not ended; the customer only as a hash, as in the logs."""

    command_id: str
    kind: str
    open_kfid: str
    customer: str
    status: str
    parts_sent: int
    parts_total: int
    errcode: int | None
    reason: str
    age_seconds: float


@dataclass(frozen=True)
class Queue:
    """What waits, counted; the first of it; accounts at rest ("": the corp); WeCom's pause."""

    counts: dict[str, int]
    waiting: list[Waiting]
    circuits: list[dict[str, Any]]
    pause_seconds: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


class Ledger:
    """The sender's schema through one connection."""

    def __init__(self, pool: postgres.Pool) -> None:
        self._pool = pool

    async def queue(self, status: str = "", limit: int = 50) -> Queue:
        """What waits, of one status or of all."""
        rows = [dict(row) for row in await self._pool.fetch(_WAITING, status, limit)]
        return Queue(
            counts={row["status"]: row["commands"] for row in await self._pool.fetch(_COUNTS)},
            waiting=[Waiting(customer=hashed(row.pop("external_userid")), **row) for row in rows],
            circuits=[dict(row) for row in await self._pool.fetch(_CIRCUITS)],
            pause_seconds=float(await self._pool.fetchval(_PAUSE) or 0),
        )

    async def replay(self, command_id: str) -> bool:
        """Queue a failed or expired command again; False when it is neither."""
        return bool(await self._pool.fetchval("SELECT replay_command($1)", command_id))


@asynccontextmanager
async def open_ledger(database_url: str) -> AsyncIterator[Ledger]:
    """Connect to the sender's schema.

    Raises:
        DatabaseError: no database answers, or no sender has ever run on it.
    """
    pool = await postgres.connect(database_url, _SCHEMA, max_size=1, wait_seconds=3)
    try:
        if await pool.fetchval("SELECT to_regclass('sender.command') IS NULL"):
            raise postgres.DatabaseError(
                "DATABASE_URL: there is no ledger; start the sender once. / 没有发送账本：请先启动 sender。"
            )
        yield Ledger(pool)
    finally:
        await pool.close()
