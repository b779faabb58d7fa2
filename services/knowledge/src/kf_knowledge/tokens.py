"""Cuts text into the lexemes of the lexical index: words, and unigrams and bigrams of Chinese text."""

import re
import unicodedata
from collections import Counter

import rjieba

# A tsvector takes lexemes below 2 KiB; nothing a person searches for is longer than this.
MAX_LEXEME_CHARACTERS = 64

_CJK = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
_CJK_RUN = re.compile(f"[{_CJK}]+")
_WORD_RUN = re.compile(rf"[^\W_{_CJK}]+")


# Particles and words of asking: every question has them, and short FAQ entries are full of them too.
_FUNCTION_CHARACTERS = frozenset("的了吗呢吧啊呀嘛是我你您们请问在有和就也都还能可以会怎么什样个这那想一下")
# A Chinese word of two characters counts as three lexemes, a product name or an error code only as one.
_LATIN_WEIGHT = 3.0


def query_lexemes(text: str) -> dict[str, float]:
    """The lexemes of a question with their weights; those made of function characters alone are left out."""
    return {
        lexeme: count * (1.0 if _CJK_RUN.match(lexeme) else _LATIN_WEIGHT)
        for lexeme, count in lexemes(text).items()
        if not _FUNCTION_CHARACTERS.issuperset(lexeme)
    }


def folded(text: str) -> str:
    """Text in which words are looked for: one width, small letters."""
    return unicodedata.normalize("NFKC", text).lower()


def language_of(text: str) -> str:
    """zh, or en for text in Latin letters; empty for others."""
    chinese, latin = len(re.findall(f"[{_CJK}]", text)), len(re.findall("[a-zA-Z]", text))
    if chinese * 4 > latin:
        return "zh"
    return "en" if latin * 2 > len(text) else ""


def lexemes(text: str) -> Counter[str]:
    """How often each lexeme occurs: words, and each Chinese character and pair of neighbours."""
    text = folded(text)
    counts = Counter(word[:MAX_LEXEME_CHARACTERS] for word in _WORD_RUN.findall(text))
    for run in _CJK_RUN.findall(text):
        counts.update(run)
        counts.update(run[index : index + 2] for index in range(len(run) - 1))
        # Words of one or two characters are in already, as unigrams and bigrams.
        counts.update(word for word in rjieba.cut_for_search(run) if len(word) > 2)
    return counts
