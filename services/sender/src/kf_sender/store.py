"""The sender's PostgreSQL: one method per thing that happens to the ledger, each one transaction."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from kf_contracts.events import DeliveryStatus, SendReply
from kf_runtime import postgres
from kf_runtime.postgres import Pool

from kf_sender.pacing import Pacing
from kf_sender.plan import Plan, msgid
from kf_sender.verdict import Action, SharedPause, Verdict

SCHEMA = "sender"

_STATUS_OF = {
    Action.DELIVERED: DeliveryStatus.SENT,
    Action.RETRY: DeliveryStatus.QUEUED,
    Action.SUSPEND: DeliveryStatus.QUEUED,
    Action.UNKNOWN: DeliveryStatus.UNKNOWN,
    Action.HOLD: DeliveryStatus.HELD,
    Action.PARK: DeliveryStatus.PARKED,
    Action.FAIL: DeliveryStatus.FAILED,
}


@dataclass(frozen=True)
class Wait:
    """Nothing may be sent now: for this many seconds, or (None) until there is something to send."""

    seconds: float | None


@dataclass(frozen=True)
class Claimed:
    """One part of one customer, claimed for one attempt that has already been counted."""

    slot_id: int
    fence: int
    look_first: bool
    queued_seconds: float
    open_kfid: str
    external_userid: str = field(repr=False)
    command_id: str
    part_no: int
    parts_total: int
    msgid: str
    text: str = field(repr=False)
    attempt: int
    mends: int
    was_under_way: bool
    """An earlier attempt's outcome is not known: it may have been sent already."""
    carrier: dict[str, str]

    @property
    def customer(self) -> tuple[str, str]:
        """The key of the customer's queue."""
        return self.open_kfid, self.external_userid


@dataclass(frozen=True)
class Settled:
    """What came of settling: False when somebody else has claimed the customer since."""

    recorded: bool
    alert_pause_seconds: float | None = None
    """Set when an operator is to be alerted now: the account rests for this long."""
    account_resumed: bool = False


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
    occurred_at: datetime
    carrier: dict[str, str]


class Store:
    """The ledger, the queues, the limiter."""

    def __init__(self, pool: Pool, pacing: Pacing) -> None:
        self._pool = pool
        self._sql = postgres.load_queries("kf_sender")
        self._pacing = pacing

    async def answers(self) -> bool:
        """Whether PostgreSQL answers."""
        return bool(await self._pool.fetchval("SELECT true"))

    async def accept(self, command: SendReply, plan: Plan, carrier: dict[str, str]) -> bool:
        """Store a command with its parts and queue it; False when it was there already.

        A plan without parts is stored as failed.
        """
        customer = (command.open_kfid, command.external_userid)
        status = DeliveryStatus.QUEUED if plan.parts else DeliveryStatus.FAILED
        async with self._pool.acquire() as connection, connection.transaction():
            stored = await connection.fetchval(
                self._sql.insert_command,
                *customer,
                command.command_id,
                command.turn_id,
                status,
                len(plan.parts),
                plan.remark,
                command.model_dump_json(),
                json.dumps(carrier),
                command.created_at,
            )
            if stored is None:
                return False
            rows = [
                (*customer, command.command_id, number, msgid(*customer, command.command_id, number), text)
                for number, text in enumerate(plan.parts, 1)
            ]
            await connection.executemany(self._sql.insert_part, rows)
            if rows:
                await connection.execute(self._sql.enqueue_customer, *customer)
        return True

    async def claim(self) -> Claimed | Wait:
        """Take a slot and the customer whose turn it is, in one statement; the attempt is counted with it."""
        p = self._pacing
        row = await self._pool.fetchrow(
            self._sql.claim, p.slots, p.calls, p.span, _seconds(p.recovery), _seconds(p.lease)
        )
        if row is None:
            return Wait(None)
        fields = dict(row)
        wait = fields.pop("wait_seconds")
        if wait > 0:
            return Wait(wait)
        return Claimed(**{**fields, "carrier": json.loads(fields["carrier"])})

    async def extend(self, claimed: Claimed) -> bool:
        """Prolong the lease; False when it has run out or somebody else has the customer."""
        return bool(
            await self._pool.fetchval(
                self._sql.extend_lease,
                *claimed.customer,
                claimed.fence,
                _seconds(self._pacing.lease),
                claimed.slot_id,
                self._pacing.span,
            )
        )

    async def pause_all(self, pause: SharedPause) -> None:
        """Make all replicas wait, and begin slower afterwards."""
        p = self._pacing
        await self._pool.execute(
            self._sql.pause_all,
            pause.seconds,
            p.slots,
            p.calls,
            pause.halve_slots,
            pause.halve_calls,
            _seconds(p.recovery),
        )

    async def settle(self, claimed: Claimed, verdict: Verdict) -> Settled:
        """Record how an attempt ended and let the customer go, unless somebody else has claimed it since."""
        async with self._pool.acquire() as connection, connection.transaction():
            if verdict.counted:
                await connection.execute(self._sql.end_slot, claimed.slot_id, self._pacing.span)
            else:
                await connection.execute(self._sql.return_slot, claimed.slot_id)
            if not await connection.fetchval(self._sql.hold_fence, *claimed.customer, claimed.fence):
                return Settled(recorded=False)
            await self._settle_command(connection, claimed, verdict)
            await connection.execute(
                self._sql.release_customer,
                *claimed.customer,
                claimed.fence,
                _seconds(verdict.pause_seconds if verdict.action in (Action.RETRY, Action.UNKNOWN) else 0),
                verdict.look_first,
            )
            return await self._settle_account(connection, claimed.open_kfid, verdict)

    async def _settle_command(self, connection: Any, claimed: Claimed, verdict: Verdict) -> None:
        command = (*claimed.customer, claimed.command_id)
        status = _STATUS_OF[verdict.action]
        await connection.execute(
            self._sql.settle_part,
            *command,
            claimed.part_no,
            _part_status(claimed, verdict),
            verdict.errcode,
            int(verdict.mended),
        )
        if verdict.action is Action.FAIL:
            await connection.execute(self._sql.fail_rest, *command)
        if claimed.was_under_way and status is DeliveryStatus.QUEUED:
            status = DeliveryStatus.UNKNOWN
        await connection.execute(
            self._sql.settle_command, *command, status, verdict.errcode or None, verdict.reason
        )
        if verdict.action in (Action.HOLD, Action.PARK):
            reason = verdict.reason
            await connection.execute(
                self._sql.suspend_others, *claimed.customer, status, verdict.errcode, reason
            )

    async def _settle_account(self, connection: Any, open_kfid: str, verdict: Verdict) -> Settled:
        p = self._pacing
        if verdict.action is Action.SUSPEND:
            row = await connection.fetchrow(
                self._sql.suspend_account,
                open_kfid,
                verdict.errcode,
                _seconds(max(p.account_first, verdict.pause_seconds)),
                _seconds(p.account_most),
                _seconds(p.alert_every),
            )
            return Settled(recorded=True, alert_pause_seconds=row["pause_seconds"] if row["alert"] else None)
        if verdict.healthy:
            resumed = await connection.fetchval(self._sql.resume_account, open_kfid)
            return Settled(recorded=True, account_resumed=resumed is not None)
        await connection.execute(self._sql.probe_account_later, open_kfid, _seconds(p.retry_most / 4))
        return Settled(recorded=True)

    async def unpublished(self, limit: int = 100) -> list[Change]:
        """The oldest changes that KF_DELIVERY does not have yet, in order."""
        rows = await self._pool.fetch(self._sql.unpublished_changes, limit)
        return [
            Change(**{**row, "status": DeliveryStatus(row["status"]), "carrier": json.loads(row["carrier"])})
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


def _part_status(claimed: Claimed, verdict: Verdict) -> str:
    match verdict.action:
        case Action.DELIVERED:
            return "sent"
        case Action.FAIL:
            return "failed"
        case Action.UNKNOWN:
            return "unknown"
        case _:
            # A refusal now says nothing about an earlier attempt that nobody answered.
            return "unknown" if claimed.was_under_way else "pending"


def _seconds(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)
