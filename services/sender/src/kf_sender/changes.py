"""Every status a command took, until it is published."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kf_contracts.events import DeliveryStatus, SessionHolder

from kf_sender.tables import Tables


@dataclass(frozen=True)
class Change:
    """One status that a command took, not yet published."""

    id: int
    open_kfid: str
    external_userid: str = field(repr=False)
    command_id: str
    turn_id: str
    status: DeliveryStatus
    parts_sent: int
    parts_total: int
    errcode: int | None
    reason: str
    holder: SessionHolder
    servicer_userid: str = field(repr=False)
    occurred_at: datetime
    kind: str
    replaced_by: str
    carrier: dict[str, str]


class Changes(Tables):
    """The outbox towards KF_DELIVERY and KF_DEAD."""

    async def unpublished(self, limit: int = 100) -> list[Change]:
        """The oldest changes that KF_DELIVERY does not have yet, in order."""
        rows = await self._pool.fetch(self._sql.unpublished_changes, limit)
        return [
            Change(
                **{
                    **row,
                    "status": DeliveryStatus(row["status"]),
                    "holder": SessionHolder(row["holder"]),
                    "carrier": json.loads(row["carrier"]),
                }
            )
            for row in rows
        ]

    async def mark_published(self, change: Change) -> None:
        """KF_DELIVERY has it."""
        await self._pool.execute(self._sql.mark_published, change.id)

    async def part_sizes(self, change: Change) -> Sequence[dict[str, Any]]:
        """Number, status, attempts and bytes of a command's parts; no text."""
        rows = await self._pool.fetch(
            self._sql.part_sizes, change.open_kfid, change.external_userid, change.command_id
        )
        return [dict(row) for row in rows]
