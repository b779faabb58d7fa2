"""The embedded model beside the event loop: lanes, limits, batches, cache."""

import asyncio
import threading
from collections.abc import Sequence

import numpy as np
import pytest
from kf_knowledge.e5_model import E5Model
from kf_knowledge.e5_tokenizer import E5Tokenizer
from kf_knowledge.embedder import EmbeddingUnavailableError, QueryCache, Vectors
from kf_knowledge.local_embedder import LocalEmbedder, batches


class GatedEncoder(E5Model):
    """Embeds nothing before the gate opens."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.started = threading.Event()

    @property
    def dimension(self) -> int:
        return 2

    def embed(self, texts: Sequence[Sequence[int]]) -> Vectors:
        self.started.set()
        assert self.gate.wait(60)
        return np.ones((len(texts), 2), np.float32)


async def test_query_does_not_wait_for_a_document(tokenizer: E5Tokenizer) -> None:
    """An import that holds its thread leaves the queries' thread free."""
    encoder = GatedEncoder()
    embedder = LocalEmbedder(encoder, tokenizer)
    document = asyncio.create_task(embedder.embed_passages(["long"]))
    await asyncio.to_thread(encoder.started.wait, 60)
    encoder.started.clear()
    query = asyncio.create_task(embedder.embed_queries(["short"]))
    assert await asyncio.to_thread(encoder.started.wait, 60)
    encoder.gate.set()
    assert (await query).shape == (await document).shape == (1, 2)
    await embedder.close()


async def test_full_queue_refuses_instead_of_growing(tokenizer: E5Tokenizer) -> None:
    encoder = GatedEncoder()
    embedder = LocalEmbedder(encoder, tokenizer, queue_limit=2)
    waiting = [asyncio.create_task(embedder.embed_queries([text])) for text in "ab"]
    await asyncio.to_thread(encoder.started.wait, 60)
    with pytest.raises(EmbeddingUnavailableError, match="try again later"):
        await embedder.embed_queries(["c"])
    encoder.gate.set()
    assert len(await asyncio.gather(*waiting)) == 2
    await embedder.close()


async def test_vectors_come_in_the_order_of_the_texts(encoder: E5Model, tokenizer: E5Tokenizer) -> None:
    """Batches are made of texts of similar length; the caller never sees that."""
    embedder = LocalEmbedder(encoder, tokenizer)
    texts = ["一段很长的话，" * 40, "短", "中等长度的一句话。", "短"]
    vectors = await embedder.embed_questions(texts)
    for text, vector in zip(texts, vectors, strict=True):
        np.testing.assert_allclose(vector, (await embedder.embed_queries([text]))[0], atol=2e-5)
    assert (await embedder.embed_passages([])).shape == (0, 384)
    await embedder.close()


def test_batches_hold_every_text_once_within_the_budget() -> None:
    lengths = [5, 400, 30, 512, 7, 512, 100]
    groups = batches(lengths, 512)
    assert sorted(index for group in groups for index in group) == list(range(len(lengths)))
    assert all(sum(lengths[i] for i in group) <= 512 for group in groups)


class CountingEmbedder:
    """Counts what it is asked."""

    model = "counting"
    dimension = 1
    question_bias = 0.0

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def embed_queries(self, texts: Sequence[str]) -> Vectors:
        self.asked += texts
        return np.ones((len(texts), 1), np.float32)

    embed_questions = embed_passages = embed_queries


async def test_repeated_query_is_embedded_once_until_it_is_forgotten() -> None:
    embedder, cache = CountingEmbedder(), QueryCache(capacity=2)
    for text in ("a", "b", "a", "c", "a", "b"):
        await cache.embed(embedder, text)
    assert embedder.asked == ["a", "b", "c", "b"]
