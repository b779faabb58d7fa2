"""The pull: from "an account has news" to every item published and the cursor stored, in that order."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog
from kf_contracts.events import NoticeReceived, PayloadError
from kf_runtime.nats import Done, Outcome, Park, Retry
from kf_wecom.client import WecomClient
from kf_wecom.errcodes import ErrorClass
from kf_wecom.errors import ApiError, WecomError
from kf_wecom.replies import SyncPage
from nats.aio.msg import Msg
from opentelemetry import trace

from kf_gateway.budget import BudgetSpentError, TokenlessBudget
from kf_gateway.cursor import CursorMovedError, Cursors, Progress
from kf_gateway.inbound import Inbound
from kf_gateway.lease import Lease, Leases
from kf_gateway.outage import Outages

log = structlog.get_logger()
tracer = trace.get_tracer("kf_gateway.puller")

TOKEN_SECONDS = 570.0
"""A callback's Token lives 10 minutes; in its last half minute a call might arrive too late."""
_SYNC_PARALLEL = 3
_STUCK_SECONDS = 10.0
_OVERTAKEN_SECONDS = 0.2
_HELD_SECONDS = 0.25
_HELD_MAX_SECONDS = 2.0


def live_token(notice: NoticeReceived, now: float) -> str:
    """The notice's token while WeCom still takes it, else none: a dead one costs as much as none (§3.5)."""
    age = now - notice.received_at.timestamp()
    return notice.token if age < TOKEN_SECONDS else ""


def is_stuck(before: Progress, page: SyncPage) -> bool:
    """Whether WeCom promises more behind a cursor that does not move: asking again would never end."""
    return page.has_more and page.next_cursor in ("", before.cursor)


@dataclass
class _Reading:
    """One pull under way."""

    open_kfid: str
    progress: Progress
    revision: int
    token: str = field(repr=False)
    poll: bool
    """The first call is a poll: it takes from the smaller budget, and only now that the lease is held."""
    pages: int = 0
    items: int = 0


@dataclass
class Puller:
    """Pulls one account at a time per call; any number of replicas may run it side by side."""

    client: WecomClient
    inbound: Inbound
    cursors: Cursors
    leases: Leases
    budget: TokenlessBudget
    outages: Outages
    first_run_seconds: float
    stop: asyncio.Event
    """Set to end after the page in hand."""
    clock: Callable[[], float] = time.time
    _calls: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_SYNC_PARALLEL), init=False)

    async def handle(self, msg: Msg) -> Outcome:
        """Do what one notice asks for; NatsError when JetStream is away."""
        try:
            notice = NoticeReceived.decode(msg.data)
        except PayloadError as error:
            return Park(str(error))
        trace.get_current_span().set_attribute("kf.open_kfid", notice.open_kfid)
        rest = self.outages.remaining(notice.open_kfid)
        if rest:
            return Retry(rest, reason="resting after a refusal by WeCom")
        outcome = await self.pull(notice.open_kfid, live_token(notice, self.clock()))
        if outcome is HELD:
            # What this notice announces may lie behind the page that the other puller is reading.
            waited = _HELD_SECONDS * (msg.metadata.num_delivered or 1)
            return Retry(after=min(waited, _HELD_MAX_SECONDS))
        return outcome

    async def pull(self, open_kfid: str, token: str = "", *, poll: bool = False) -> Outcome:
        """Read an account to the end of its stream; HELD when another puller is at it. NatsError."""
        async with self.leases.hold(open_kfid) as lease:
            if lease is None:
                return HELD
            try:
                reading = await self._begin(open_kfid, token, poll=poll)
                return await self._read(reading, lease)
            except CursorMovedError:
                return Retry(_OVERTAKEN_SECONDS)
            except BudgetSpentError as spent:
                return Retry(spent.wait, reason="the token-less budget is spent")
            except WecomError as error:
                seconds = self.outages.failed(open_kfid, error)
                return Retry(seconds, reason=_reason(error))

    async def _begin(self, open_kfid: str, token: str, *, poll: bool) -> _Reading:
        progress, revision = await self.cursors.load(open_kfid)
        if progress is None:
            progress = Progress.first_run(self.clock(), self.first_run_seconds)
            revision = await self.cursors.store(open_kfid, progress, revision)
            log.info("pull.first_run", open_kfid=open_kfid)
        return _Reading(open_kfid, progress, revision, token, poll)

    async def _read(self, reading: _Reading, lease: Lease) -> Outcome:
        while True:
            page = await self._page(reading)
            stuck = is_stuck(reading.progress, page)
            await self._keep(reading, page)
            if stuck:
                log.warning("pull.cursor_stuck", open_kfid=reading.open_kfid, pages=reading.pages)
                return Retry(_STUCK_SECONDS, reason="has_more without a new cursor")
            if not page.has_more:
                self._log_end(reading)
                return Done()
            if self.stop.is_set():
                return Retry(0.0)
            await lease.renew()

    async def _page(self, reading: _Reading) -> SyncPage:
        """The next page; a dead token or a refused cursor is done without, once each."""
        while True:
            try:
                page = await self._sync(reading)
            except ApiError as error:
                if error.error_class is ErrorClass.TOKEN_LESS and reading.token:
                    log.info("pull.token_dead", open_kfid=reading.open_kfid)
                    await self.budget.record()
                    reading.token = ""
                elif _blames_cursor(error) and reading.progress.cursor:
                    log.warning("pull.cursor_refused", open_kfid=reading.open_kfid, errcode=error.code)
                    reading.progress = reading.progress.restarted()
                else:
                    raise
            else:
                self.outages.recovered(reading.open_kfid)
                return page

    async def _sync(self, reading: _Reading) -> SyncPage:
        if not reading.token:
            await (self.budget.claim_poll() if reading.poll else self.budget.claim())
        reading.poll = False
        async with self._calls:
            return await self.client.sync_msg(
                open_kfid=reading.open_kfid, cursor=reading.progress.cursor, token=reading.token
            )

    async def _keep(self, reading: _Reading, page: SyncPage) -> None:
        """Publish the page in its order and then, when all of it is acknowledged, move the cursor."""
        newest = await self._publish(reading, page) if page.msg_list else 0.0
        reading.pages += 1
        reading.items += len(page.msg_list)
        reading.progress = reading.progress.after(page, newest, self.clock())
        reading.revision = await self.cursors.store(reading.open_kfid, reading.progress, reading.revision)

    async def _publish(self, reading: _Reading, page: SyncPage) -> float:
        attributes: dict[str, str | int] = {
            "kf.open_kfid": reading.open_kfid,
            "kf.items": len(page.msg_list),
        }
        with tracer.start_as_current_span("pull page", attributes=attributes):
            sent = [
                await self.inbound.publish(reading.open_kfid, raw, reading.progress) for raw in page.msg_list
            ]
        return max(sent)

    def _log_end(self, reading: _Reading) -> None:
        tell = log.info if reading.items else log.debug
        tell("pull.done", open_kfid=reading.open_kfid, pages=reading.pages, items=reading.items)


HELD = Retry(_HELD_SECONDS)
"""Another puller holds the lease of the account."""


def _blames_cursor(error: ApiError) -> bool:
    """Whether the cursor may be at fault; WeCom's code for a bad one is documented nowhere (§3.4)."""
    return error.error_class in (ErrorClass.PAYLOAD, ErrorClass.UNKNOWN)


def _reason(error: WecomError) -> str:
    return f"errcode {error.code}" if isinstance(error, ApiError) else type(error).__name__
