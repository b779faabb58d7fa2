"""The sender's PostgreSQL, one method per thing that happens to it; here the commands and their customers."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from kf_contracts.commands import Command, SendContent, SendOnEvent
from kf_contracts.events import DeliveryStatus, SendReply

from kf_sender.changes import Changes
from kf_sender.claimed import Claimed
from kf_sender.keepsakes import Keepsakes
from kf_sender.limiter import Limiter
from kf_sender.plan import Plan, msgid, plan_of, substitute
from kf_sender.servicers import Servicers
from kf_sender.settlement import Settlements
from kf_sender.standing import Standings
from kf_sender.tables import interval

_URGENT, _ORDINARY = 0, 1


class Store(Limiter, Settlements, Servicers, Keepsakes, Changes, Standings):
    """All of it; the other parts are in the modules named after them."""

    async def answers(self) -> bool:
        """Whether PostgreSQL answers."""
        return bool(await self._pool.fetchval("SELECT true"))

    async def accept(self, command: Command, plan: Plan, carrier: dict[str, str]) -> bool:
        """Store a command with its parts and queue it; False when it was there already.

        A plan without parts is stored as failed, an answer to "continue" as expired: the rest of the earlier
        answer is sent instead. What the customer's budget does not cover is held.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            return await self._accept(connection, command, plan, json.dumps(carrier))

    async def _accept(self, connection: Any, command: Command, plan: Plan, carrier: str) -> bool:
        customer = (command.open_kfid, command.external_userid)
        rest = await connection.fetchrow(self._sql.lock_customer, *customer)
        first = _first(command, plan, rest["rest_msgid"], interval(self._pacing.fresh))
        stored = await connection.fetchval(
            self._sql.insert_command,
            *customer,
            command.command_id,
            command.turn_id,
            first.status,
            len(plan.parts),
            first.reason,
            plan.remark,
            command.model_dump_json(),
            carrier,
            command.created_at,
            command.kind,
            _URGENT if isinstance(command, SendOnEvent) else _ORDINARY,
            command.expires_at if isinstance(command, SendOnEvent) else None,
            rest["rest_command"] if first.replaced else "",
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
        fresh = interval(self._pacing.fresh)
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
    ) -> tuple[str, str] | None:
        """A message that WeCom took did not arrive; its command and what becomes of it, None if not ours.

        `busy`: ask again. `queued`: it is the account that is refused, and rests. `failed`: the customer is
        told in words that no rule holds up. `as_text`: the rich form failed.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            again = msgid(*customer, "", 0, again=failed)
            row = await connection.fetchrow(self._sql.delivery_failed, *customer, failed, fate, why, again)
            if row is None:
                return None
            if row["fate"] == "queued":
                p = self._pacing
                rest = (interval(p.account_first), interval(p.account_most), interval(p.alert_every))
                await connection.execute(self._sql.suspend_account, customer[0], None, *rest)
            if row["substitute"]:
                words = substitute(row["substitute"], customer, row["turn_id"])
                await self._accept(connection, words, plan_of(words, self._pacing.budget), row["carrier"])
            return row["command_id"], row["fate"]

    async def expire(self) -> int:
        """End what waited too long to be useful; how many."""
        return len(await self._pool.fetch(self._sql.expire_commands, interval(self._pacing.fresh)))

    async def prune(self, keep: float, most: int) -> int:
        """Delete commands that ended so many seconds ago, at most so many; how many."""
        return int(await self._pool.fetchval(self._sql.prune_commands, interval(keep), most))

    async def unpark(self, claimed: Claimed) -> bool:
        """The session is free again: the drafts go on; whether there were any."""
        return bool(await self._pool.fetch(self._sql.unpark, *claimed.customer))


class _First(NamedTuple):
    """The status a command begins with."""

    status: DeliveryStatus
    reason: str
    replaced: bool = False


def _first(command: Command, plan: Plan, rest_msgid: str, fresh: timedelta) -> _First:
    if not plan.parts:
        return _First(DeliveryStatus.FAILED, plan.remark)
    if datetime.now(UTC) - command.created_at > fresh:
        return _First(DeliveryStatus.EXPIRED, "too old to be useful: it came too late")
    answers = isinstance(command, SendReply | SendContent)
    if answers and rest_msgid and command.in_reply_to == (rest_msgid,):
        reason = "the rest of an earlier answer was asked for and is sent instead"
        return _First(DeliveryStatus.EXPIRED, reason, replaced=True)
    return _First(DeliveryStatus.QUEUED, plan.remark)
