"""The loop that claims what may be sent now and keeps a bounded number of attempts running."""

import asyncio

import structlog
from kf_runtime.bell import Bell
from kf_runtime.postgres import TRANSIENT

from kf_sender.claimed import Claimed, Wait
from kf_sender.delivery import Courier
from kf_sender.pacing import Pacing
from kf_sender.store import Store

_DATABASE_AWAY_SECONDS = 1.0

log = structlog.get_logger()


class Dispatcher:
    """One per replica. `wake` rings when something new was stored; `settled` after each attempt."""

    def __init__(
        self,
        store: Store,
        courier: Courier,
        *,
        workers: int,
        pacing: Pacing,
        wake: Bell,
        settled: Bell,
    ) -> None:
        self._store = store
        self._courier = courier
        self._free = asyncio.Semaphore(workers)
        self._pacing = pacing
        self._wake = wake
        self._settled = settled

    async def run(self, stop: asyncio.Event) -> None:
        """Claim and send until `stop`; what is in hand then is finished."""
        async with asyncio.TaskGroup() as attempts:
            while not stop.is_set():
                await self._claim_one(attempts, stop)

    async def _claim_one(self, attempts: asyncio.TaskGroup, stop: asyncio.Event) -> None:
        await self._free.acquire()
        began = asyncio.get_running_loop().time()
        claimed = Wait(None) if stop.is_set() else await self._claim()
        if isinstance(claimed, Claimed):
            attempts.create_task(self._deliver(claimed, began))
            return
        self._free.release()
        pause = self._pacing.poll if claimed.seconds is None else min(claimed.seconds, self._pacing.poll)
        await self._wake.wait(stop, pause)

    async def _claim(self) -> Claimed | Wait:
        try:
            return await self._store.claim()
        except TRANSIENT as error:
            log.warning("dispatch.database_away", error=type(error).__name__)
            return Wait(_DATABASE_AWAY_SECONDS)

    async def _deliver(self, claimed: Claimed, began: float) -> None:
        try:
            await self._courier.deliver(claimed, began)
        except Exception as error:  # noqa: BLE001
            # A bug met by one customer must not stop the others; another attempt follows the lease.
            # Only the name is logged, since PostgreSQL's messages quote rows.
            log.error("dispatch.attempt_lost", command_id=claimed.command_id, error=type(error).__name__)  # noqa: TRY400
        finally:
            self._free.release()
            self._wake.ring()
            self._settled.ring()
