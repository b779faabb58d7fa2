"""The dialog schema beside the way of a message: deliveries, long waits, and what is deleted by age."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from kf_contracts.events import DeliveryChanged
from kf_runtime import postgres
from kf_runtime.postgres import Pool

_QUERIES = postgres.load_queries("kf_dialog")
_PRUNED = ("inbox", "turns", "deliveries", "ratings", "conversations")


@dataclass(frozen=True)
class Overdue:
    """A customer who has been waiting for longer than the account's deadline."""

    open_kfid: str
    external_userid: str
    waited: float
    holder: str
    in_hand: bool
    """True when a turn is being worked on."""


class Records:
    """Its SQL; every method may raise what `postgres.TRANSIENT` lists."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def record_delivery(self, change: DeliveryChanged, handover_result: str) -> None:
        """Keep the newest status of a command; the result of a handover stands in its turn too."""
        await self._pool.execute(
            _QUERIES.record_delivery,
            change.open_kfid,
            change.external_userid,
            change.command_id,
            change.turn_id,
            change.kind,
            change.status,
            change.parts_sent,
            change.parts_total,
            change.errcode,
            change.reason,
            change.occurred_at,
            handover_result,
        )

    async def asked_at(self, open_kfid: str, external_userid: str, turn_id: str) -> datetime | None:
        """When the oldest message that a turn answers was sent; None when the turn is not there."""
        found: datetime | None = await self._pool.fetchval(
            _QUERIES.asked_at, open_kfid, external_userid, turn_id
        )
        return found

    async def unanswered(self) -> tuple[int, datetime | None]:
        """How many customers wait for a turn, and since when the first of them."""
        [row] = await self._pool.fetch(_QUERIES.unanswered)
        return row["waiting"], row["since"]

    async def overdue(self, deadlines: Mapping[str, float], otherwise: float) -> list[Overdue]:
        """Those who have waited too long and for whom nobody was alarmed yet; each is returned once.

        deadlines: seconds by open_kfid.
        """
        rows = await self._pool.fetch(
            _QUERIES.overdue, list(deadlines), [float(s) for s in deadlines.values()], otherwise
        )
        return [Overdue(*row) for row in rows]

    async def prune(self, age_seconds: float, limit: int) -> dict[str, int]:
        """Delete up to `limit` rows of each table that are older; how many, by table."""
        return {
            table: int(await self._pool.fetchval(getattr(_QUERIES, f"prune_{table}"), age_seconds, limit))
            for table in _PRUNED
        }
