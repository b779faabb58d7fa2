from collections.abc import AsyncIterator

import pytest

from tests.fakes.gateway import Replica, replica
from tests.fakes.kf_account import KfAccounts, kf_accounts


@pytest.fixture
async def wecom() -> AsyncIterator[KfAccounts]:
    async with kf_accounts() as api:
        yield api


@pytest.fixture
async def gateway(nats_url: str, wecom: KfAccounts) -> AsyncIterator[Replica]:
    async with replica(nats_url, wecom.base_url) as one:
        yield one
