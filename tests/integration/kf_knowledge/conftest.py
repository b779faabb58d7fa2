"""The service's parts on a real database: the embedded model is read once, each test has a new store."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from kf_knowledge import database
from kf_knowledge.local_embedder import LocalEmbedder
from kf_knowledge.store import SCHEMA, Store
from kf_runtime import postgres


@pytest.fixture(scope="session")
def embedder() -> Iterator[LocalEmbedder]:
    loaded = asyncio.run(LocalEmbedder.load())
    yield loaded
    asyncio.run(loaded.close())


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[postgres.Pool]:
    opened = await postgres.connect(database_url, SCHEMA)
    yield opened
    await opened.close()


@pytest.fixture
async def store(pool: postgres.Pool, embedder: LocalEmbedder) -> Store:
    await database.prepare(pool, embedder.model, embedder.dimension)
    return Store(pool, embedder.dimension)
