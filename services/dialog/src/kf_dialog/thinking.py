"""Asks the model and runs the tools it calls, in rounds, until it answers, hands over or wants consent."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import structlog
from openai.types.chat import ChatCompletionMessageParam

from kf_dialog.case import Case
from kf_dialog.company import CompanyTools
from kf_dialog.conversation import Handover
from kf_dialog.endpoints import Endpoints
from kf_dialog.knowledge import Knowledge
from kf_dialog.model import Ask, Completion, ToolCall
from kf_dialog.prompt import Passage, passage_xml
from kf_dialog.search_queries import MAX_CHARS
from kf_dialog.toolbox import (
    END_SESSION,
    HAND_OVER,
    SEARCH,
    ArgumentsError,
    Function,
    ToolError,
    handover_reason,
    result_text,
)

log = structlog.get_logger()

_MOST_AT_ONCE = 4
"""Calls that are run of one answer of the model."""
_SUMMARY_CHARS = 500
_TIME_FOR_TOOLS = 6.0
"""With less left, the model must answer with what it has."""


@dataclass(frozen=True)
class Proposal:
    """A tool that changes something: the model wants it, the customer has not consented yet."""

    function: Function
    arguments: dict[str, Any]


@dataclass
class Thought:
    """What came of asking the model in one turn; grows with every round."""

    passages: dict[str, Passage]
    """What the answer may rest on, by the ids the model sees."""
    text: str = ""
    model: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    results: dict[str, str] = field(default_factory=dict)
    """What company tools said, by t1, t2 ..."""
    handover: Handover | None = None
    ends: bool = False
    proposal: Proposal | None = None
    acted: bool = False
    """A tool changed something."""

    def count(self, completion: Completion) -> None:
        """Add what one call of the model cost, and keep its words."""
        self.text, self.model = completion.text, completion.model
        self.input_tokens += completion.input_tokens
        self.output_tokens += completion.output_tokens

    @property
    def decided(self) -> bool:
        """True when nothing more is to be asked of the model."""
        return self.handover is not None or self.ends or self.proposal is not None


class Mind:
    """Endpoints, knowledge and tools together; holds nothing between turns."""

    def __init__(self, endpoints: Endpoints, knowledge: Knowledge, company: CompanyTools) -> None:
        self._endpoints, self._knowledge, self._company = endpoints, knowledge, company

    async def think(
        self,
        case: Case,
        messages: Sequence[ChatCompletionMessageParam],
        functions: Sequence[Function],
        thought: Thought,
    ) -> Thought:
        """Fill `thought` with what the model makes of the messages.

        Raises:
            ModelError: no endpoint gave an answer.
        """
        talk, by_name = list(messages), {function.name: function for function in functions}
        offered = tuple(function.offered() for function in functions)
        calls_left = case.account.limits.tool_calls
        while True:
            may_call = calls_left > 0 and case.left > _TIME_FOR_TOOLS
            ask = Ask(tuple(talk), offered, may_call=may_call)
            completion = await self._endpoints.complete(ask, case.deadline, case.account.fallback_model)
            thought.count(completion)
            if not completion.calls or not may_call:
                return thought
            calls = completion.calls[: min(calls_left, _MOST_AT_ONCE)]
            talk.append(_asked(completion, calls))
            for call in calls:
                talk.append(_told(call, await self._run(case, call, by_name.get(call.name), thought)))
                if thought.decided:
                    return thought
            calls_left -= len(calls)

    async def _run(self, case: Case, call: ToolCall, function: Function | None, thought: Thought) -> str:
        """The result as the model gets it; failures are results too."""
        if function is None:
            return result_text({"error": "no such tool"})
        try:
            arguments = function.arguments(call.arguments)
        except ArgumentsError as error:
            log.info("tool.refused", tool=function.name)
            return result_text({"error": f"invalid arguments: {error}"})
        match function.name:
            case _ if function.side_effects:
                thought.proposal = Proposal(function, arguments)
                return ""
            case n if n == HAND_OVER:
                summary = str(arguments.get("summary", ""))[:_SUMMARY_CHARS]
                thought.handover = Handover(handover_reason(arguments.get("reason")), summary)
                return ""
            case n if n == END_SESSION:
                thought.ends = True
                return ""
            case n if n == SEARCH:
                return await self._search(case, str(arguments.get("query", "")), thought)
        return await self._company_result(case, function, arguments, thought)

    async def _search(self, case: Case, query: str, thought: Thought) -> str:
        found = await self._knowledge.find(case.open_kfid, (query[:MAX_CHARS],), min(case.left / 2, 5.0))
        if not found.available:
            return result_text({"error": "the knowledge cannot be asked now"})
        added = add_passages(thought.passages, found.passages)
        return "\n".join(passage_xml(alias, passage) for alias, passage in added.items()) or result_text(
            {"passages": []}
        )

    async def _company_result(
        self, case: Case, function: Function, arguments: dict[str, Any], thought: Thought
    ) -> str:
        try:
            value = await self._company.run(case.account, function.name, arguments, case.external_userid)
        except ToolError as error:
            return result_text(
                {"error": error.fault, "advice": "tell the customer that it cannot be looked up now"}
            )
        text = result_text(value)
        thought.results[f"t{len(thought.results) + 1}"] = text
        return text


def add_passages(known: dict[str, Passage], found: Iterable[Passage]) -> dict[str, Passage]:
    """Add what is new under the next free ids; returns the part that was found now."""
    by_passage = {passage.passage_id: alias for alias, passage in known.items()}
    number = max((int(alias[1:]) for alias in known if alias[0] == "p"), default=0)
    added: dict[str, Passage] = {}
    for passage in found:
        alias = by_passage.get(passage.passage_id)
        if alias is None:
            number += 1
            alias = f"p{number}"
        known[alias] = added[alias] = passage
    return added


def _asked(completion: Completion, calls: Sequence[ToolCall]) -> ChatCompletionMessageParam:
    """The model's own message, as the chat API wants it back before the results."""
    functions = [
        {"id": c.call_id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}}
        for c in calls
    ]
    message: dict[str, Any] = {
        "role": "assistant",
        "content": completion.text or None,
        "tool_calls": functions,
    }
    if completion.reasoning:
        message["reasoning_content"] = completion.reasoning
    return cast(ChatCompletionMessageParam, message)


def _told(call: ToolCall, result: str) -> ChatCompletionMessageParam:
    return {"role": "tool", "tool_call_id": call.call_id, "content": result}


def with_result(
    messages: Sequence[ChatCompletionMessageParam], name: str, arguments: str, result: str
) -> list[ChatCompletionMessageParam]:
    """The messages as if the model had just called a tool, which the customer's consent let run."""
    call = ToolCall("call_consented", name, arguments)
    asked = _asked(Completion("", "", 0, 0), (call,))
    return [*messages, asked, _told(call, result)]
