"""Finds the answer to a turn: without the model where it can, with it where it must. Never nothing."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from time import monotonic

import structlog
from openai.types.chat import ChatCompletionMessageParam

from kf_dialog import memory, wording
from kf_dialog.accounts_file import Accounts
from kf_dialog.case import Case, language_of
from kf_dialog.company import CompanyTools
from kf_dialog.consent import Actions, Pending, ask_for_consent, decision, pending_of
from kf_dialog.conversation import Answer, Exchange, HandoverReason, Memory, Outcome, Work
from kf_dialog.endpoints import Endpoints
from kf_dialog.failing import unhelpful, when_the_model_fails
from kf_dialog.grounding import Ground
from kf_dialog.knowledge import Knowledge
from kf_dialog.media import Media
from kf_dialog.model import Ask, ModelError
from kf_dialog.prompt import CITE, Found, Scene, build, numbered
from kf_dialog.reading import question_text, readable, unread
from kf_dialog.research import Research
from kf_dialog.retry import time_to_answer
from kf_dialog.thinking import Mind, Thought, with_result
from kf_dialog.toolbox import ToolError, own_functions, result_text
from kf_dialog.verdict import Verdict, declined, is_gap, passage_ids, wants_another_try, weigh, with_sources
from kf_dialog.wishes import says_goodbye, wish_for_human

log = structlog.get_logger()

_TIME_FOR_ANOTHER_TRY = 8.0
_MEDIA_SHARE = 0.4
"""Of the time that is left, the part that reading pictures and voices may take."""
Messages = list[ChatCompletionMessageParam]


class Answerer:
    """Answers one turn; holds nothing between turns that another replica would miss."""

    def __init__(
        self,
        accounts: Accounts,
        knowledge: Knowledge,
        endpoints: Endpoints,
        company: CompanyTools,
        media: Media,
        patience: float,
    ) -> None:
        """patience: seconds that one answer may take in all."""
        self._accounts, self._endpoints, self._patience = accounts, endpoints, patience
        self._research, self._mind = Research(knowledge, endpoints), Mind(endpoints, knowledge, company)
        self._company, self._media, self._actions = company, media, Actions(company)

    async def answer(self, open_kfid: str, work: Work) -> Answer:
        """A decision that is never empty, whatever the model and the knowledge service do; safe to cancel."""
        case = self._case(open_kfid, work)
        seen = await self._media.read(case.account, work.questions, case.left * _MEDIA_SHARE)
        if seen:
            case = replace(
                case,
                question=question_text(work.questions, seen),
                spoken=tuple(readable(work.questions, seen)),
            )
        if not case.spoken:
            kinds = [question.msgtype for question in unread(work.questions)]
            return Answer(case.question, wording.ask_for_text(kinds, case.language), Outcome.ASKED_FOR_TEXT)
        pending = pending_of(work)
        match decision(pending, work.questions) if pending else None:
            case "no":
                return Answer(case.question, wording.not_done(case.language), Outcome.ANSWERED)
            case "yes" if pending:
                return await self._act(case, pending)
        return without_model(case) or await self._look_up(case, None)

    def apology(self, open_kfid: str, work: Work) -> Answer:
        """The answer when something of ours is broken."""
        case = self._case(open_kfid, work)
        return unhelpful(case, wording.apology(case.language), Outcome.APOLOGISED)

    def _case(self, open_kfid: str, work: Work) -> Case:
        account = self._accounts.of(open_kfid)
        return Case(
            open_kfid=open_kfid,
            external_userid=str(work.questions[-1].item.get("external_userid", "")),
            account=account,
            work=work,
            question=question_text(work.questions),
            spoken=tuple(readable(work.questions)),
            language=language_of(account, work.questions, work),
            deadline=monotonic() + time_to_answer(work.waited, self._patience),
        )

    async def _act(self, case: Case, pending: Pending) -> Answer:
        """The customer has consented: run the tool, then let the model tell its result."""
        try:
            value = await self._actions.run(case, pending)
        except ToolError as error:
            sentence = wording.uncertain if error.reached else wording.apology
            return unhelpful(case, sentence(case.language), Outcome.APOLOGISED)
        return await self._look_up(case, (pending, result_text(value)))

    async def _look_up(self, case: Case, acted: tuple[Pending, str] | None) -> Answer:
        """Search, ask the model, check what it says; a summary of older turns is made meanwhile."""
        recalled = memory.recall(case.work.history, case.account.limits.history_tokens)
        summing = asyncio.create_task(self._summarise(case, recalled.fading))
        try:
            found = Found() if acted else await self._research.find(case)
            thought = Thought(numbered(found.passages, case.account))
            scene = Scene(case.account, datetime.now(UTC), case.work.visit, case.work.memory)
            messages = build(
                case.question, recalled.recent, thought.passages, scene, available=found.available
            )
            if acted:
                pending, result = acted
                thought.results["t1"], thought.acted = result, True
                arguments = json.dumps(pending.arguments, ensure_ascii=False)
                messages = with_result(messages, pending.tool, arguments, result)
            answer = await self._asked(case, found, messages, thought)
            # A summary that is not ready now is left to the next turn.
            return replace(answer, memory=summing.result()) if summing.done() else answer
        finally:
            summing.cancel()

    async def _asked(self, case: Case, found: Found, messages: Messages, thought: Thought) -> Answer:
        started = monotonic()
        try:
            functions = own_functions(hands_over=case.account.handover.enabled)
            functions += await self._company.functions(case.account)
            await self._mind.think(case, messages, functions, thought)
            answer = await self._judged(case, found, messages, thought)
        except ModelError as error:
            log.warning("turn.fallback", fault=error.fault.value)
            answer = _told(case, thought) or when_the_model_fails(case, found, error.fault)
        return replace(
            answer,
            model=thought.model,
            input_tokens=thought.input_tokens,
            output_tokens=thought.output_tokens,
            cost=case.account.prices.cost(thought.input_tokens, thought.output_tokens),
            search_seconds=found.seconds,
            model_seconds=monotonic() - started,
        )

    async def _judged(self, case: Case, found: Found, messages: Messages, thought: Thought) -> Answer:
        """What the model decided, or its words once they are checked; once more if they lack their marks."""
        if decided := by_tool(case, thought):
            return decided
        verdict = weigh(case, thought)
        if wants_another_try(verdict, thought) and case.left > _TIME_FOR_ANOTHER_TRY:
            again: ChatCompletionMessageParam = {"role": "assistant", "content": thought.text}
            ask = Ask((*messages, again, {"role": "user", "content": CITE}))
            thought.count(await self._endpoints.complete(ask, case.deadline, case.account.fallback_model))
            verdict = weigh(case, thought)
        log.info("answer.judged", ground=verdict.ground.value, removed=list(verdict.removed))
        return _answer(case, found, thought, verdict)

    async def _summarise(self, case: Case, fading: Sequence[Exchange]) -> Memory | None:
        """A newer summary of the turns that no longer fit; None when none is due or the model has none."""
        if not fading:
            return None
        try:
            ask = Ask(memory.summary_request(case.work.memory, fading))
            completion = await self._endpoints.main.complete(ask, max(1.0, case.left))
        except ModelError as error:
            log.info("memory.not_summarised", fault=error.fault.value)
            return None
        return memory.summarised(completion.text, fading)


def without_model(case: Case) -> Answer | None:
    """What the customer's words alone decide, a human by wish, anger or policy; None: they decide nothing."""
    handover = wish_for_human("\n".join(case.spoken), case.account, case.work.history)
    if handover is None:
        return None
    if case.account.handover.enabled or handover.reason is HandoverReason.WISH:
        return Answer(case.question, "", Outcome.HANDED_OVER, handover=handover)
    # Nobody will come: an angry customer gets an answer, a reserved topic gets none.
    reserved = handover.reason is HandoverReason.POLICY
    return Answer(case.question, wording.unknown(case.language), Outcome.DECLINED) if reserved else None


def by_tool(case: Case, thought: Thought) -> Answer | None:
    """What the model decided by calling one of our own tools, or one that needs consent."""
    if thought.proposal:
        return ask_for_consent(case, thought.proposal)
    if thought.handover:
        gap = case.question if thought.handover.reason is HandoverReason.KNOWLEDGE else ""
        return Answer(case.question, "", Outcome.HANDED_OVER, handover=thought.handover, gap=gap)
    # Words in a document can make a model end the session; only the customer's own may.
    if thought.ends and says_goodbye(case.question):
        return Answer(case.question, wording.farewell(case.language), Outcome.ENDED, end_session=True)
    return None


def _answer(case: Case, found: Found, thought: Thought, verdict: Verdict) -> Answer:
    """The checked words as an answer, or the honest admission that there are none."""
    supported = verdict.ground not in (Ground.NONE, Ground.REFUSAL)
    if supported:
        text = with_sources(case, verdict, thought.passages)
        ids = passage_ids(verdict.ids, thought.passages)
        return Answer(case.question, text, Outcome.ANSWERED, passage_ids=ids)
    gap = case.question if found.available and is_gap(case) else ""
    return unhelpful(case, declined(case, verdict, available=found.available), Outcome.DECLINED, gap)


def _told(case: Case, thought: Thought) -> Answer | None:
    """After a tool has changed something, its own words are better than an apology."""
    if not thought.acted:
        return None
    return Answer(case.question, wording.done(thought.results["t1"], case.language), Outcome.ANSWERED)
