"""How an attempt's end gets into the ledger, lets the customer go and tells on the account."""

from typing import Any

from kf_contracts.events import DeliveryStatus

from kf_sender.claimed import Claimed, Settled
from kf_sender.tables import Tables, interval
from kf_sender.verdict import Action, Verdict

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
    Action.DROP: DeliveryStatus.EXPIRED,
}


class Settlements(Tables):
    """Ends what a claim began."""

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
                interval(verdict.pause_seconds if verdict.action in (Action.RETRY, Action.UNKNOWN) else 0),
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
                interval(max(p.account_first, verdict.pause_seconds)),
                interval(p.account_most),
                interval(p.alert_every),
            )
            return Settled(recorded=True, alert_pause_seconds=row["pause_seconds"] if row["alert"] else None)
        if verdict.healthy:
            resumed = await connection.fetchval(self._sql.resume_account, open_kfid)
            return Settled(recorded=True, account_resumed=resumed is not None)
        await connection.execute(self._sql.probe_account_later, open_kfid, interval(p.retry_most / 4))
        return Settled(recorded=True)


def _part_status(claimed: Claimed, verdict: Verdict) -> str:
    match verdict.action:
        case Action.DELIVERED:
            return "sent"
        case Action.FAIL | Action.DROP:
            return "failed"
        case Action.UNKNOWN:
            return "unknown"
        case _:
            # A refusal now says nothing about an earlier attempt that nobody answered.
            return "unknown" if claimed.was_under_way else "pending"
