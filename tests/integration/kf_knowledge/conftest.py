"""The service's parts on a real database: the embedded model is read once, each test has a new store."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from kf_knowledge import database
from kf_knowledge.drafts import Drafts
from kf_knowledge.local_embedder import LocalEmbedder
from kf_knowledge.store import Store
from kf_knowledge.versions import Versions
from kf_runtime import postgres


@pytest.fixture(scope="session")
def embedder() -> Iterator[LocalEmbedder]:
    loaded = asyncio.run(LocalEmbedder.load())
    yield loaded
    asyncio.run(loaded.close())


@pytest.fixture
async def pool(database_url: str, embedder: LocalEmbedder) -> AsyncIterator[postgres.Pool]:
    """A pool on a database that was made ready for the embedded model."""
    opened = await database.open_pool(database_url, embedder.model, embedder.dimension)
    yield opened
    await opened.close()


@pytest.fixture
def drafts(pool: postgres.Pool) -> Drafts:
    return Drafts(pool)


@pytest.fixture
def versions(pool: postgres.Pool) -> Versions:
    return Versions(pool)


@pytest.fixture
def store(pool: postgres.Pool, embedder: LocalEmbedder) -> Store:
    return Store(pool, embedder.dimension, embedder.question_bias)
