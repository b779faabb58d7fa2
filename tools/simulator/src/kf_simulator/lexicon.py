"""Words and character bigrams of a question, without those that carry no topic."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_FILLERS = re.compile(
    "请问一下|请问|想问一下|想问|问一下|问下|你好|您好|麻烦|谢谢|知道|告诉|帮我|能不能|可不可以|可以|是不是|有没有|是否"
    "|怎么办|怎么样|怎么|怎样|如何|什么时候|什么|多少|多久|多长|哪里|哪些|哪个|哪儿|几天|为什么|咋|谁"
    "|我们|你们|他们|我的|你的|您的|我|你|您|咱|这个|那个|这些|那些|它|这|那"
    "|详细|全部|所有|完整|步骤|具体|仔细|一步|再说|说说|说一下|介绍"
    "|一下|需要|应该|还有|还要|还是|就是|或者|以及|如果|要是|的话|现在|已经|今天|昨天|上周"
    "|[的了吗呢吧啊呀嘛哦么着过在是有和与跟把被就都也还又再很太能要想用去来给让请]"
)
_ENGLISH_FILLERS = re.compile(
    r"\b(?:a|an|the|is|are|was|do|does|did|i|you|we|it|to|of|in|on|for|and|or|my|your|can|could|how|what|when"
    r"|where|which|who|please|this|that|with|be|at|from|will|would|me|if|as|not|no|long|much|many)\b"
)
_RUNS = re.compile(r"[a-z0-9]+(?:[.\-][a-z0-9]+)*|[\u3400-\u9fff]+")
_CHARACTER_WEIGHT = 0.2


def normalise(text: str) -> str:
    """Lower case, full-width forms made plain."""
    return unicodedata.normalize("NFKC", text).lower()


def topics(text: str) -> dict[str, float]:
    """Weighted terms of a question: words and bigrams weigh 1, single characters of Chinese a little."""
    return _terms(_FILLERS.sub(" ", _ENGLISH_FILLERS.sub(" ", normalise(text))))


def vocabulary(text: str) -> frozenset[str]:
    """Every term that occurs in a text."""
    return frozenset(_terms(normalise(text)))


def overlap(question: dict[str, float], terms: frozenset[str], rarity: dict[str, float]) -> float:
    """The share (0 to 1) of the question's weight that is found among the terms."""
    total = sum(weight * rarity.get(term, 1.0) for term, weight in question.items())
    found = sum(weight * rarity.get(term, 1.0) for term, weight in question.items() if term in terms)
    return found / total if total else 0.0


def _terms(text: str) -> dict[str, float]:
    terms: dict[str, float] = {}
    for run in _RUNS.findall(text):
        if run[0] < "\u3400":
            terms[run] = 1.0
            continue
        terms.update(dict.fromkeys(_bigrams(run), 1.0))
        terms.update(dict.fromkeys(run, _CHARACTER_WEIGHT if len(run) > 1 else 2 * _CHARACTER_WEIGHT))
    return terms


def _bigrams(run: str) -> Iterable[str]:
    return (run[i : i + 2] for i in range(len(run) - 1))
