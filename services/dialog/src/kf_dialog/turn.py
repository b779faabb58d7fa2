"""Works one claimed conversation: load, answer unless something newer arrives, commit, tell the relay."""

import asyncio
import traceback
from time import monotonic
from uuid import uuid4

import structlog
from kf_contracts.events import SendReply
from kf_runtime import telemetry
from kf_runtime.bell import Bell
from kf_runtime.logging import hashed
from kf_runtime.postgres import TRANSIENT
from opentelemetry import trace
from opentelemetry.trace import Span
from opentelemetry.util.types import AttributeValue

from kf_dialog.answer import Answerer, apologise
from kf_dialog.conversation import Answer, Claim, Commit, Turn, Work
from kf_dialog.store import Store

log = structlog.get_logger()
tracer = trace.get_tracer("kf_dialog.turn")

_EXCHANGES = 10
"""Earlier turns that are read for a prompt; its own budget may take fewer."""
_MOST_FAILURES = 3
"""After so many, asking the model again would only cost: the customer gets an apology."""


class InHand:
    """A claim that is being worked on, and the newest revision of its conversation that was heard of."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.committing = False
        """True once the turn is being stored: from then on the fencing token decides, not we."""
        self._heard = 0
        self._news = asyncio.Event()

    def hear(self, revision: int) -> None:
        """The conversation is at `revision`."""
        self._heard = max(self._heard, revision)
        self._news.set()

    async def newer_than(self, revision: int) -> None:
        """Return once a greater revision was heard of."""
        while self._heard <= revision:
            self._news.clear()
            await self._news.wait()


class TurnWorker:
    """Takes a claim to its end: answered, given back, or lost to another worker."""

    def __init__(self, store: Store, answerer: Answerer, committed: Bell) -> None:
        """committed: rung after each stored turn."""
        self._store, self._answerer, self._committed = store, answerer, committed

    async def work(self, in_hand: InHand) -> None:
        """Never raises but for cancellation; a failure gives the claim back for a later try."""
        claim = in_hand.claim
        try:
            work = await self._store.load(claim, _EXCHANGES)
            if work is None or await self._turn(in_hand, work) is not Commit.DONE:
                await self._store.settle(claim)
        except TRANSIENT as error:
            log.warning("turn.database_down", error=type(error).__name__)
            await self._postpone(claim)
        except Exception as error:  # noqa: BLE001
            # A bug in one conversation must not stop the others, and people must see it.
            _tell("turn.failed", error, claim)
            await self._postpone(claim)

    async def _postpone(self, claim: Claim) -> None:
        try:
            await self._store.postpone(claim)
        except TRANSIENT:
            log.warning("turn.left_to_lease")

    async def _turn(self, in_hand: InHand, work: Work) -> Commit:
        """One attempt inside its span, child of the newest message and linked to the others."""
        claim, turn_id = in_hand.claim, uuid4().hex
        *others, newest = work.questions
        msgids = [q.msgid for q in work.questions]
        attributes: dict[str, AttributeValue] = {
            "kf.turn_id": turn_id,
            "kf.open_kfid": claim.open_kfid,
            "kf.customer": hashed(claim.external_userid),
            "kf.msgid": newest.msgid,
            "kf.msgids": msgids,
        }
        with tracer.start_as_current_span(
            "turn",
            context=telemetry.context_from(newest.carrier),
            links=[link for q in others for link in telemetry.link_to(q.carrier)],
            attributes=attributes,
            record_exception=False,
        ) as span:
            joins_until = monotonic() + work.join_left
            given_up = claim.failures >= _MOST_FAILURES
            answer = apologise(work) if given_up else await self._unless_newer(in_hand, work)
            if answer is None:
                return _finish(span, work, Commit.NEWER, None)
            turn = Turn(turn_id, work, answer, telemetry.carrier())
            result = await self._commit(in_hand, turn, accept_newer=monotonic() >= joins_until)
            return _finish(span, work, result, turn)

    async def _unless_newer(self, in_hand: InHand, work: Work) -> Answer | None:
        """The answer, or None when the inbox changed while newer messages could still join."""
        thinking = asyncio.create_task(self._answer(in_hand.claim, work))
        newer = asyncio.create_task(in_hand.newer_than(work.revision))
        try:
            await asyncio.wait(
                {thinking, newer}, timeout=max(0.0, work.join_left), return_when=asyncio.FIRST_COMPLETED
            )
            return None if newer.done() and not thinking.done() else await thinking
        finally:
            newer.cancel()
            thinking.cancel()
            # Its connection to the model is given back before the next attempt begins.
            await asyncio.gather(thinking, newer, return_exceptions=True)

    async def _answer(self, claim: Claim, work: Work) -> Answer:
        try:
            return await self._answerer.answer(claim.open_kfid, work)
        except Exception as error:  # noqa: BLE001
            # Whatever broke, the customer hears something; people find the cause in the log.
            _tell("turn.answer_failed", error, claim)
            return apologise(work)

    async def _commit(self, in_hand: InHand, turn: Turn, *, accept_newer: bool) -> Commit:
        command = SendReply(
            command_id=f"{turn.turn_id}-1",
            open_kfid=in_hand.claim.open_kfid,
            external_userid=in_hand.claim.external_userid,
            turn_id=turn.turn_id,
            in_reply_to=tuple(q.msgid for q in turn.work.questions),
            text=turn.answer.text,
        )
        in_hand.committing = True
        with tracer.start_as_current_span("commit turn", record_exception=False):
            result = await self._store.commit(in_hand.claim, turn, command, accept_newer=accept_newer)
        if result is Commit.DONE:
            self._committed.ring()
        return result


def _tell(event: str, error: Exception, claim: Claim) -> None:
    """Log a bug's kind and place; not its message, which may quote a customer or the key of a row."""
    log.error(
        event,
        error=type(error).__name__,
        frames="".join(traceback.format_tb(error.__traceback__)),
        open_kfid=claim.open_kfid,
        customer=hashed(claim.external_userid),
    )


def _finish(span: Span, work: Work, result: Commit, turn: Turn | None) -> Commit:
    """One line per attempt, with everything but the words."""
    names = {Commit.NEWER: "superseded", Commit.LOST: "lease_lost"}
    if turn is None or result is not Commit.DONE:
        span.set_attribute("kf.outcome", names[result])
        log.info("turn.dropped", outcome=names[result], messages=len(work.questions))
        return result
    answer = turn.answer
    span.set_attributes({"kf.outcome": answer.outcome.value, "kf.passages": len(answer.passage_ids)})
    log.info(
        "turn.finished",
        turn_id=turn.turn_id,
        outcome=answer.outcome.value,
        messages=len(work.questions),
        model=answer.model,
        input_tokens=answer.input_tokens,
        output_tokens=answer.output_tokens,
        search_seconds=round(answer.search_seconds, 3),
        model_seconds=round(answer.model_seconds, 3),
    )
    return result
