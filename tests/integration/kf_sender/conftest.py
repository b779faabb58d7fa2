"""WeCom's side and an office with no replica running yet."""

from collections.abc import AsyncIterator

import pytest

from tests.fakes.kf_desk import KfDesk, kf_desk
from tests.fakes.senders import Office, office


@pytest.fixture
async def desk() -> AsyncIterator[KfDesk]:
    async with kf_desk() as desk:
        yield desk


@pytest.fixture
async def hall(nats_url: str, database_url: str, desk: KfDesk) -> AsyncIterator[Office]:
    async with office(nats_url, database_url, desk.base_url) as made:
        yield made
