"""One reply of the scripted model: an answer, a call of an offered tool, a search query or a summary."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from kf_simulator import tool_calls
from kf_simulator.answering import Turn, answer, is_english, is_not_found
from kf_simulator.model import Override
from kf_simulator.passages import read_units
from kf_simulator.records import Json
from kf_simulator.tool_calls import Call, MissingArgument

_REWRITES = re.compile(r"改写|rewrite|standalone question", re.IGNORECASE)
_SUMMARISES = re.compile(r"摘要|总结|概括|summar", re.IGNORECASE)
_ASKED_AGAIN = re.compile(r"[（(]\s*(?:系统提示|system note)", re.IGNORECASE)
_MISSING = {"zh": "请告诉我{}，我来为您查询。", "en": "Please tell me {} so that I can look it up."}
_SUMMARY_CHARACTERS = 300


@dataclass(frozen=True)
class Reply:
    """What the model says, or the tools it calls instead."""

    text: str = ""
    calls: tuple[Call, ...] = ()


def reply_to(body: Json) -> Reply:
    """The reply to one request of the chat API; its messages end with the customer's or a tool's."""
    messages: list[Json] = body["messages"]
    system = text_of(messages, "system")
    talk = [
        Turn(str(message["role"]), content_text(message))
        for message in messages
        if message["role"] in ("user", "assistant") and content_text(message)
    ]
    if len(talk) > 1 and _ASKED_AGAIN.match(talk[-1].text):
        # Not the customer's words: what they asked stands before our first attempt.
        talk = talk[:-1] if talk[-2].role == "user" else talk[:-2]
    question = talk.pop().text if talk and talk[-1].role == "user" else ""
    if "<passage" not in system:
        if _REWRITES.search(system):
            return Reply(_with_topic(talk, question))
        if _SUMMARISES.search(system):
            return Reply(_summary([*talk, Turn("user", question)]))
    if messages[-1]["role"] == "tool":
        return Reply(_after_tools(messages, system, talk, question))
    said = answer(system, talk, question)
    tools = tool_calls.read_tools(body)
    chosen = tool_calls.choose(tools, talk, question, answerable=not is_not_found(said))
    if isinstance(chosen, Call):
        return Reply(calls=(chosen,))
    if isinstance(chosen, MissingArgument):
        return Reply(_MISSING["en" if is_english(question) else "zh"].format(chosen.description))
    return Reply(said)


def obeyed(override: Override, messages: Sequence[Json]) -> Reply:
    """What a model says that does as it is told by whoever writes to it."""
    system = text_of(messages, "system")
    units = read_units(f"{system}\n{text_of(messages, 'tool')}")
    first = units[0].passage_id if units else ""
    says = override.says if first else override.says.replace("[[{passage}]]", "").rstrip()
    text = says.replace("{system}", system).replace("{passage}", first)
    # Nobody obeys for ever: with the tool's result in hand it only talks.
    calls = [] if messages[-1]["role"] == "tool" else override.calls
    return Reply(text, tuple(Call(call.name, call.arguments) for call in calls))


def newest_words(messages: Sequence[Json]) -> str:
    """The customer's newest words with all passages: where an instruction may hide."""
    users = [content_text(message) for message in messages if message["role"] == "user"]
    passages = "\n".join(unit.text for unit in read_units(text_of(messages, "system")))
    return "\n".join([*users[-1:], passages, text_of(messages, "tool")])


def text_of(messages: Sequence[Json], role: str) -> str:
    """All texts of one role."""
    return "\n".join(content_text(message) for message in messages if message["role"] == role)


def content_text(message: Json) -> str:
    """A message's text: a string, or the text parts of a list."""
    content = message.get("content")
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content)
    return str(content or "")


def _after_tools(messages: Sequence[Json], system: str, talk: Sequence[Turn], question: str) -> str:
    """What is said with the results of the tools in hand."""
    results: list[str] = []
    for message in reversed(messages):
        if message["role"] != "tool":
            break
        results.insert(0, content_text(message))
    passages = [result for result in results if "<passage" in result]
    if passages:
        return answer("\n".join([system, *passages]), talk, question)
    return "\n".join(tool_calls.spoken_result(result) for result in results)


def _with_topic(talk: Sequence[Turn], question: str) -> str:
    """The question together with the one before it, which names what it is about."""
    asked = [turn.text for turn in talk if turn.role == "user"]
    return " ".join(" ".join([*asked[-1:], question]).split())


def _summary(talk: Sequence[Turn]) -> str:
    asked = "；".join(" ".join(turn.text.split()) for turn in talk if turn.role == "user" and turn.text)
    return f"客户先后问了：{asked}"[:_SUMMARY_CHARACTERS]
