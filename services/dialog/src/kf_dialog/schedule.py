"""Claims conversations as they fall due, keeps their leases alive, and gives all of them back at the end."""

import asyncio

import structlog
from kf_runtime.bell import Bell
from kf_runtime.postgres import TRANSIENT

from kf_dialog.conversation import Claim
from kf_dialog.store import Store
from kf_dialog.turn import InHand, TurnWorker

log = structlog.get_logger()

_POLL_SECONDS = 1.0
_LEAST_PAUSE_SECONDS = 0.005
_HURRIED = 50
"""Short answers begun at once when all turns are taken."""


class Schedule:
    """One loop that claims for `capacity` turns at a time; each turn is a task of its own."""

    def __init__(
        self,
        store: Store,
        worker: TurnWorker,
        *,
        capacity: int,
        lease_seconds: float,
        drain_seconds: float,
        hurry_seconds: float,
    ) -> None:
        """hurry_seconds: who has waited so long while all turns are taken is not kept waiting for one."""
        self._store, self._worker, self._hurry_seconds = store, worker, hurry_seconds
        self._capacity, self._lease_seconds, self._drain_seconds = capacity, lease_seconds, drain_seconds
        self._in_hand: dict[tuple[str, str], tuple[InHand, asyncio.Task[None]]] = {}
        self.bell = Bell()
        """Rung when something may have fallen due."""
        self.drained = asyncio.Event()
        """Set when no turn is in hand any more and none will be."""

    def hear(self, open_kfid: str, external_userid: str, revision: int) -> None:
        """News of a conversation: the turn in hand should know, and the next due time may have changed."""
        if held := self._in_hand.get((open_kfid, external_userid)):
            held[0].hear(revision)
        self.bell.ring()

    async def run(self, stop: asyncio.Event) -> None:
        """Claim and answer until `stop`, then wait for the turns in hand.

        What ends the renewal of leases ends this too: without it, others would be given every longer turn.
        """
        renewing = asyncio.create_task(self._renew())
        claiming = asyncio.create_task(self._claim_until(stop))
        try:
            done, _ = await asyncio.wait({renewing, claiming}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            await self._drain(self._drain_seconds)
        finally:
            for task in (renewing, claiming):
                task.cancel()
            await asyncio.gather(renewing, claiming, return_exceptions=True)
            await self._drain(0)
            self.drained.set()

    async def _claim_until(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self.bell.wait(stop, await self._claim())

    async def _claim(self) -> float:
        """Start what is due as far as there is room; seconds until it is worth looking again."""
        room = self._capacity - len(self._in_hand)
        try:
            if room <= 0:
                await self._hurry()
                return _POLL_SECONDS
            for claim in await self._store.claim(room):
                self._start(InHand(claim))
            due = await self._store.next_due()
        except TRANSIENT as error:
            log.warning("schedule.database_down", error=type(error).__name__)
            return _POLL_SECONDS
        return _POLL_SECONDS if due is None else min(_POLL_SECONDS, max(_LEAST_PAUSE_SECONDS, due))

    async def _hurry(self) -> None:
        """Beyond the capacity, those whose deadline is near get a short answer without the model."""
        for claim in await self._store.claim(_HURRIED, self._hurry_seconds):
            self._start(InHand(claim, hurried=True))

    def _start(self, in_hand: InHand) -> None:
        claim = in_hand.claim
        if lost := self._in_hand.get(claim.key):
            # Our own lease ran out and we were given the conversation again: the older attempt is void.
            lost[1].cancel()
        task = asyncio.create_task(self._worker.work(in_hand))
        self._in_hand[claim.key] = (in_hand, task)
        task.add_done_callback(lambda _: self._ended(in_hand))

    def _ended(self, in_hand: InHand) -> None:
        held = self._in_hand.get(in_hand.claim.key)
        if held and held[0] is in_hand:
            del self._in_hand[in_hand.claim.key]
        self.bell.ring()

    async def _renew(self) -> None:
        """Prolong all leases three times per lease; what was lost is cancelled, what grew is told."""
        while True:
            await asyncio.sleep(self._lease_seconds / 3)
            held = list(self._in_hand.values())
            if not held:
                continue
            try:
                revisions = await self._store.renew([in_hand.claim for in_hand, _ in held])
            except TRANSIENT as error:
                log.warning("schedule.renew_failed", error=type(error).__name__)
                continue
            for in_hand, task in held:
                revision = revisions.get(in_hand.claim.key)
                if revision is not None:
                    in_hand.hear(revision)
                elif not in_hand.committing and not task.done():
                    log.warning("schedule.lease_lost")
                    task.cancel()

    async def _drain(self, seconds: float) -> None:
        """Wait for the turns in hand, then give back those that are left."""
        tasks = {task for _, task in self._in_hand.values()}
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)
        left = [(in_hand, task) for in_hand, task in self._in_hand.values() if not task.done()]
        for in_hand, task in left:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await self._give_back(in_hand.claim)

    async def _give_back(self, claim: Claim) -> None:
        try:
            await self._store.settle(claim)
        except TRANSIENT:
            log.warning("schedule.left_to_lease")
