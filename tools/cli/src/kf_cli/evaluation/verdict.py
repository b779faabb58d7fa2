"""Judges the replies of a case: pure decisions over what was expected and what came."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

from kf_cli.evaluation.case import Case, Expected
from kf_cli.scenario import Answer, faults

_ALWAYS_WRONG = ("<passage", "<think", "</think", "[[", "passage_id", "tool_call", "reasoning_content")
"""What shows the machinery; no customer should ever read it."""
_REFUSES = re.compile(
    r"没有(?:找到|查到|相关|这方面|关于|对应|提到|提供)|(?:未|没)能?(?:查|找)到|[查找]不到|暂时(?:无法|没有|不能|没能)"
    r"|无法(?:回答|确认|提供|查|告知|核实)|不(?:清楚|确定|了解|知道|能确认|便透露|便提供)|超出"
    r"|抱歉.{0,12}(?:不能|无法|没有)"
    r"|\b(?:could not|couldn't|cannot|can't|unable|(?:do|does) not have|don't have|don't know|do not know"
    r"|sorry|not (?:able|sure|aware|available|find|covered|mention)|no (?:information|details|mention))",
    re.IGNORECASE,
)
_HAN = re.compile(r"[\u3400-\u9fff]")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3})")
_MOST_HAN = 0.2
_POOL, _HUMAN, _ENDED = 2, 3, 4


@dataclass
class Outcome:
    """One case as it went."""

    case: Case
    faults: list[str] = field(default_factory=list)
    replies: list[str] = field(default_factory=list)
    """Every text that a customer got."""
    answers: int = 0
    """Steps that wanted an answer."""
    answered_once: int = 0
    waits: list[float] = field(default_factory=list)
    """Seconds from the customer's last message to the first reply."""
    leaks: int = 0
    transcript: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Nothing was wrong."""
        return not self.faults


def normal(text: str) -> str:
    """Text without what does not matter: letter case, width of forms, spaces, commas in numbers."""
    plain = unicodedata.normalize("NFKC", text).lower()
    return _THOUSANDS.sub("", "".join(plain.split()))


def reply_faults(expected: Expected, parts: Sequence[str], state: int) -> list[str]:
    """What is wrong with the messages that answer a step; `state`: service_state afterwards."""
    found = faults(Answer(parts=expected.parts), parts)
    text = "\n".join(parts)
    plain = normal(text)
    found += [f"the answer does not hold {words}" for words in expected.has if normal(words) not in plain]
    if expected.one_of and not any(normal(words) in plain for words in expected.one_of):
        found.append(f"the answer holds none of: {', '.join(expected.one_of)}")
    found += [f"the answer holds {words}" for words in expected.lacks if normal(words) in plain]
    if expected.refuses and not _REFUSES.search(text):
        found.append("it does not say that it does not know")
    if expected.language and text and expected.language != language(text):
        found.append(f"the answer is not in {expected.language}")
    if expected.handed and state not in (_POOL, _HUMAN):
        found.append("nobody was given the chat")
    if expected.stays_open and state == _ENDED:
        found.append("the session was ended")
    return found


def leaks(replies: Sequence[str], never: Sequence[str]) -> list[str]:
    """What no customer may read, but did."""
    text = "\n".join(replies)
    plain = normal(text)
    return [words for words in (*_ALWAYS_WRONG, *never) if normal(words) in plain]


def language(text: str) -> str:
    """`zh` or `en`, by the share of Chinese characters among the letters."""
    letters = [character for character in text if character.isalpha()]
    return "zh" if len(_HAN.findall(text)) > _MOST_HAN * len(letters) else "en"
