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
from kf_knowledge.ranking import Hit, evidence, fuse
from kf_knowledge.store import Statistics, Store
from kf_knowledge.tokens import query_lexemes

MAX_QUERY_CHARACTERS = 2_000
_CANDIDATES = 100
_CACHED_QUERIES = 2_048
# How many passages BM25 may have to look at for one query; 1,000 found nothing more on 3,344 passages.
LEXICAL_BUDGET = 300


@dataclass(frozen=True)
class Found:
    """One passage of an answer with its scores."""

    passage: StoredPassage
    hit: Hit


@dataclass(frozen=True)
class SearchResult:
    """Passages, best first, what speaks for an answer in them, and whether that is enough."""

    found: Sequence[Found]
    evidence: float
    answerable: bool


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

    async def search(self, collection: str, query: str, limit: int) -> SearchResult:
        """The passages of a collection that best answer a query; none when it is unknown or empty."""
        query = query[:MAX_QUERY_CHARACTERS]
        words = query_lexemes(query)
        statistics = await self._store.statistics(collection, words)
        if statistics is None or not statistics.passages:
            return SearchResult((), 0.0, answerable=False)
        vector = await self._cache.embed(self._embedder, query)
        terms = weigh(words, statistics.passages, statistics.frequencies, LEXICAL_BUDGET)
        dense, lexical = await candidates(self._store, statistics, vector, terms)
        hits = fuse(dense, lexical, terms.total, self._dense_share)
        needed = self._answerable_cosine if statistics.threshold is None else statistics.threshold
        found = await self._described(hits, limit)
        certainty = evidence(hits[0], dense.values())
        return SearchResult(found, certainty, answerable=certainty >= needed)

    async def _described(self, hits: Sequence[Hit], limit: int) -> list[Found]:
        # Twice as many as asked for: duplicates are merged, and a document may be deleted meanwhile.
        passages = await self._store.passages([hit.id for hit in hits[: 2 * limit]])
        found = [Found(passages[hit.id], hit) for hit in hits if hit.id in passages]
        return without_duplicates(found)[:limit]


async def candidates(
    store: Store, statistics: Statistics, vector: Vectors, terms: Terms
) -> tuple[dict[uuid.UUID, float], Mapping[uuid.UUID, Lexical]]:
    """The passages best by meaning or by words: the cosine of each, BM25 of those with a word in common."""
    mean_length = statistics.lexemes / max(statistics.passages, 1)
    dense, matching = await asyncio.gather(
        store.nearest(statistics, vector, _CANDIDATES), store.matching_terms(statistics, terms)
    )
    lexical = bm25.scores(matching, terms.weights, mean_length)
    best = heapq.nlargest(_CANDIDATES, lexical, key=lambda id_: lexical[id_].score)
    cosines, others = await asyncio.gather(
        store.cosines(vector, [id_ for id_ in best if id_ not in dense]),
        store.terms([id_ for id_ in dense if id_ not in lexical]),
    )
    return dense | cosines, lexical | bm25.scores(others, terms.weights, mean_length)


def without_duplicates(found: Sequence[Found]) -> list[Found]:
    """Keeps the best of several passages that say the same in the same words."""
    kept: dict[str, Found] = {}
    for one in found:
        kept.setdefault(re.sub(r"\W+", "", one.passage.text).casefold(), one)
    return list(kept.values())
