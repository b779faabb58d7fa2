"""Which of the offered tools the scripted model calls, and with what."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kf_simulator import lexicon
from kf_simulator.answering import NOT_FOUND, NOT_FOUND_ENGLISH, Turn
from kf_simulator.records import Json

_HUMAN_TOOL = re.compile("hand_?over|human|servicer|transfer", re.IGNORECASE)
_END_TOOL = re.compile("end_?(session|chat|conversation)|close", re.IGNORECASE)
_SEARCH_TOOL = re.compile("search|knowledge|look_?up_passages", re.IGNORECASE)

_WANTS_HUMAN = re.compile(
    r"转人工|转接人工|(?:找|要|换|叫|接|跟|和|给我)(?:个|一个|一下|你们)?\s*(?:真人|人工|活人|客服经理|主管|领导)"
    r"|人工(?:服务|客服)(?!.*(?:几点|上班|时间|多少|怎么))|不(?:想|要)(?:和|跟)?机器人"
    r"|\b(?:human|real person|live agent|representative|someone real|supervisor|manager)\b",
    re.IGNORECASE,
)
_ASKS_ABOUT_HUMANS = re.compile(
    "几点|上班|在线时间|工作时间|怎么转|如何转|when are|hours|opening", re.IGNORECASE
)
_ANGRY = re.compile(
    r"投诉|骗子|骗人|垃圾|太差|气死|什么破|忍无可忍|曝光|12315|律师|起诉"
    r"|\b(?:terrible|ridiculous|scam|lawyer|sue|complain|complaint|outrageous|useless|worst)\b",
    re.IGNORECASE,
)
_BYE = re.compile(
    r"(?:再见|拜拜|没(?:有)?(?:别的|其他)?问题了|不用了|bye|goodbye|that'?s all)[\W_]*.*", re.IGNORECASE
)
_NUMBER = re.compile(r"[A-Za-z]{0,4}-?\d{4,}")
_TOOL_FITS = 0.3
_REASONS = (
    ("wish", ("request", "wish", "asked", "customer", "explicit")),
    ("anger", ("ang", "complain", "emotion", "upset", "dissatisf")),
    ("failure", ("fail", "unknown", "no_answer", "knowledge", "unanswer", "stuck", "repeat")),
)


@dataclass(frozen=True)
class Call:
    """One function call."""

    name: str
    arguments: Json


@dataclass(frozen=True)
class MissingArgument:
    """A tool fits, but the customer has not said what it needs."""

    description: str


@dataclass(frozen=True)
class Tool:
    """One offered function."""

    name: str
    description: str
    parameters: Json

    @property
    def properties(self) -> dict[str, Json]:
        """Its parameters by name."""
        return dict(self.parameters.get("properties") or {})

    @property
    def required(self) -> list[str]:
        """The names it cannot do without."""
        return list(self.parameters.get("required") or [])


def read_tools(body: Json) -> list[Tool]:
    """The functions of a request; none when tool_choice forbids them."""
    if body.get("tool_choice") == "none":
        return []
    functions = [tool.get("function") or {} for tool in body.get("tools") or []]
    return [
        Tool(str(f.get("name", "")), str(f.get("description") or ""), f.get("parameters") or {})
        for f in functions
    ]


def called_before(messages: Sequence[Json]) -> set[str]:
    """The tools that were called since the customer's last message."""
    names: set[str] = set()
    for message in messages:
        if message["role"] == "user":
            names.clear()
        names |= {str(call["function"]["name"]) for call in message.get("tool_calls") or []}
    return names


def choose(
    tools: Sequence[Tool], history: Sequence[Turn], question: str, *, answerable: bool
) -> Call | MissingArgument | None:
    """What to call before answering; None: nothing.

    answerable: a passage fits the question. history: what was said before it.
    """
    if reason := _reason(history, question, answerable=answerable):
        for tool in tools:
            if _HUMAN_TOOL.search(tool.name):
                return _call(tool, reason, question, history)
    for tool in tools:
        if _END_TOOL.search(tool.name) and _BYE.fullmatch(question.strip()):
            return _call(tool, "wish", question, history)
    best = max(
        (tool for tool in tools if not _is_built_in(tool)), key=lambda t: _fit(t, question), default=None
    )
    if best and _fit(best, question) >= _TOOL_FITS:
        return _call(best, "wish", question, history)
    if not answerable and lexicon.topics(question):
        for tool in tools:
            if _SEARCH_TOOL.search(tool.name):
                return _call(tool, "failure", question, history)
    return None


def spoken_result(content: str) -> str:
    """A tool's result as a customer would hear it: an object as `name：value` pairs, else as it is."""
    try:
        result = json.loads(content)
    except ValueError:
        return content
    if isinstance(result, dict):
        return "，".join(f"{name}：{value}" for name, value in result.items())
    return content


def is_human_tool(name: str) -> bool:
    """Whether a tool hands the customer over to a person."""
    return bool(_HUMAN_TOOL.search(name))


def _is_built_in(tool: Tool) -> bool:
    return bool(
        _HUMAN_TOOL.search(tool.name) or _END_TOOL.search(tool.name) or _SEARCH_TOOL.search(tool.name)
    )


def _reason(history: Sequence[Turn], question: str, *, answerable: bool) -> str:
    """Why a person should take over, or ""."""
    if _WANTS_HUMAN.search(question) and not _ASKS_ABOUT_HUMANS.search(question):
        return "wish"
    if _ANGRY.search(question):
        return "anger"
    said = [turn.text for turn in history if turn.role == "assistant"][-2:]
    failed = [text for text in said if NOT_FOUND[:8] in text or NOT_FOUND_ENGLISH[:20] in text]
    return "failure" if len(failed) == 2 and not answerable else ""


def _fit(tool: Tool, question: str) -> float:
    """How much of the question the tool's description speaks of, 0 to 1."""
    asked = lexicon.topics(_NUMBER.sub(" ", question))
    return lexicon.overlap(asked, lexicon.vocabulary(f"{tool.name.replace('_', ' ')} {tool.description}"), {})


def _call(tool: Tool, reason: str, question: str, history: Sequence[Turn]) -> Call | MissingArgument:
    arguments: Json = {}
    for name, schema in tool.properties.items():
        value = _argument(name, schema, reason, question, history)
        if value is not None:
            arguments[name] = value
        elif name in tool.required:
            return MissingArgument(str(schema.get("description") or name))
    return Call(tool.name, arguments)


def _argument(name: str, schema: Json, reason: str, question: str, history: Sequence[Turn]) -> Any:
    if choices := schema.get("enum"):
        return _best_choice([str(choice) for choice in choices], reason)
    if schema.get("type") == "boolean":
        return False
    if schema.get("type") not in (None, "string"):
        return None
    if re.search("query|question", name, re.IGNORECASE):
        return question
    if re.search("reason", name, re.IGNORECASE):
        return {"wish": "客户要求人工", "anger": "客户不满", "failure": "多次未能回答"}[reason]
    if re.search("summary|note", name, re.IGNORECASE):
        asked = [turn.text for turn in history if turn.role == "user"][-2:]
        return "客户问：" + " / ".join(" ".join(text.split()) for text in [*asked, question])
    said = [turn.text for turn in [*history, Turn("user", question)] if turn.role == "user"]
    numbers = [number for text in reversed(said) for number in _NUMBER.findall(text)]
    return numbers[0] if numbers else None


def _best_choice(choices: Sequence[str], reason: str) -> str:
    wanted = dict(_REASONS)[reason]
    fitting = (choice for choice in choices if any(part in choice.lower() for part in wanted))
    return next(fitting, choices[0])
