"""The sender's PostgreSQL: one method per thing that happens to the ledger, each one transaction."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from kf_contracts.commands import Command, SendOnEvent
from kf_contracts.events import DeliveryStatus, SendReply, SessionHolder
from kf_runtime import postgres
from kf_runtime.postgres import Pool
from kf_wecom.content import TEXT_MAX_BYTES

from kf_sender.pacing import Pacing
from kf_sender.plan import OFFER, Plan, msgid
from kf_sender.verdict import Action, SharedPause, Verdict

SCHEMA = "sender"
_URGENT, _ORDINARY = 0, 1
_CORP = ""
"""In the table of accounts: all of them."""

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
    kind: str = "send_reply"
    payload: str | None = field(default=None, repr=False)
    """The command as it came, for kinds that are more than their text."""

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
    holder: SessionHolder
    servicer_userid: str = field(repr=False)
    occurred_at: datetime
    kind: str
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

    async def accept(self, command: Command, plan: Plan, carrier: dict[str, str]) -> bool:
        """Store a command with its parts and queue it; False when it was there already.

        A plan without parts is stored as failed, an answer to "continue" as expired: the rest of the earlier
        answer is sent instead. What the customer's budget does not cover is held.
        """
        customer = (command.open_kfid, command.external_userid)
        async with self._pool.acquire() as connection, connection.transaction():
            rest_msgid = await connection.fetchval(self._sql.lock_customer, *customer)
            status, reason = _first_status(command, plan, rest_msgid, _seconds(self._pacing.fresh))
            stored = await connection.fetchval(
                self._sql.insert_command,
                *customer,
                command.command_id,
                command.turn_id,
                status,
                len(plan.parts),
                reason,
                plan.remark,
                command.model_dump_json(),
                json.dumps(carrier),
                command.created_at,
                command.kind,
                _URGENT if isinstance(command, SendOnEvent) else _ORDINARY,
                command.expires_at if isinstance(command, SendOnEvent) else None,
            )
            if stored is None:
                return False
            rows = [
                (*customer, command.command_id, number, msgid(*customer, command.command_id, number), text)
                for number, text in enumerate(plan.parts, 1)
            ]
            await connection.executemany(self._sql.insert_part, rows)
            await connection.execute(self._sql.hold_beyond_budget, *customer, self._pacing.budget)
            await connection.execute(self._sql.queue_customer, *customer)
        return True

    async def customer_spoke(
        self, open_kfid: str, external_userid: str, said: str, at: datetime, *, wants_rest: bool
    ) -> str:
        """A new budget; what was held goes on. `repeat` for what was heard before, `rest` or `heard`."""
        fresh = _seconds(self._pacing.fresh)
        return str(
            await self._pool.fetchval(
                self._sql.customer_spoke, open_kfid, external_userid, said, at, wants_rest, fresh
            )
        )

    async def session_changed(
        self, open_kfid: str, external_userid: str, *, ended: bool, at: datetime
    ) -> None:
        """A servicer took or ended the session."""
        await self._pool.execute(self._sql.session_changed, open_kfid, external_userid, ended, at)

    async def delivery_failed(
        self, customer: tuple[str, str], failed: str, fate: str, why: str
    ) -> tuple[str, bool] | None:
        """A message that WeCom took did not arrive; its command and whether to ask again, None if not ours.

        With the fate `queued` it is the account that is refused: it rests.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            again = msgid(*customer, "", 0, again=failed)
            row = await connection.fetchrow(self._sql.delivery_failed, *customer, failed, fate, why, again)
            if row is None:
                return None
            if fate == "queued" and not row["busy"]:
                p = self._pacing
                rest = (_seconds(p.account_first), _seconds(p.account_most), _seconds(p.alert_every))
                await connection.execute(self._sql.suspend_account, customer[0], None, *rest)
            return row["command_id"], row["busy"]

    async def expire(self) -> int:
        """End what waited too long to be useful; how many."""
        return len(await self._pool.fetch(self._sql.expire_commands, _seconds(self._pacing.fresh)))

    async def least_busy(self, servicer_userids: Sequence[str]) -> list[str]:
        """These servicers, who has the fewest open sessions first, then who has waited longest."""
        rows = await self._pool.fetch(self._sql.least_busy, list(servicer_userids))
        return [row["servicer_userid"] for row in rows]

    async def session_given(self, open_kfid: str, external_userid: str, servicer_userid: str) -> None:
        """A servicer has the session now."""
        await self._pool.execute(self._sql.session_given, open_kfid, external_userid, servicer_userid)

    async def session_over(self, open_kfid: str, external_userid: str) -> None:
        """No servicer has the session any more."""
        await self._pool.execute(self._sql.session_over, open_kfid, external_userid)

    async def keep_code(
        self,
        claimed: Claimed,
        code: str,
        text: str,
        holder: SessionHolder = SessionHolder.UNKNOWN,
        servicer_userid: str = "",
    ) -> None:
        """What WeCom gave for a notice, its words, and who has the session now: known nowhere else."""
        command = (*claimed.customer, claimed.command_id, claimed.part_no)
        await self._pool.execute(self._sql.keep_code, *command, code, text, holder, servicer_userid)

    async def code_of(self, claimed: Claimed) -> str:
        """The code that an earlier attempt was given; empty without one."""
        command = (*claimed.customer, claimed.command_id, claimed.part_no)
        return str(await self._pool.fetchval(self._sql.code_of, *command))

    async def media_id(self, digest: str) -> str:
        """What WeCom calls a media that it still keeps; empty otherwise."""
        return str(await self._pool.fetchval(self._sql.media_id, digest) or "")

    async def keep_media(self, digest: str, media_id: str) -> None:
        """WeCom keeps a media now."""
        await self._pool.execute(self._sql.keep_media, digest, media_id)

    async def forget_media(self, digest: str) -> None:
        """WeCom does not keep it any more."""
        await self._pool.execute(self._sql.forget_media, digest)

    async def unpark(self, claimed: Claimed) -> bool:
        """The session is free again: the drafts go on; whether there were any."""
        return bool(await self._pool.fetch(self._sql.unpark, *claimed.customer))

    async def claim(self) -> Claimed | Wait:
        """Take a slot and the customer whose turn it is, in one statement; the attempt is counted with it."""
        p = self._pacing
        row = await self._pool.fetchrow(
            self._sql.claim,
            p.slots,
            p.calls,
            p.span,
            _seconds(p.recovery),
            _seconds(p.lease),
            min(p.kept, p.slots // 10),
            _seconds(p.ahead),
            p.budget,
            OFFER,
            TEXT_MAX_BYTES,
            p.account_slots,
            p.burst or p.slots,
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
                verdict.action is Action.HOLD,
            )
            if verdict.action is Action.DELIVERED:
                await connection.execute(self._sql.hold_beyond_budget, *claimed.customer, self._pacing.budget)
            await connection.execute(self._sql.queue_customer, *claimed.customer)
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
            self._sql.settle_command,
            *command,
            status,
            verdict.errcode or None,
            verdict.reason,
            verdict.holder,
            verdict.servicer_userid,
        )
        if verdict.action in (Action.HOLD, Action.PARK):
            await connection.execute(self._sql.withdraw_offer, *command)
            why = (verdict.errcode, verdict.reason, verdict.holder, verdict.servicer_userid)
            await connection.execute(self._sql.suspend_others, *claimed.customer, status, *why)

    async def _settle_account(self, connection: Any, open_kfid: str, verdict: Verdict) -> Settled:
        p = self._pacing
        if verdict.action is Action.SUSPEND:
            row = await connection.fetchrow(
                self._sql.suspend_account,
                _CORP if verdict.corp_wide else open_kfid,
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


def _first_status(
    command: Command, plan: Plan, rest_msgid: str, fresh: timedelta
) -> tuple[DeliveryStatus, str]:
    if not plan.parts:
        return DeliveryStatus.FAILED, plan.remark
    if datetime.now(UTC) - command.created_at > fresh:
        return DeliveryStatus.EXPIRED, "too old to be useful: it came too late"
    if isinstance(command, SendReply) and rest_msgid and command.in_reply_to == (rest_msgid,):
        return DeliveryStatus.EXPIRED, "the rest of an earlier answer was asked for and is sent instead"
    return DeliveryStatus.QUEUED, plan.remark


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
