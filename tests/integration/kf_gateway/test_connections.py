"""Connections that never send a whole request must not keep WeCom's callbacks out."""

import asyncio
import resource
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from tests.fakes.gateway import until
from tests.fakes.gateway_http import HttpGateway, http_gateway, notice_xml

PATIENCE = 1.0
LIMIT = 1000


@pytest.fixture
async def gateway(nats_url: str) -> AsyncIterator[HttpGateway]:
    async with http_gateway(nats_url, PATIENCE) as one:
        yield one


@pytest.fixture
def many_files() -> Iterator[None]:
    """Both ends of every connection are in this process."""
    before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 4096:
        pytest.skip("this system allows too few open files")
    if before != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(before, 4096), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (before, hard))


async def dial(gateway: HttpGateway) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", httpx.URL(gateway.url).port)


async def closed(reader: asyncio.StreamReader) -> bytes:
    """What was still sent before the server hung up; a reset must not swallow what came before it."""
    told = b""
    try:
        async with asyncio.timeout(20):
            while chunk := await reader.read(4096):
                told += chunk
    except ConnectionError:
        pass
    return told


@pytest.mark.usefixtures("many_files")
async def test_a_thousand_idle_connections_keep_nobody_out_for_long(gateway: HttpGateway) -> None:
    async def accepted() -> bool:
        return (await gateway.post(notice_xml())).status_code == 200

    idle = [await dial(gateway) for _ in range(LIMIT)]
    try:
        await until(accepted)
        assert (await gateway.http.get("/health")).status_code == 200
    finally:
        for _, writer in idle:
            writer.close()


@pytest.mark.parametrize(
    "half",
    [b"GET /health HTTP/1.1\r\nHost", b"GET /health HTTP/1.1\r\nHost: t\r\n\r\nGET /h"],
    ids=["the first one", "a later one"],
)
async def test_half_a_request_is_not_waited_for(gateway: HttpGateway, half: bytes) -> None:
    """The second one begins after a whole request, where no keep-alive timer runs."""
    reader, writer = await dial(gateway)
    writer.write(half)
    dripping = asyncio.create_task(_drip(writer))
    try:
        answers = await closed(reader)
    finally:
        dripping.cancel()
        writer.close()
    assert answers.count(b"200 OK") == half.count(b"\r\n\r\n")


async def _drip(writer: asyncio.StreamWriter) -> None:
    while True:
        await asyncio.sleep(0.2)
        writer.write(b"a")


async def test_a_kept_alive_connection_is_left_to_its_own_timer(gateway: HttpGateway) -> None:
    reader, writer = await dial(gateway)
    for _ in range(2):
        writer.write(b"GET /health HTTP/1.1\r\nHost: t\r\n\r\n")
        assert b"200" in await asyncio.wait_for(reader.readline(), 20)
        await reader.readuntil(b"}")
        await asyncio.sleep(2 * PATIENCE)
    assert not reader.at_eof()
    writer.close()
