"""Pages are fetched from the internet only: never from this machine or its network, nor by a redirect."""

import asyncio
import ipaddress
from collections.abc import AsyncIterator

import pytest
from kf_cli.sources import SourceError
from kf_cli.web import Address, fetch, is_public

LOOPBACK = ipaddress.ip_address("127.0.0.1")
PAGE = "<h1>退货</h1><p>七天无理由。</p>".encode()


@pytest.fixture
async def site() -> AsyncIterator[str]:
    """A site on loopback; its pages tell what they answer."""
    answers = {
        "/page": b"200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: %d\r\n\r\n%s"
        % (len(PAGE), PAGE),
        "/to-page": b"302 Found\r\nLocation: /page\r\nContent-Length: 0\r\n\r\n",
        "/to-metadata": b"302 Found\r\nLocation: http://169.254.169.254/latest\r\nContent-Length: 0\r\n\r\n",
        "/loop": b"302 Found\r\nLocation: /loop\r\nContent-Length: 0\r\n\r\n",
        "/picture": b"200 OK\r\nContent-Type: image/png\r\nContent-Length: 1\r\n\r\nx",
        "/gone": b"404 Not Found\r\nContent-Length: 0\r\n\r\n",
    }

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 " + answers[request.split()[1].decode()])
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def only_loopback(address: Address) -> bool:
    return address == LOOPBACK


async def test_page_is_fetched_over_redirects_and_keeps_its_address(site: str) -> None:
    page = await fetch(f"{site}/to-page", only_loopback)
    assert (page.name, page.content, page.ending) == (f"{site}/to-page", PAGE, ".html")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/to-metadata", "inner network"),
        ("/loop", "more than 5 times"),
        ("/picture", "no page or document"),
        ("/gone", "answers 404"),
    ],
)
async def test_what_is_no_page_is_refused(site: str, path: str, reason: str) -> None:
    with pytest.raises(SourceError, match=reason):
        await fetch(site + path, only_loopback)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://localhost:8000/ready",
        "http://[::1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/",
        "http://0/",
        "http://2130706433/",
        "file:///etc/passwd",
        "gopher://a.example/",
    ],
)
async def test_inner_addresses_are_refused_before_a_connection(url: str) -> None:
    with pytest.raises(SourceError, match=r"inner network|only http"):
        await fetch(url)


def test_addresses_of_the_internet_are_public() -> None:
    assert is_public(ipaddress.ip_address("8.8.8.8"))
    assert not is_public(ipaddress.ip_address("224.0.0.1"))
