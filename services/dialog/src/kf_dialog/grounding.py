"""Whether an answer rests on what we know, by what it cites, else by its words; or states nothing at all."""

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from kf_dialog.search_queries import is_courtesy
from kf_dialog.sentences import sentences
from kf_dialog.terms import same_script, terms

_REFUSAL = re.compile(
    r"没有?(?:查|找|检索)到|未(?:能)?(?:查|找|检索)到|(?:查|找|搜)不到"
    r"|没有(?:相关|这方面|关于|提到|说明|具体)"
    r"|(?:暂时|目前)?(?:无法|不能|没法)(?:回答|确认|查询|提供|确定|告知|解答)"
    r"|不(?:太)?(?:清楚|确定|了解|知道)|暂无(?:相关)?(?:信息|资料)|超出(?:了)?我"
    r"|(?:do not|don't|could not|couldn't|cannot|can't|unable to|not able to|did not|didn't) (?:have|find"
    r"|confirm|know|answer|provide|help|see|locate)"
    r"|no (?:relevant |related |specific )?information|not (?:sure|certain|mentioned|covered|able)",
    re.IGNORECASE,
)
_SMALL_TALK = re.compile(
    r"(?:你|您)(?:是谁|叫什么|是(?:不是)?(?:机器人|人工|真人|ai|智能)|会(?:做)?(?:什么|哪些)"
    r"|能(?:做|帮我做?)(?:什么|哪些))"
    r"|(?:who|what) are you|are you (?:a |an )?(?:bot|robot|human|ai|real)|what can you do|your name"
    r"|辛苦了|早上好|上午好|中午好|下午好|晚上好|早安|晚安|新年好|节日快乐"
    r"|good (?:morning|afternoon|evening|night)",
    re.IGNORECASE,
)
_ABOUT_THE_TALK = re.compile(
    r"我(?:刚才|刚刚|之前|上面|前面|上一个|第一个|最开始|一开始)[^。？?]{0,6}(?:问|说|讲|提|发)"
    r"|我(?:叫什么|是谁|的名字|姓什么)"
    r"|(?:what|which)\b.{0,30}\bdid i\b|did i (?:say|ask|tell|mention)|my name|do you remember"
    r"|i (?:just )?(?:said|asked|told)",
    re.IGNORECASE,
)
_POLITE = re.compile(r"抱歉|对不起|不好意思|人工|sorry|apolog|human", re.IGNORECASE)
_SUPPORT = 0.6
_KINSHIP = 0.3
_LEAST_TERMS = 4
_SHORT_CHARS = 160


class Ground(StrEnum):
    """What an answer rests on."""

    SOURCES = "sources"
    SMALL_TALK = "small_talk"
    """A greeting or thanks: nothing is stated."""
    QUESTION = "question"
    """The customer is asked back."""
    REFUSAL = "refusal"
    """It says itself that it does not know."""
    NONE = "none"
    """It states something that nothing we know supports."""


class Judgement(NamedTuple):
    """The ground of an answer, and the sources it rests on."""

    ground: Ground
    ids: tuple[str, ...] = ()


def judge(
    text: str, cited: tuple[str, ...], sources: Mapping[str, str], asked: str, said_before: str
) -> Judgement:
    """What an answer without its marks rests on.

    cited: ids it named, of `sources` (text by id). asked: the customer's message of this turn.
    said_before: both sides' words of earlier turns, a source only for who asks about the talk itself.
    """
    if cited and has_to_do_with(text, [sources[name] for name in cited]):
        return Judgement(Ground.SOURCES, cited)
    if not cited and _REFUSAL.search(text):
        return Judgement(Ground.REFUSAL)
    if is_small_talk(asked) and len(text) <= _SHORT_CHARS:
        return Judgement(Ground.SMALL_TALK)
    if text.rstrip().endswith(("?", "？")) and len(text) <= _SHORT_CHARS:
        return Judgement(Ground.QUESTION)
    if _ABOUT_THE_TALK.search(asked):
        sources = {**sources, "": said_before}
    ids = supporters(text, sources)
    return Judgement(Ground.SOURCES, tuple(filter(None, ids))) if ids else Judgement(Ground.NONE)


def has_to_do_with(text: str, sources: Sequence[str]) -> bool:
    """True unless the text speaks of other things than the sources it names; languages are not compared."""
    stated = (sentence for sentence in sentences(text) if not _REFUSAL.search(sentence))
    said, known = terms("".join(stated)), terms("\n".join(sources))
    if len(said) < _LEAST_TERMS or not same_script(said, known):
        return True
    return len(said & known) >= _KINSHIP * len(said)


def only_refuses(text: str) -> bool:
    """True when each sentence refuses, apologises or asks back: nothing is stated beside it."""
    return all(
        _REFUSAL.search(sentence) or _POLITE.search(sentence) or sentence.rstrip().endswith(("?", "？"))
        for sentence in sentences(text)
        if sentence.strip()
    )


def is_small_talk(asked: str) -> bool:
    """True when every line greets, thanks, or asks who we are."""
    lines = [line for line in asked.splitlines() if line.strip()]
    return bool(lines) and all(
        is_courtesy(line) or (len(line) <= 30 and _SMALL_TALK.search(line)) for line in lines
    )


def supporters(text: str, sources: Mapping[str, str]) -> tuple[str, ...]:
    """The sources that together say most of what the text says, best first; none when they say less.

    A model that copies a passage and forgets its mark is right all the same; only within one language.
    """
    if copied := [name for name, source in sources.items() if text.strip() and text.strip() in source]:
        return tuple(copied[:1])
    said = terms(text)
    if len(said) < _LEAST_TERMS:
        return ()
    vocabularies = {name: terms(source) for name, source in sources.items()}
    chosen: list[str] = []
    left = set(said)
    while vocabularies and len(said) - len(left) < _SUPPORT * len(said):
        best = max(vocabularies, key=lambda name: len(left & vocabularies[name]))
        gained = left & vocabularies.pop(best)
        if not gained:
            return ()
        left -= gained
        chosen.append(best)
    return tuple(chosen) if len(said) - len(left) >= _SUPPORT * len(said) else ()
