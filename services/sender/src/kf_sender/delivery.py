"""One attempt to deliver one part: under a lease, judged, recorded, and seen in the trace."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import structlog
from kf_contracts.commands import SendOnEvent
from kf_runtime import telemetry
from kf_runtime.logging import hashed
from kf_runtime.postgres import TRANSIENT
from kf_wecom.client import WecomClient
from kf_wecom.content import Text
from kf_wecom.errcodes import lookup
from kf_wecom.errors import WecomError
from kf_wecom.token import LocalToken
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from kf_sender import metrics
from kf_sender import verdict as judge
from kf_sender.claimed import Claimed, Settled
from kf_sender.pacing import Pacing
from kf_sender.rich import AS_TEXT, RichMessages, menu_or_text
from kf_sender.sessions import Sessions
from kf_sender.store import Store
from kf_sender.verdict import Action, Verdict

_RECORD_AGAIN_SECONDS = 0.5
_NEW, _ASSISTANT = 0, 1
_CALM = frozenset({Action.DELIVERED, Action.HOLD, Action.PARK, Action.DROP})

log = structlog.get_logger()
tracer = trace.get_tracer("kf_sender")


class RefusalStands:
    """A token source for send_msg: a refused token is renewed, but the refusal is handed on.

    The client would send again at once; that second call needs a slot of the limiter like any other.
    """

    def __init__(self, tokens: LocalToken) -> None:
        self._tokens = tokens

    async def look_again(self) -> None:
        """Before a second try: the replica that met the refusal has a new token, ours may be the dead one."""
        with suppress(WecomError):
            await self._tokens.look_again()

    async def get(self) -> str:
        """As the source below."""
        return await self._tokens.get()

    async def refresh(self, stale: str) -> str:
        """Renew the token for the next attempt and return the refused one."""
        with suppress(WecomError):
            await self._tokens.refresh(stale)
        return stale


class Courier:
    """Carries claimed parts to WeCom; `sends` makes only the send_msg calls, over `tokens`."""

    def __init__(
        self, store: Store, tokens: RefusalStands, sends: WecomClient, states: WecomClient, pacing: Pacing
    ) -> None:
        self._store = store
        self._tokens = tokens
        self._sends = sends
        self._states = states
        self._pacing = pacing
        self._sessions = Sessions(store, sends, states, pacing)
        self._rich = RichMessages(store, sends, states, pacing)

    async def deliver(self, claimed: Claimed, began: float) -> None:
        """Make the attempt that was claimed at `began` (the loop's clock) and record how it ended."""
        with tracer.start_as_current_span(
            "send",
            context=telemetry.context_from(claimed.carrier),
            kind=SpanKind.INTERNAL,
            attributes={
                "kf.open_kfid": claimed.open_kfid,
                "kf.customer": hashed(claimed.external_userid),
                "kf.command_id": claimed.command_id,
                "kf.part": claimed.part_no,
                "kf.parts": claimed.parts_total,
                "kf.attempt": claimed.attempt,
                "kf.limiter_wait_ms": round(claimed.queued_seconds * 1000),
            },
        ) as span:
            verdict = await self._under_lease(claimed, began)
            settled = await self._record(claimed, verdict)
            _show(span, verdict)
            metrics.attempted(claimed, verdict)
            _log(claimed, verdict, settled)

    async def _under_lease(self, claimed: Claimed, began: float) -> Verdict:
        """The attempt, cut off when the lease ends: a replica that was paused must not send later."""
        try:
            async with asyncio.timeout_at(began + self._pacing.lease) as limit, self._kept(claimed, limit):
                return await self._attempt(claimed)
        except Exception as error:
            # The lease ran out, or a bug: either way nobody knows whether the request left.
            log.exception("send.cut_off", command_id=claimed.command_id, attempt=claimed.attempt)
            return judge.of_crash(error, attempts=claimed.attempt, pacing=self._pacing)

    @asynccontextmanager
    async def _kept(self, claimed: Claimed, limit: asyncio.Timeout) -> AsyncIterator[None]:
        """Prolong the lease as long as the attempt lasts; losing it ends the attempt."""

        async def keep() -> None:
            loop = asyncio.get_running_loop()
            while True:
                await asyncio.sleep(self._pacing.lease / 3)
                asked = loop.time()
                try:
                    kept = await self._store.extend(claimed)
                except TRANSIENT as error:
                    log.warning("send.lease_not_extended", error=type(error).__name__)
                    continue
                limit.reschedule(asked + self._pacing.lease if kept else asked)

        task = asyncio.create_task(keep())
        try:
            yield
        finally:
            task.cancel()

    async def _attempt(self, claimed: Claimed) -> Verdict:
        if claimed.mends:
            await self._tokens.look_again()
        match claimed.kind:
            case "send_on_event":
                return await self._on_event(claimed)
            case "hand_over":
                return await self._sessions.hand_over(claimed)
            case "end_session":
                return await self._sessions.end(claimed)
            case "find_holder":
                return await self._sessions.find_holder(claimed)
            case _:
                return await self._reply(claimed)

    async def _on_event(self, claimed: Claimed) -> Verdict:
        command = SendOnEvent.decode((claimed.payload or "").encode())
        content = menu_or_text(command.menu, claimed.text)
        try:
            await self._sends.send_msg_on_event(code=command.code, content=content, msgid=claimed.msgid)
        except WecomError as error:
            refused = judge.of_event_send(
                error, attempts=claimed.attempt, mends=claimed.mends, pacing=self._pacing
            )
            if refused.action is Action.FAIL and claimed.was_under_way:
                # A code works once, and an attempt that nobody answered has tried it: that one arrived.
                reason = f"the code was used by an attempt that nobody answered: {refused.reason}"
                return replace(judge.DELIVERED, reason=reason, look_first=None)
            return refused
        return replace(judge.DELIVERED, look_first=None)

    async def _reply(self, claimed: Claimed) -> Verdict:
        if claimed.look_first:
            seen = await self._judged_by_state(claimed, None)
            if seen.action is not Action.RETRY:
                return seen
            if await self._store.unpark(claimed):
                # Older drafts may be among them: the next claim takes what comes first.
                return replace(seen, reason="the session is free again", look_first=False)
        if claimed.kind == "send_content" and await self._store.code_of(claimed) != AS_TEXT:
            verdict = await self._rich.send(claimed)
        else:
            verdict = await self._text(claimed)
        return await self._judged_by_state(claimed, verdict) if verdict.action is Action.INSPECT else verdict

    async def _text(self, claimed: Claimed) -> Verdict:
        try:
            await self._sends.send_msg(
                touser=claimed.external_userid,
                open_kfid=claimed.open_kfid,
                content=Text(content=claimed.text),
                msgid=claimed.msgid,
            )
        except WecomError as error:
            return judge.of_send(error, attempts=claimed.attempt, mends=claimed.mends, pacing=self._pacing)
        return judge.DELIVERED

    async def _judged_by_state(self, claimed: Claimed, refusal: Verdict | None) -> Verdict:
        """Who has the session decides; a new session is taken by the assistant, for one more try."""
        chat = {"open_kfid": claimed.open_kfid, "external_userid": claimed.external_userid}
        try:
            state = await self._states.service_state_get(**chat)
            mends = claimed.mends if refusal else 0
            verdict = judge.of_state(refusal or judge.NOT_TRIED, state, mends=mends, pacing=self._pacing)
            if refusal and verdict.action is Action.RETRY and state.service_state == _NEW:
                await self._states.service_state_trans(**chat, service_state=_ASSISTANT)
        except WecomError as error:
            return judge.of_lookup(error, refusal, attempts=claimed.attempt, pacing=self._pacing)
        return verdict

    async def _record(self, claimed: Claimed, verdict: Verdict) -> Settled:
        """Settle, however long PostgreSQL is away: the outcome is known nowhere else."""
        while True:
            try:
                if verdict.shared_pause:
                    await self._store.pause_all(verdict.shared_pause)
                return await self._store.settle(claimed, verdict)
            except TRANSIENT as error:
                log.warning("send.not_recorded_yet", error=type(error).__name__)
                await asyncio.sleep(_RECORD_AGAIN_SECONDS)


def _show(span: Span, verdict: Verdict) -> None:
    span.set_attribute("kf.outcome", verdict.action)
    if verdict.errcode is not None:
        span.set_attribute("kf.errcode", verdict.errcode)
    if verdict.action is not Action.DELIVERED:
        span.set_status(Status(StatusCode.ERROR, str(verdict.action)))


def _log(claimed: Claimed, verdict: Verdict, settled: Settled) -> None:
    facts = {
        "command_id": claimed.command_id,
        "part": claimed.part_no,
        "parts": claimed.parts_total,
        "attempt": claimed.attempt,
        "open_kfid": claimed.open_kfid,
        "customer": hashed(claimed.external_userid),
        "outcome": str(verdict.action),
        "errcode": verdict.errcode,
        "reason": verdict.reason,
    }
    if verdict.action is Action.DELIVERED and verdict.errcode:
        log.error("send.msgid_used_counts_as_sent", **facts)
    elif verdict.action is Action.FAIL:
        log.error("send.failed", **facts)
    else:
        (log.info if verdict.action in _CALM else log.warning)("send.settled", **facts)
    if not settled.recorded:
        log.warning("send.overtaken", command_id=claimed.command_id, part=claimed.part_no)
    if settled.account_resumed:
        log.warning("account.accepted_again", open_kfid=claimed.open_kfid)
    if settled.alert_pause_seconds is not None:
        _alert(claimed, verdict, settled.alert_pause_seconds)


def _alert(claimed: Claimed, verdict: Verdict, pause_seconds: float) -> None:
    """What an operator must mend, once per account and some minutes."""
    log.error(
        "account.refused",
        open_kfid=claimed.open_kfid,
        concerns="every account" if verdict.corp_wide else "this account",
        errcode=verdict.errcode,
        reason=verdict.reason,
        remedy=verdict.remedy_zh,
        menu=lookup(verdict.errcode).menu if verdict.errcode is not None else "",
        next_try_seconds=round(pause_seconds),
    )
