"""Answers a question with passages: both rankings fused, duplicates merged, and whether it is answerable."""

import asyncio
import heapq
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kf_knowledge import bm25
from kf_knowledge.bm25 import Lexical, Terms, weigh
from kf_knowledge.embedder import Embedder, QueryCache, Vectors
from kf_knowledge.passages import StoredPassage
from kf_knowledge.ranking import Hit, evidence, fuse, lexical_share
from kf_knowledge.store import EVERYTHING, Scope, Statistics, Store
from kf_knowledge.tokens import folded
from kf_knowledge.words import Question, expanded, plain_question

MAX_QUERY_CHARACTERS = 2_000
_CANDIDATES = 100
_CACHED_QUERIES = 2_048
# How many passages BM25 may have to look at for one query; 1,000 found nothing more on 3,344 passages.
LEXICAL_BUDGET = 200


@dataclass(frozen=True)
class Found:
    """One passage of an answer with its scores."""

    passage: StoredPassage
    hit: Hit


@dataclass(frozen=True)
class SearchResult:
    """Passages, best first, what speaks for an answer in them, and whether that is enough.

    hits: all candidates, best first. version: the one searched. added_words: those of the collection.
    """

    found: Sequence[Found]
    evidence: float
    answerable: bool
    threshold: float = 0.0
    hits: Sequence[Hit] = ()
    lexical_share: float = 0.0
    version: int = 0
    added_words: Sequence[str] = ()


NOTHING = SearchResult((), 0.0, answerable=False)


class Searcher:
    """Hybrid search over one store with one embedding model."""

    def __init__(
        self, store: Store, embedder: Embedder, *, dense_share: float, answerable_cosine: float
    ) -> None:
        self._store = store
        self._embedder = embedder
        self._cache = QueryCache(_CACHED_QUERIES)
        self._dense_share = dense_share
        self._answerable_cosine = answerable_cosine

    async def search(
        self, collection: str, query: str, limit: int, scope: Scope = EVERYTHING
    ) -> SearchResult:
        """The passages of a collection that best answer a query; none when it is unknown or empty."""
        query = query[:MAX_QUERY_CHARACTERS].replace("\x00", " ")
        question, statistics = await self._understood(collection, query, scope)
        if statistics is None or not statistics.passages:
            return NOTHING
        vector = await self._cache.embed(self._embedder, question.text)
        terms = weigh(question.lexemes, statistics.passages, statistics.frequencies, LEXICAL_BUDGET)
        dense, lexical = await candidates(self._store, statistics, vector, terms)
        hits = fuse(dense, lexical, terms.total, self._dense_share)
        if not hits:
            return NOTHING
        needed = self._answerable_cosine if statistics.threshold is None else statistics.threshold
        certainty = evidence(hits[0], dense.values())
        return SearchResult(
            found=await self._described(statistics, hits, limit),
            evidence=certainty,
            answerable=certainty >= needed,
            threshold=needed,
            hits=hits,
            lexical_share=lexical_share(1 - self._dense_share, max(hit.coverage for hit in hits)),
            version=statistics.version,
            added_words=question.added,
        )

    async def _understood(
        self, collection: str, query: str, scope: Scope
    ) -> tuple[Question, Statistics | None]:
        """The question with the collection's own words, and the numbers to search it by."""
        question = plain_question(query)
        statistics = await self._store.statistics(collection, question.lexemes, scope, folded(query))
        if statistics and statistics.word_groups:
            question = expanded(query, statistics.word_groups)
            statistics = await self._store.statistics(collection, question.lexemes, scope)
        return question, statistics

    async def _described(self, statistics: Statistics, hits: Sequence[Hit], limit: int) -> list[Found]:
        # Twice as many as asked for: duplicates are merged, and a document may be erased meanwhile.
        passages = await self._store.passages(statistics, [hit.id for hit in hits[: 2 * limit]])
        found = [Found(passages[hit.id], hit) for hit in hits if hit.id in passages]
        return without_duplicates(found)[:limit]


async def candidates(
    store: Store, statistics: Statistics, vector: Vectors, terms: Terms
) -> tuple[dict[uuid.UUID, float], Mapping[uuid.UUID, Lexical]]:
    """The passages best by meaning or by words: the cosine of each, BM25 of those with a word in common."""
    near, matching = await asyncio.gather(
        store.nearest(statistics, vector, _CANDIDATES), store.matching(statistics, terms, vector)
    )
    everything = list({candidate.id: candidate for candidate in (*near, *matching)}.values())
    mean_length = statistics.lexemes / max(statistics.passages, 1)
    lexical = bm25.scores(everything, terms.weights, mean_length)
    best = heapq.nlargest(_CANDIDATES, lexical, key=lambda id_: lexical[id_].score)
    cosines = {candidate.id: candidate.cosine for candidate in everything}
    kept = {candidate.id for candidate in near}.union(best)
    return {id_: cosines[id_] for id_ in cosines if id_ in kept}, lexical


def without_duplicates(found: Sequence[Found]) -> list[Found]:
    """Keeps the best of several passages that say the same in the same words."""
    kept: dict[str, Found] = {}
    for one in found:
        kept.setdefault(re.sub(r"\W+", "", one.passage.text).casefold(), one)
    return list(kept.values())
