"""Finds the answer to a turn: search, the model, and what is said when one of them fails. Never nothing."""

from time import monotonic

import structlog

from kf_dialog import wording
from kf_dialog.conversation import Answer, Outcome, Work
from kf_dialog.knowledge import Knowledge
from kf_dialog.model import Model, ModelError
from kf_dialog.plain_text import to_plain_text
from kf_dialog.prompt import Found, build, question_text
from kf_dialog.search_queries import burst_queries

log = structlog.get_logger()

_FAQ_RANKS = 2
"""How far down the best FAQ entry may stand to be sent as it is."""


class Answerer:
    """Answers one turn; holds nothing between turns."""

    def __init__(self, knowledge: Knowledge, model: Model) -> None:
        self._knowledge, self._model = knowledge, model

    async def answer(self, open_kfid: str, work: Work) -> Answer:
        """A reply that is never empty, whatever the model and the knowledge service do; safe to cancel."""
        question = question_text(work.questions)
        spoken = [q.text for q in work.questions if q.text]
        if not spoken:
            kinds = [q.msgtype for q in work.questions]
            return Answer(question, wording.ask_for_text(kinds, _language(work)), Outcome.ASKED_FOR_TEXT)
        earlier = [exchange.question for exchange in work.history]
        found = await self._knowledge.find(open_kfid, burst_queries(spoken, earlier))
        started = monotonic()
        try:
            completion = await self._model.complete(build(question, work.history, found))
        except ModelError as error:
            log.warning("turn.fallback", fault=error.fault.value)
            return _fallback(question, found, _language(work), monotonic() - started)
        return Answer(
            question,
            completion.text,
            Outcome.ANSWERED,
            model=completion.model,
            input_tokens=completion.input_tokens,
            output_tokens=completion.output_tokens,
            passage_ids=tuple(p.passage_id for p in found.passages),
            search_seconds=found.seconds,
            model_seconds=monotonic() - started,
        )


def apologise(work: Work) -> Answer:
    """The answer when nothing else is left."""
    return Answer(question_text(work.questions), wording.apology(_language(work)), Outcome.APOLOGISED)


def _fallback(question: str, found: Found, language: wording.Language, model_seconds: float) -> Answer:
    """The best FAQ entry verbatim, else an honest sentence."""
    faq = next((p for p in found.passages[:_FAQ_RANKS] if p.question and to_plain_text(p.text)), None)
    return Answer(
        question,
        to_plain_text(faq.text) if faq else wording.apology(language),
        Outcome.FAQ if faq else Outcome.APOLOGISED,
        passage_ids=(faq.passage_id,) if faq else (),
        search_seconds=found.seconds,
        model_seconds=model_seconds,
    )


def _language(work: Work) -> wording.Language:
    """The language of the newest text of this customer, in this turn or before it."""
    now = [q.text for q in reversed(work.questions)]
    return wording.language_of([*now, *(exchange.question for exchange in reversed(work.history))])
