"""An app's callback URL for tests of the simulator: it verifies, decrypts and answers as scripted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

from kf_wecom.crypto import CallbackCrypto
from kf_wecom.notice import Notice, extract_encrypted, parse_notice

from tests.fakes.simulator import CORP_ID, SimulatorClient

KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
CRYPTO = CallbackCrypto("simtoken01", KEY, CORP_ID)


class App:
    """An app's callback URL: verifies and decrypts, and answers with the scripted statuses first."""

    def __init__(self, *statuses: int, delay: float = 0) -> None:
        self.statuses = list(statuses)
        self.delay = delay
        self.notices: list[Notice] = []
        self.bodies: list[bytes] = []
        self.nonces: list[str] = []
        self.arrived = asyncio.Event()
        self.url = ""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                length = int(head.lower().partition("content-length:")[2].partition("\r\n")[0] or 0)
                status, answer = await self.answer(head, await reader.readexactly(length))
                reply = f"HTTP/1.1 {status} x\r\ncontent-length: {len(answer)}\r\n\r\n".encode() + answer
                writer.write(reply)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def answer(self, head: str, body: bytes) -> tuple[int, bytes]:
        method, target, _ = head.split("\r\n")[0].split(" ")
        query = {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}
        encrypted = query["echostr"] if method == "GET" else extract_encrypted(body)
        CRYPTO.verify(query["msg_signature"], query["timestamp"], query["nonce"], encrypted)
        message = CRYPTO.decrypt(encrypted)
        if method == "GET":
            return 200, message
        notice = parse_notice(message)
        self.bodies.append(message)
        self.nonces.append(query["nonce"])
        self.notices.append(notice)
        self.arrived.set()
        await asyncio.sleep(self.delay)
        return (self.statuses.pop(0) if self.statuses else 200), b"success"


@asynccontextmanager
async def listening(app: App) -> AsyncIterator[App]:
    server = await asyncio.start_server(app.handle, "127.0.0.1", 0)
    app.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/wecom/callback"
    try:
        yield app
    finally:
        server.close()


async def connect(sim: SimulatorClient, app: App) -> None:
    await sim.control("PUT", "/control/callback", url=app.url, retry_seconds=0.01)


async def reaches(app: App, count: int) -> None:
    async with asyncio.timeout(30):
        while len(app.notices) < count:
            app.arrived.clear()
            await app.arrived.wait()


async def progress(sim: SimulatorClient, chat: object, wanted: str) -> dict[str, object]:
    async with asyncio.timeout(30):
        while True:
            notice = (await chat.transcript())[-1]["notice"]  # type: ignore[attr-defined]
            if notice["progress"] == wanted:
                return dict(notice)
            await asyncio.sleep(0.02)
