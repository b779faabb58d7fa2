"""The scripted model: it answers from the passages in its prompt by overlap of words, always the same way."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from kf_simulator import lexicon
from kf_simulator.passages import Unit, read_units, spoken

NOT_FOUND = "抱歉，知识库里没有相关内容，暂时无法回答这个问题。"
NOT_FOUND_ENGLISH = "I am sorry, I could not find this in the knowledge base."
_NOT_FOUND_PART = "关于“{}”，抱歉，知识库里没有相关内容。"
_GREETING = "您好，请问有什么可以帮您？"
_GREETING_ENGLISH = "Hello, how can I help you?"
_THANKS = "不客气，还有问题随时告诉我。"
_THANKS_ENGLISH = "You are welcome."
_HAN = re.compile(r"[\u3400-\u9fff]")
_CITES = re.compile(r"\[\[(?:id|编号|passage_id)\]\]", re.IGNORECASE)
"""How a prompt shows that it wants the ids of the passages behind what is said."""
# Questions foreign to the passages score below 0.15, paraphrases above 0.24.
_THRESHOLD = 0.2
# Prose mentions much in passing; an entry that asks the same question is the better answer.
_PROSE_SHARE = 0.8
_CERTAIN = 0.5
_HISTORY_WEIGHT = 0.6
_ENOUGH_TO_GO_BY = 0.8
_SHORT_TERMS = 6.0
_HISTORY_TURNS = 2
_PROSE_CHARACTERS = 160
_NAME_WEIGHT = 4
_IS_GREETING = re.compile(
    r"(你好|您好|在吗|在么|有人吗|hi|hello|哈喽|嗨|早上好|下午好|晚上好|客服)[\W_]*(呀|啊|吗)?[\W_]*"
)
_IS_THANKS = re.compile(r"(好的|好|嗯|ok)?[\W_]*(谢谢|感谢|多谢|thanks|thank you)(您|你|了|啦)?[\W_]*")
_REFERS_BACK = re.compile(
    r"^(那|那么|还有|然后|另外|再|这|它|上面|刚才|刚刚)|它|这个|那个|这款|那款|刚才|刚刚|上面|前面|呢[?？。!！\s]*$"
)
_WANTS_ALL = re.compile("详细|全部|所有|完整|步骤|具体流程|一步一步|仔细")
_ASKS = re.compile("[?？]|吗|呢|怎么|如何|什么|多少|多久|哪|几|能不能|可以|是否|有没有|谁|为何|咋")
_SENTENCE = re.compile(r"[^。！？!?\n]*[。！？!?]+|[^。！？!?\n]+")
_LIST_ITEM = re.compile(
    r"^\s*(?:[-*•·]|\d+[.、)）]|第[一二三四五六七八九十]+步|[（(]?[一二三四五六七八九十\d]+[)）、])"
)


@dataclass(frozen=True)
class Turn:
    """One message of the chat history."""

    role: str
    text: str


class _Library:
    """The units of one prompt, with the rarity of every term among them."""

    def __init__(self, prompt: str) -> None:
        self.units = units = read_units(prompt)
        self.cites = bool(_CITES.search(prompt))
        counts = Counter(term for unit in units for term in unit.all_terms)
        size = max(len(units), 1)
        # A term in every passage still counts: with few passages, common means topical more often than empty.
        self.rarity = {term: 0.5 + math.log(1 + size / count) for term, count in counts.items()}
        self.unknown = 0.5 + math.log(1 + size)

    def score(self, question: dict[str, float], unit: Unit) -> float:
        """How well a unit fits, 0 to 1: what is asked for counts more than where it is mentioned."""
        rarity = {term: self.rarity.get(term, self.unknown) for term in question}
        everywhere = lexicon.overlap(question, unit.all_terms, rarity)
        if not unit.asks:
            return _PROSE_SHARE * everywhere
        asked = lexicon.overlap(question, unit.ask_terms, rarity)
        wanted = lexicon.topics(unit.asks)
        precise = lexicon.overlap(wanted, frozenset(question), self.rarity)
        return 0.55 * asked + 0.25 * everywhere + 0.2 * precise * bool(asked)


def answer(system: str, history: Sequence[Turn], question: str) -> str:
    """The reply to the newest question; one that `is_not_found` knows when no passage fits it."""
    small_talk = _small_talk(question)
    if small_talk:
        return small_talk
    library = _Library(system)
    lines = [line.strip() for line in question.splitlines() if line.strip()]
    if len(lines) > 1:
        several = _answer_each(library, lines)
        if several:
            return several
    alone = None if _REFERS_BACK.search(question) else _best(library, question)[1]
    if alone:
        return _worded(library, alone, question)
    if followed := _best_with_history(library, history, question):
        return _worded(library, followed, "\n".join([*_asked(history), question]))
    unit = _best(library, question)[1]
    if unit:
        return _worded(library, unit, question)
    return NOT_FOUND_ENGLISH if is_english(question) else NOT_FOUND


def is_not_found(reply: str) -> bool:
    """Whether a reply of `answer` says that it does not know."""
    return reply in (NOT_FOUND, NOT_FOUND_ENGLISH)


def is_english(text: str) -> bool:
    """Whether a customer writes without a Chinese character."""
    return not _HAN.search(text) and bool(re.search("[A-Za-z]", text))


def _answer_each(library: _Library, lines: list[str]) -> str:
    """Answers to a burst of several questions, or "" when it is one question in several messages."""
    parts: dict[str, None] = {}
    answered = 0
    for line in lines:
        score, unit = _best(library, line)
        named = unit is not None and bool(unit.asks) and score >= _CERTAIN
        if _small_talk(line) or not (_is_question(line) or named):
            continue
        answered += unit is not None
        parts[_worded(library, unit, line) if unit else _NOT_FOUND_PART.format(line)] = None
    return "\n\n".join(parts) if answered and len(parts) > 1 else ""


def _best(library: _Library, question: str) -> tuple[float, Unit | None]:
    """The unit that fits best and how well, or (0, None) when none fits well enough."""
    terms = lexicon.topics(question)
    if sum(terms.values()) < _ENOUGH_TO_GO_BY:
        return 0.0, None
    scored = [(library.score(terms, unit), unit) for unit in library.units]
    score, unit = max(scored, key=_first, default=(0.0, None))
    return (score, unit) if score >= _THRESHOLD else (0.0, None)


def _best_with_history(library: _Library, history: Sequence[Turn], question: str) -> Unit | None:
    """For a follow-up: what was talked about before says which passage the few words of now are about."""
    terms = lexicon.topics(question)
    if not _REFERS_BACK.search(question) and sum(terms.values()) > _SHORT_TERMS:
        return None
    said = [turn.text for turn in history if turn.role == "assistant"][-1:]
    context = {term: 0.5 * weight for term, weight in lexicon.topics("\n".join(said)).items()}
    context |= lexicon.topics("\n".join(_asked(history)))
    together = {term: _HISTORY_WEIGHT * weight for term, weight in context.items()} | terms
    names_a_topic = max(terms.values(), default=0.0) >= 1
    scored: list[tuple[float, Unit]] = []
    for unit in library.units:
        now, before = library.score(terms, unit), library.score(context, unit)
        # A topic that the passage does not know is a new question, whatever was said before.
        if before and (now >= _THRESHOLD or not names_a_topic):
            scored.append((now + library.score(together, unit), unit))
    total, best = max(scored, key=_first, default=(0.0, None))
    return best if total >= _THRESHOLD else None


def _asked(history: Sequence[Turn]) -> list[str]:
    """What the customer asked lately."""
    return [turn.text for turn in history if turn.role == "user"][-_HISTORY_TURNS:]


def _first(scored: tuple[float, Unit]) -> float:
    return scored[0]


def _worded(library: _Library, unit: Unit, question: str) -> str:
    said = _said(library, unit, question)
    return f"{said} [[{unit.passage_id}]]" if library.cites else said


def _said(library: _Library, unit: Unit, question: str) -> str:
    if unit.asks:
        return unit.text
    text = spoken(unit.text)
    if _WANTS_ALL.search(question) or len(text) <= _PROSE_CHARACTERS:
        return text
    return _excerpt(library, text, question)


def _excerpt(library: _Library, text: str, question: str) -> str:
    """The paragraph that fits best, with the whole of a list; of a long one the best sentences."""
    terms = lexicon.topics(question)
    rarity = {term: library.rarity.get(term, library.unknown) for term in terms}

    for term in terms:
        # E05 or X2 names what is asked about better than all the words around it.
        terms[term] *= _NAME_WEIGHT if any(map(str.isdigit, term)) else 1

    def fit(piece: str) -> float:
        return lexicon.overlap(terms, lexicon.vocabulary(piece), rarity)

    paragraph = max(_paragraphs(text), key=fit)
    if len(paragraph) <= _PROSE_CHARACTERS or _LIST_ITEM.search(paragraph.split("\n", 1)[-1]):
        return paragraph
    sentences = [sentence.strip() for sentence in _SENTENCE.findall(paragraph) if sentence.strip()]
    best = max(range(len(sentences)), key=lambda index: fit(sentences[index]))
    return "".join(sentences[max(best - 1, 0) : best + 3])


def _paragraphs(text: str) -> list[str]:
    """Lines put together: a list stays with the line that introduces it."""
    paragraphs: list[str] = []
    for line in (line.strip() for line in text.splitlines()):
        if not line:
            continue
        introduced = paragraphs and paragraphs[-1].rstrip().endswith((":", "："))
        listed = paragraphs and _LIST_ITEM.match(paragraphs[-1].splitlines()[-1])
        if _LIST_ITEM.match(line) and (introduced or listed):
            paragraphs[-1] += "\n" + line
        else:
            paragraphs.append(line)
    return paragraphs


def _small_talk(text: str) -> str:
    plain = lexicon.normalise(text).strip()
    if _IS_GREETING.fullmatch(plain):
        return _GREETING_ENGLISH if is_english(text) else _GREETING
    if is_english(text) and _IS_THANKS.fullmatch(plain):
        return _THANKS_ENGLISH
    return _THANKS if _IS_THANKS.fullmatch(plain) else ""


def _is_question(line: str) -> bool:
    return bool(_ASKS.search(line)) and bool(lexicon.topics(line))
