"""Anything at all is thrown at the callback: never a 500, nothing published, no memory kept.

`make fuzz` throws a million; the suite ten thousand. A finding names the seed that repeats it.
"""

import asyncio
import gc
import logging
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import psutil
import pytest
import structlog
from kf_gateway.http import create_app
from kf_gateway.notices import NoticeStream
from kf_wecom.crypto import CallbackCrypto
from starlette.types import Message, Scope

from tests.fakes.gateway_http import CORP_ID, CRYPTO, PATH, envelope, notice_xml, signed

CALLBACKS = int(os.environ.get("KF_FUZZ_CALLBACKS", "10000"))
SEED = int(os.environ.get("KF_FUZZ_SEED", "0")) or int(time.time())
EXPECTED = {200, 400, 403, 404, 405, 408, 413}
GROWTH_MAX_BYTES = 24 * 1024 * 1024
STRANGER = CallbackCrypto("othertoken", "B" * 43, CORP_ID)
ENTITY = b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]>"
SPLICES = (
    *(b"<", b">", b"]]>", b"<Encrypt>", b"</Encrypt>", b"<![CDATA[", b"&a;", ENTITY),
    *(b"\x00", b"\xff\xfe", b"%s%n", "𠮷".encode(), b"=" * 9, b"A" * 4096),
)
Request = tuple[str, str, bytes, list[tuple[bytes, bytes]], bytes]


class Published(NoticeStream):
    """Counts what would be published."""

    def __init__(self) -> None:
        super().__init__()
        self.notices: list[Any] = []

    async def publish(self, notice: Any, digest: str) -> None:
        self.notices.append((notice, digest))


def mutated(dice: random.Random, data: bytes) -> bytes:
    """The same with one to four changes: bytes flipped, cut, doubled, or replaced by what parsers dislike."""
    made = bytearray(data)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(made) + 1)
        match dice.randrange(5):
            case 0 if made:
                made[at % len(made)] ^= 1 << dice.randrange(8)
            case 1:
                del made[at : at + dice.randint(1, 64)]
            case 2:
                made[at:at] = made[at : at + dice.randint(1, 64)] * dice.randint(1, 8)
            case 3:
                made[at:at] = dice.choice(SPLICES)
            case _:
                made[at:at] = dice.randbytes(dice.randint(1, 32))
    return bytes(made)


def _outer(dice: random.Random) -> tuple[dict[str, Any], bytes]:
    """A genuine envelope, spoilt on the way: the signature still belongs to what it was."""
    encrypted = CRYPTO.encrypt(notice_xml())
    body = envelope(encrypted)
    spoilt = mutated(dice, encrypted.encode())
    if spoilt.strip() == encrypted.encode():
        spoilt += b"A"
    return signed(encrypted), body.replace(encrypted.encode(), spoilt)


def _unsigned(dice: random.Random) -> tuple[dict[str, Any], bytes]:
    """Somebody else's Token, or parameters that are missing, doubled or nonsense."""
    encrypted = CRYPTO.encrypt(notice_xml())
    query: dict[str, Any] = signed(encrypted, STRANGER)
    for name in list(query):
        if dice.random() < 0.3:
            query[name] = dice.choice(
                ["", "0", "é" * 40, mutated(dice, query[name].encode()).decode("latin-1")]
            )
        elif dice.random() < 0.1:
            del query[name]
    return query, mutated(dice, envelope(encrypted)) if dice.random() < 0.5 else envelope(encrypted)


def _signed_garbage(dice: random.Random) -> tuple[dict[str, Any], bytes]:
    """Rightly signed, and nothing that decrypts: only who knows the Token can make this."""
    text = dice.choice(["", "QUJD", "A" * 64, "!" * 24, STRANGER.encrypt(notice_xml())])
    return signed(text), envelope(text)


def _signed_inner(dice: random.Random) -> tuple[dict[str, Any], bytes]:
    """Rightly signed and encrypted, with a message inside that is no notice of an account."""
    inner = mutated(dice, notice_xml(event=dice.choice(EVENTS))).replace(b"OpenKfId", b"0penKfId")
    encrypted = CRYPTO.encrypt(inner)
    return signed(encrypted), envelope(encrypted)


def _noise(dice: random.Random) -> tuple[dict[str, Any], bytes]:
    """Bytes that never were a callback."""
    return {"a": dice.random()}, dice.randbytes(dice.choice([0, 1, 100, 5000, 70_000]))


EVENTS = ("kf_msg_or_event", "kf_account_auth_change", "kf_something_new")
KINDS: tuple[Callable[[random.Random], tuple[dict[str, Any], bytes]], ...] = (
    _outer, _unsigned, _signed_garbage, _signed_inner, _noise,
)  # fmt: skip


def requests(seed: int, count: int) -> Iterator[Request]:
    """(method, path, query, headers, body), the same for the same seed."""
    dice = random.Random(seed)
    for _ in range(count):
        query, body = dice.choice(KINDS)(dice)
        raw = urlencode(query).encode()
        if dice.random() < 0.1:
            raw = mutated(dice, raw)
        declared = dice.choice([len(body), len(body), 0, 10**12, -1]) if dice.random() < 0.1 else len(body)
        headers = [(b"content-length", str(declared).encode()), (b"content-type", b"text/xml")]
        if dice.random() < 0.1:
            headers = [(b"transfer-encoding", b"chunked"), (b"x-" + dice.randbytes(4), dice.randbytes(40))]
        method = dice.choice(["GET", "PUT", "HEAD", "PATCH"]) if dice.random() < 0.1 else "POST"
        path = (
            PATH if dice.random() < 0.97 else dice.choice([PATH + "/", "//", "/api/v1/wecom/callback", "/x"])
        )
        yield method, path, raw, headers, body


async def answer(app: Any, request: Request) -> int:
    """The status of one request, whose body comes in one to three pieces."""
    method, path, query, headers, body = request
    cut = len(body) // 3
    pieces = [body[:cut], body[cut:]] if cut % 2 else [body]
    waiting: list[Message] = [
        {"type": "http.request", "body": piece, "more_body": number < len(pieces) - 1}
        for number, piece in enumerate(pieces)
    ]
    statuses: list[int] = []

    async def receive() -> Message:
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope: Scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http", "method": method,
        "path": path, "raw_path": path.encode(), "root_path": "", "query_string": query, "headers": headers,
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip
    await app(scope, receive, send)
    return statuses[0]


@pytest.fixture
def _quiet_logs() -> Iterator[None]:
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**before)


@pytest.mark.usefixtures("_quiet_logs")
@pytest.mark.timeout(120 + CALLBACKS // 200)
async def test_no_callback_breaks_the_gateway_or_gets_in() -> None:
    published = Published()
    app = create_app(CRYPTO, published)
    process, seen, base = psutil.Process(), Counter[int](), 0
    for number, request in enumerate(requests(SEED, CALLBACKS)):
        status = await answer(app, request)
        seen[status] += 1
        assert status in EXPECTED, f"KF_FUZZ_SEED={SEED}, request {number}: {status} for {request!r:.600}"
        assert not published.notices, f"KF_FUZZ_SEED={SEED}, request {number} was published: {request!r:.600}"
        # The loop forgets the timers of requests that were in time when it runs.
        await asyncio.sleep(0)
        if number == CALLBACKS // 5:
            gc.collect()
            base = process.memory_info().rss
    gc.collect()
    grown = process.memory_info().rss - base
    print(
        f"seed {SEED}: {CALLBACKS} callbacks, {dict(seen)}, {grown / 1024:.0f} KiB more memory since a fifth"
    )
    assert len(seen) >= 5, f"the fuzzer is too tame: {seen}"
    assert grown < GROWTH_MAX_BYTES


async def test_the_fuzzers_own_callback_gets_in_when_it_is_not_spoilt() -> None:
    published = Published()
    encrypted = CRYPTO.encrypt(notice_xml())
    query = urlencode(signed(encrypted)).encode()
    body = envelope(encrypted)
    headers = [(b"content-length", str(len(body)).encode())]
    assert await answer(create_app(CRYPTO, published), ("POST", PATH, query, headers, body)) == 200
    assert len(published.notices) == 1
