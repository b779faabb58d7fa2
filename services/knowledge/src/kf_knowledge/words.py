"""Puts a collection's own words into a question: names weigh more, synonyms are looked for too."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kf_knowledge.tokens import folded, query_lexemes

# A name of the collection's own says more than other words; what was not said itself says less.
_OWN, _ADDED = 1.5, 0.8


@dataclass(frozen=True)
class Question:
    """A question as it is searched: the text for the meaning, the words, and which were added."""

    text: str
    lexemes: Mapping[str, float]
    added: Sequence[str] = ()


def plain_question(text: str) -> Question:
    """The question as it was asked."""
    return Question(text, query_lexemes(text))


def expanded(text: str, groups: Iterable[Sequence[str]]) -> Question:
    """The question with words of the groups that it holds one of: see curation.checked_group."""
    spoken = folded(text)
    meaning, weights, added = spoken, query_lexemes(text), []
    for group in groups:
        said = [word for word in group if word in spoken]
        if not said:
            continue
        for word in said:
            weights |= {lexeme: weights.get(lexeme, 1.0) * _OWN for lexeme in query_lexemes(word)}
        longest = max(said, key=len)
        if group[0] not in said:
            meaning = meaning.replace(longest, group[0])
        for word in group:
            if word not in said:
                added.append(word)
                for lexeme, weight in query_lexemes(word).items():
                    weights.setdefault(lexeme, weight * _ADDED)
    return Question(meaning, weights, tuple(added))
