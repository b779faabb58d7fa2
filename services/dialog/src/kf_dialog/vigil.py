"""Watches over what nobody asked for: customers who wait too long are alarmed, what is too old is deleted."""

import asyncio
from time import monotonic

import structlog
from kf_runtime.bell import pause
from kf_runtime.logging import hashed
from kf_runtime.postgres import TRANSIENT

from kf_dialog.accounts_file import Accounts
from kf_dialog.records import Records

log = structlog.get_logger()

_LOOK_SECONDS = 1.0
_DAY = 24 * 3600.0
_PRUNE_SECONDS = 3600.0
_PRUNE_BATCH = 2000
_REMEDY = "`kf unanswered` lists them; `kf queue` shows what waits to be sent. / 用 kf unanswered 查看。"


class Vigil:
    """The loop; every replica runs it, each row is taken by one of them."""

    def __init__(self, records: Records, accounts: Accounts) -> None:
        self._records, self._accounts = records, accounts
        self._prune_at = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Look once a second until `stop`."""
        while not stop.is_set():
            try:
                await self.alarm()
                if monotonic() >= self._prune_at:
                    await self.prune()
            except TRANSIENT as error:
                log.warning("vigil.database_down", error=type(error).__name__)
            await pause(stop, _LOOK_SECONDS)

    async def alarm(self) -> None:
        """One line for each customer who has waited past the deadline; the schedule meets them."""
        document = self._accounts.document
        deadlines = {name: account.limits.deadline_seconds for name, account in document.accounts.items()}
        for late in await self._records.overdue(deadlines, document.defaults.limits.deadline_seconds):
            log.error(
                "conversation.overdue",
                open_kfid=late.open_kfid,
                customer=hashed(late.external_userid),
                waited_seconds=round(late.waited, 1),
                holder=late.holder,
                in_hand=late.in_hand,
                remedy=_REMEDY,
            )

    async def prune(self) -> None:
        """Delete a batch of what is older than the retention; at once again while there is more."""
        seconds = self._accounts.document.records.retention_days * _DAY
        pruned = await self._records.prune(seconds, _PRUNE_BATCH)
        if any(pruned.values()):
            log.info("records.pruned", **pruned)
        full = max(pruned.values()) == _PRUNE_BATCH
        self._prune_at = monotonic() + (0.0 if full else _PRUNE_SECONDS)
