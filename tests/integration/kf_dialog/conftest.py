"""The town that every integration test of dialog talks in."""

from collections.abc import AsyncIterator

import pytest

from tests.fakes.dialog import Town


@pytest.fixture
async def town(nats_url: str, database_url: str) -> AsyncIterator[Town]:
    async with Town.open(nats_url, database_url) as town:
        yield town
