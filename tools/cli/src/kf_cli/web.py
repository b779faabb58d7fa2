"""Fetches a web page for an import without being led into the operator's own network."""

import asyncio
import ipaddress
import socket
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import httpx

from kf_cli.sources import MAX_BYTES, SourceError

_REDIRECTS = 5
_SECONDS = 30.0
_KINDS = {
    "text/html": ".html",
    "application/xhtml+xml": ".html",
    "application/pdf": ".pdf",
    "text/plain": ".txt",
    "text/markdown": ".md",
}

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class Page:
    """A page that was fetched: a document to import, its address is its name."""

    name: str
    content: bytes
    ending: str

    def read(self) -> bytes:
        """The content."""
        return self.content


def is_public(address: Address) -> bool:
    """Whether an address belongs to the internet: not loopback, private, link-local (clouds' metadata) ..."""
    mapped = getattr(address, "ipv4_mapped", None) or address
    return mapped.is_global and not mapped.is_multicast


async def fetch(url: str, admit: Callable[[Address], bool] = is_public) -> Page:
    """The page at an address, redirects followed; every host on the way must be admitted.

    Raises:
        SourceError: not http(s), a host that is not admitted, no document there, too large or too late.
    """
    current = url
    try:
        async with asyncio.timeout(_SECONDS):
            for _ in range(_REDIRECTS + 1):
                reply = await _get(current, admit)
                if isinstance(reply, Page):
                    return Page(url, reply.content, reply.ending)
                current = reply
    except (httpx.HTTPError, OSError, TimeoutError) as error:
        raise SourceError(f"{url}: cannot be fetched ({type(error).__name__})") from None
    raise SourceError(f"{url}: leads from one address to the next, more than {_REDIRECTS} times")


async def _get(url: str, admit: Callable[[Address], bool]) -> Page | str:
    """The page, or where it sends us."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SourceError(f"{url}: only http:// and https:// addresses are fetched")
    address = await _resolved(parts.hostname, parts.port or (443 if parts.scheme == "https" else 80), admit)
    # The address that was checked is the one that is called: a name may resolve differently the next time.
    numeric = f"[{address}]" if address.version == 6 else str(address)
    pinned = httpx.URL(url).copy_with(host=numeric)
    host = parts.netloc.rpartition("@")[2]
    async with (
        httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=_SECONDS) as client,
        client.stream(
            "GET", pinned, headers={"Host": host}, extensions={"sni_hostname": parts.hostname}
        ) as reply,
    ):
        if reply.is_redirect:
            return str(urljoin(url, reply.headers.get("location", "")))
        if reply.status_code != httpx.codes.OK:
            raise SourceError(f"{url}: answers {reply.status_code}")
        kind = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in _KINDS:
            raise SourceError(f"{url}: is no page or document ({kind[:60] or 'no content type'})")
        content = bytearray()
        async for part in reply.aiter_bytes():
            content += part
            if len(content) > MAX_BYTES:
                raise SourceError(f"{url}: has more than {MAX_BYTES:,} bytes")
    return Page(url, bytes(content), _KINDS[kind])


async def _resolved(host: str, port: int, admit: Callable[[Address], bool]) -> Address:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        raise SourceError(f"{host}: no such host") from None
    addresses = [ipaddress.ip_address(entry[4][0]) for entry in found]
    if not addresses or not all(map(admit, addresses)):
        raise SourceError(f"{host}: is an address of an inner network, which pages are not fetched from")
    return addresses[0]
