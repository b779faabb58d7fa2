"""Callbacks: encryption, verification, retries, faults of notices (sheet sections 1 and 12)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import pytest
from kf_wecom.crypto import CallbackCrypto
from kf_wecom.notice import KfNotice, extract_encrypted, parse_notice

from tests.fakes.simulator import CORP_ID, SimulatorClient, running_simulator

KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
CRYPTO = CallbackCrypto("simtoken01", KEY, CORP_ID)


class App:
    """An app's callback URL: verifies and decrypts, and answers with the scripted statuses first."""

    def __init__(self, *statuses: int, delay: float = 0) -> None:
        self.statuses = list(statuses)
        self.delay = delay
        self.notices: list[KfNotice] = []
        self.bodies: list[bytes] = []
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
        assert isinstance(notice, KfNotice)
        self.bodies.append(message)
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


async def test_each_message_brings_a_signed_encrypted_notice_with_a_usable_token(
    sim: SimulatorClient,
) -> None:
    async with listening(App()) as app:
        await connect(sim, app)
        chat = await sim.chat()
        await chat.write("一")
        await chat.write("二")
        await reaches(app, 2)
        assert {notice.open_kfid for notice in app.notices} == {chat.open_kfid}
        assert (await chat.pull(token=app.notices[0].token))["errcode"] == 0
        assert (await progress(sim, chat, "delivered"))["tries"] == 1
        body = app.bodies[0].decode()
        assert body.index("<ToUserName>") < body.index("<Token>") < body.index("<OpenKfId>")
        assert "AgentID" not in body


async def test_nodes_come_in_any_order_by_switch(sim: SimulatorClient) -> None:
    async with listening(App()) as app:
        await connect(sim, app)
        await sim.control("PATCH", "/control/switches", notice_shuffle_xml=True)
        chat = await sim.chat()
        for _ in range(12):
            await chat.write()
        await reaches(app, 12)
        orders = {tuple(part.split(">")[0] for part in body.decode().split("<")) for body in app.bodies}
        assert len(orders) > 1


async def test_a_url_that_answers_the_echo_is_verified(sim: SimulatorClient) -> None:
    assert not (await sim.control("POST", "/control/callback/verify"))["ok"]
    async with listening(App()) as app:
        await connect(sim, app)
        assert await sim.control("POST", "/control/callback/verify") == {"ok": True, "fault": ""}


async def test_a_refused_notice_is_tried_four_times_in_all(sim: SimulatorClient) -> None:
    async with listening(App(503, 503, 503, 200)) as app:
        await connect(sim, app)
        chat = await sim.chat()
        await chat.write()
        assert (await progress(sim, chat, "delivered"))["tries"] == 4
        app.statuses = [403] * 5
        await chat.write()
        notice = await progress(sim, chat, "failed")
        assert (notice["tries"], notice["fault"]) == (4, "HTTP 403")
    assert (await sim.judge())["calls"]["callback"] == {"200": 1, "403": 4, "503": 3}


async def test_an_unreachable_url_is_told_in_words(sim: SimulatorClient) -> None:
    await sim.control("PUT", "/control/callback", url="http://127.0.0.1:9/x", retry_seconds=0)
    chat = await sim.chat()
    await chat.write()
    assert "is the gateway running?" in str((await progress(sim, chat, "failed"))["fault"])


async def test_an_answer_after_five_seconds_is_late(
    sim: SimulatorClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kf_simulator.callback.ANSWER_LIMIT_SECONDS", 0.2)
    async with listening(App(delay=2)) as app:
        await connect(sim, app)
        chat = await sim.chat()
        await chat.write()
        await progress(sim, chat, "failed")
    assert (await sim.judge())["broken"]["late_callback"] == 4


async def test_notices_can_be_lost_and_doubled(sim: SimulatorClient) -> None:
    async with listening(App()) as app:
        await connect(sim, app)
        chat = await sim.chat()
        await sim.control("POST", "/control/faults", kind="notice_lost")
        await chat.write("nicht gemeldet")
        assert (await progress(sim, chat, "lost"))["fault"] == "lost on purpose"
        await chat.write("auch nicht", notify=False)
        assert (await chat.transcript())[-1]["notice"] is None
        await sim.control("POST", "/control/faults", kind="notice_doubled")
        await chat.write("doppelt")
        await reaches(app, 2)
        assert app.notices[0].token != app.notices[1].token


async def test_a_late_notice_is_overtaken(sim: SimulatorClient) -> None:
    async with listening(App()) as app:
        await connect(sim, app)
        one, other = await sim.chat(0), await sim.chat(1)
        await sim.control("POST", "/control/faults", kind="notice_late", seconds=1.0)
        await one.write()
        await other.write()
        await reaches(app, 2)
        assert [notice.open_kfid for notice in app.notices] == [other.open_kfid, one.open_kfid]


async def test_a_notice_without_news_can_be_sent(sim: SimulatorClient) -> None:
    async with listening(App()) as app:
        await connect(sim, app)
        await sim.control("POST", f"/control/callback/notices/{await sim.account()}")
        await reaches(app, 1)


async def test_the_url_comes_from_the_settings() -> None:
    async with (
        listening(App()) as app,
        running_simulator(kf_simulator_callback_url=app.url) as sim,
    ):
        await (await sim.chat()).write()
        await reaches(app, 1)
