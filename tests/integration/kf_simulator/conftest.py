"""A fresh simulator for each test."""

from collections.abc import AsyncIterator

import pytest

from tests.fakes.simulator import SimulatorClient, running_simulator


@pytest.fixture
async def sim() -> AsyncIterator[SimulatorClient]:
    async with running_simulator() as client:
        yield client
