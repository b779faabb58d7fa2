"""Works one claimed conversation: load, answer unless something newer arrives, commit, tell the relay."""

import asyncio
import traceback
from datetime import UTC, datetime
from time import monotonic
from uuid import uuid4

import structlog
from kf_runtime import telemetry
from kf_runtime.bell import Bell
from kf_runtime.logging import hashed
from kf_runtime.postgres import TRANSIENT
from opentelemetry import trace
from opentelemetry.trace import Span
from opentelemetry.util.types import AttributeValue

from kf_dialog import effects, metrics, taps, wording
from kf_dialog.accounts_file import Accounts
from kf_dialog.answer import Answerer
from kf_dialog.case import language_of
from kf_dialog.conversation import Answer, Claim, Commit, Outcome, Turn, Work
from kf_dialog.reading import question_text
from kf_dialog.store import Store

log = structlog.get_logger()
tracer = trace.get_tracer("kf_dialog.turn")

_EXCHANGES = 10
"""Earlier turns that are read for a prompt; its own budget may take fewer."""
_MOST_FAILURES = 3
"""After so many, asking the model again would only cost: the customer gets an apology."""
_DEADLINE_MARGIN = 3.0
"""Seconds of the deadline that are kept for storing and sending."""
_LEAST_SHARE = 1 / 3
"""Of the deadline, for an answer that comes late anyway: after an outage it still beats an apology."""


class InHand:
    """A claim that is being worked on, and the newest revision of its conversation that was heard of."""

    def __init__(self, claim: Claim, *, hurried: bool = False) -> None:
        """hurried: the customer has waited too long, and there is no room for another model call."""
        self.claim, self.hurried = claim, hurried
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

    def __init__(self, store: Store, answerer: Answerer, accounts: Accounts, committed: Bell) -> None:
        """committed: rung after each stored turn."""
        self._store, self._answerer, self._accounts = store, answerer, accounts
        self._committed = committed

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
            given_up = in_hand.hurried or claim.failures >= _MOST_FAILURES
            answer = self._apology(claim, work) if given_up else await self._unless_newer(in_hand, work)
            if answer is None:
                return _finish(span, work, Commit.NEWER, None)
            turn = self._decided(claim, turn_id, work, answer)
            result = await self._commit(in_hand, turn, accept_newer=monotonic() >= joins_until)
            return _finish(span, work, result, turn)

    async def _unless_newer(self, in_hand: InHand, work: Work) -> Answer | None:
        """The answer, or None when the inbox changed while newer messages could still join."""
        thinking = asyncio.create_task(self._in_time(in_hand.claim, work))
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

    async def _in_time(self, claim: Claim, work: Work) -> Answer:
        """The answer before the account's deadline, whatever hangs."""
        deadline = self._accounts.of(claim.open_kfid).limits.deadline_seconds
        left = max(deadline - work.waited - _DEADLINE_MARGIN, deadline * _LEAST_SHARE)
        answering = asyncio.create_task(self._answer(claim, work))
        try:
            if await asyncio.wait({answering}, timeout=left) == (set(), {answering}):
                log.error(
                    "turn.out_of_time", open_kfid=claim.open_kfid, customer=hashed(claim.external_userid)
                )
                return self._apology(claim, work)
            return answering.result()
        finally:
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)

    async def _answer(self, claim: Claim, work: Work) -> Answer:
        if tapped := taps.answer_to(work, self._accounts.of(claim.open_kfid)):
            return tapped
        try:
            return await self._answerer.answer(claim.open_kfid, taps.without_ratings(work))
        except Exception as error:  # noqa: BLE001
            # Whatever broke, the customer hears something; people find the cause in the log.
            _tell("turn.answer_failed", error, claim)
            return self._apology(claim, work)

    def _apology(self, claim: Claim, work: Work) -> Answer:
        """The answer when nothing else is left."""
        language = language_of(self._accounts.of(claim.open_kfid), work.questions, work)
        return Answer(question_text(work.questions), wording.apology(language), Outcome.APOLOGISED)

    def _decided(self, claim: Claim, turn_id: str, work: Work, answer: Answer) -> Turn:
        """The turn with everything that the sender is asked for."""
        account = self._accounts.of(claim.open_kfid)
        msgids = tuple(question.msgid for question in work.questions)
        commands = effects.commands_of(
            answer,
            account,
            effects.Addressee(claim.open_kfid, claim.external_userid, turn_id, msgids),
            language_of(account, work.questions, work),
            is_open=account.hours.open_at(datetime.now(UTC)),
        )
        return Turn(
            turn_id,
            work,
            answer,
            telemetry.carrier(),
            commands,
            currency=account.prices.currency,
            ratings=taps.ratings(work.questions),
        )

    async def _commit(self, in_hand: InHand, turn: Turn, *, accept_newer: bool) -> Commit:
        in_hand.committing = True
        with tracer.start_as_current_span("commit turn", record_exception=False):
            result = await self._store.commit(in_hand.claim, turn, accept_newer=accept_newer)
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
    metrics.finished(turn)
    answer = turn.answer
    span.set_attributes({"kf.outcome": answer.outcome.value, "kf.passages": len(answer.passage_ids)})
    log.info(
        "turn.finished",
        turn_id=turn.turn_id,
        outcome=answer.outcome.value,
        handover=answer.handover.reason.value if answer.handover else "",
        waited_seconds=round(work.waited, 3),
        messages=len(work.questions),
        model=answer.model,
        input_tokens=answer.input_tokens,
        output_tokens=answer.output_tokens,
        search_seconds=round(answer.search_seconds, 3),
        model_seconds=round(answer.model_seconds, 3),
    )
    return result
