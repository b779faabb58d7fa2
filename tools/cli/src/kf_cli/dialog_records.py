"""What dialog's schema tells an operator: conversations, one of them whole, who waits in vain."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from kf_runtime import postgres
from kf_runtime.logging import hashed

_SCHEMA = "dialog"
_DAY = 86_400.0
_QUERIES = postgres.load_queries("kf_cli")


@dataclass(frozen=True)
class Conversation:
    """One customer's conversation with one account; the customer only as a hash, as in the logs."""

    open_kfid: str
    customer: str
    holder: str
    holder_reason: str
    last_message_at: datetime
    turns: int
    tokens: int
    cost: float
    currency: str
    outcome: str
    """Of the newest turn."""
    latency_seconds: float
    rating: int | None


@dataclass(frozen=True)
class Unanswered:
    """Somebody who got no answer, or whose answer did not arrive, and why."""

    open_kfid: str
    customer: str
    since: datetime
    why: str
    reason: str


class DialogRecords:
    """The dialog schema through one connection."""

    def __init__(self, pool: postgres.Pool) -> None:
        self._pool = pool

    async def conversations(self, account: str = "", holder: str = "", limit: int = 50) -> list[Conversation]:
        """The newest conversations."""
        rows = [dict(row) for row in await self._pool.fetch(_QUERIES.conversations, account, holder, limit)]
        return [Conversation(customer=hashed(row.pop("external_userid")), **row) for row in rows]

    async def unanswered(self, seconds: float = 30.0, limit: int = 200) -> list[Unanswered]:
        """Who has waited for so many seconds, or was given up in the last seven days, oldest first."""
        rows = [dict(row) for row in await self._pool.fetch(_QUERIES.unanswered, seconds, limit)]
        return [Unanswered(customer=hashed(row.pop("external_userid")), **row) for row in rows]

    async def gaps(self, account: str, days: float, limit: int) -> list[str]:
        """The newest questions that the knowledge base had no answer to; account: empty for all."""
        rows = await self._pool.fetch(_QUERIES.gaps, account, days * _DAY, limit)
        return [row["gap"] for row in rows]

    async def customers(self, who: str) -> list[str]:
        """The external_userids that `who`, an external_userid or a hash of the logs, can mean."""
        return [row["external_userid"] for row in await self._pool.fetch(_QUERIES.customers, who)]

    async def everything(self, external_userid: str) -> dict[str, Any]:
        """What a customer said, what was answered and what became of it, oldest first."""
        return {
            "external_userid": external_userid,
            "messages": [dict(row) for row in await self._pool.fetch(_QUERIES.said, external_userid)],
            "turns": [dict(row) for row in await self._pool.fetch(_QUERIES.turns, external_userid)],
            "ratings": [dict(row) for row in await self._pool.fetch(_QUERIES.ratings, external_userid)],
        }

    async def recent(self, days: float) -> list[str]:
        """The external_userids with a message in the last days."""
        rows = await self._pool.fetch(_QUERIES.recent, days * _DAY)
        return [row["external_userid"] for row in rows]


def as_dict(row: Conversation | Unanswered) -> dict[str, Any]:
    """For JSON."""
    return asdict(row)


@asynccontextmanager
async def open_records(database_url: str) -> AsyncIterator[DialogRecords]:
    """Connect to the dialog schema.

    Raises:
        DatabaseError: no database answers, or no dialog service has ever run on it.
    """
    pool = await postgres.connect(database_url, _SCHEMA, max_size=1, wait_seconds=3)
    try:
        if await pool.fetchval("SELECT to_regclass('dialog.rating') IS NULL"):
            raise postgres.DatabaseError(
                "DATABASE_URL: there are no conversations; start dialog once. / 没有会话记录，请先启动 dialog"
            )
        yield DialogRecords(pool)
    finally:
        await pool.close()
