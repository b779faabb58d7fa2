"""A database that answers but takes nothing is waited for like one that is away."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from tests.fakes.dialog import Town

REFUSALS = [rf"{loop}\.database_down\s+error=ReadOnlySQLTransactionError" for loop in ("inbound", "schedule")]


@asynccontextmanager
async def read_only(town: Town) -> AsyncIterator[None]:
    """The database as a primary that became a replica; all connections are cut at both ends."""
    connection = await asyncpg.connect(town.database_url)
    name = await connection.fetchval("SELECT current_database()")
    cut = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    try:
        await connection.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        await connection.fetch(cut)
        yield
        await connection.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
        await connection.fetch(cut)
    finally:
        await connection.close()


async def test_a_database_that_is_read_only_for_a_while_loses_nothing(
    town: Town, capfd: pytest.CaptureFixture[str]
) -> None:
    town.model.delay = lambda _: 1.0
    async with town.replica():
        first = await town.say("wm1", "第一个问题")
        await town.asked(1)
        async with read_only(town):
            second = await town.say("wm2", "第二个问题")
            told = ""
            async with asyncio.timeout(40):
                while not all(re.search(line, told) for line in REFUSALS):
                    told += "".join(capfd.readouterr())
                    await asyncio.sleep(0.1)
        replies = await town.replied(2)
    assert sorted(reply.in_reply_to for reply in replies) == [(first,), (second,)]
