"""Says why a search ended as it did: both rankings, the fusion, and the words that were found."""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kf_knowledge.ranking import Hit
from kf_knowledge.search import Found, SearchResult
from kf_knowledge.tokens import lexemes, query_lexemes

_MOST_WORDS = 20


@dataclass(frozen=True)
class Place:
    """Why a passage stands where it stands: its places by meaning alone and by words alone, from 1."""

    dense: int
    lexical: int
    matched_words: Sequence[str]


def places(result: SearchResult, query: str) -> list[Place]:
    """One for each passage found."""
    dense = _ranks(result.hits, lambda hit: hit.dense)
    lexical = _ranks(result.hits, lambda hit: hit.lexical)
    return [
        Place(dense[one.hit.id], lexical[one.hit.id], matched_words(query, result.added_words, one))
        for one in result.found
    ]


def matched_words(query: str, added: Sequence[str], found: Found) -> list[str]:
    """The question's words that the passage holds, longest first, none that is part of another."""
    passage = found.passage
    held = lexemes("\n".join((*passage.headings, passage.question, passage.text)))
    asked = {word for text in (query, *added) for word in query_lexemes(text)}
    words: list[str] = []
    for word in sorted(asked & held.keys(), key=lambda word: (-len(word), word)):
        if not any(word in longer for longer in words):
            words.append(word)
    return words[:_MOST_WORDS]


def _ranks(hits: Sequence[Hit], score: Callable[[Hit], float]) -> dict[uuid.UUID, int]:
    ranked = sorted(hits, key=score, reverse=True)
    return {hit.id: place for place, hit in enumerate(ranked, start=1)}
