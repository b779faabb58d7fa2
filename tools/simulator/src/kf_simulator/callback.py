"""One POST or GET to the app's callback URL, signed and encrypted, with WeCom's limit of 5 s (section 1)."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from kf_wecom.crypto import CallbackCrypto

from kf_simulator.clock import Clock
from kf_simulator.judge import Judge, Rule
from kf_simulator.records import Json

ANSWER_LIMIT_SECONDS = 5.0
NO_URL = "no callback URL is set (KF_SIMULATOR_CALLBACK_URL)"
_CONNECTIONS = 24


class Callback:
    """The app's callback URL as WeCom calls it."""

    def __init__(self, crypto: CallbackCrypto, corp_id: str, clock: Clock, judge: Judge) -> None:
        self.url = ""
        self._crypto = crypto
        self._corp_id = corp_id
        self._clock = clock
        self._judge = judge
        # A pool looks at all of its connections for each call: one client for each connection is cheaper,
        # and the one that was used last is the one to use next.
        self._idle: asyncio.LifoQueue[httpx.AsyncClient] = asyncio.LifoQueue()
        certificates = httpx.create_ssl_context()
        for _ in range(_CONNECTIONS):
            client = httpx.AsyncClient(timeout=ANSWER_LIMIT_SECONDS, trust_env=False, verify=certificates)
            self._idle.put_nowait(client)

    def encrypt(self, xml: str) -> str:
        """The Encrypt node's text."""
        return self._crypto.encrypt(xml.encode())

    def signed(self, encrypted: str) -> dict[str, str]:
        """The query of a call: msg_signature, timestamp, nonce."""
        timestamp, nonce = str(int(self._clock.now())), str(secrets.randbelow(10**10))
        signature = self._crypto.signature(timestamp, nonce, encrypted)
        return {"msg_signature": signature, "timestamp": timestamp, "nonce": nonce}

    async def post(self, encrypted: str, query: dict[str, str]) -> str:
        """Post once; what went wrong, or ""."""
        body = (
            f"<xml><ToUserName><![CDATA[{self._corp_id}]]></ToUserName>"
            f"<Encrypt><![CDATA[{encrypted}]]></Encrypt><AgentID><![CDATA[]]></AgentID></xml>"
        )
        headers = {"content-type": "text/xml"}
        async with self._connection() as client:
            began = time.monotonic()
            try:
                async with asyncio.timeout(ANSWER_LIMIT_SECONDS):
                    reply = await client.post(self.url, params=query, content=body.encode(), headers=headers)
            except (TimeoutError, httpx.HTTPError) as error:
                return self._failed(error, time.monotonic() - began)
        self._judge.called("callback", reply.status_code)
        return "" if reply.status_code == 200 else f"HTTP {reply.status_code}"

    async def verify(self) -> Json:
        """The GET check of the admin page: the URL must answer the decrypted echo alone, within 5 s."""
        if not self.url:
            return {"ok": False, "fault": NO_URL}
        echo = str(secrets.randbelow(10**19)).zfill(19)
        encrypted = self._crypto.encrypt(echo.encode())
        try:
            async with asyncio.timeout(ANSWER_LIMIT_SECONDS), self._connection() as client:
                query = self.signed(encrypted) | {"echostr": encrypted}
                reply = await client.get(self.url, params=query)
        except (TimeoutError, httpx.HTTPError) as error:
            return {"ok": False, "fault": _describe(error)}
        if reply.status_code != 200:
            return {"ok": False, "fault": f"HTTP {reply.status_code}"}
        right = reply.content == echo.encode()
        return {"ok": right, "fault": "" if right else "the answer is not the decrypted echostr alone"}

    async def close(self) -> None:
        """Close the connections."""
        while not self._idle.empty():
            await self._idle.get_nowait().aclose()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[httpx.AsyncClient]:
        client = await self._idle.get()
        try:
            yield client
        finally:
            self._idle.put_nowait(client)

    def _failed(self, error: Exception, seconds: float) -> str:
        if isinstance(error, TimeoutError):
            self._judge.broke(Rule.LATE_CALLBACK, seconds=round(seconds, 1))
        self._judge.called("callback", 0)
        return _describe(error)


def _describe(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {ANSWER_LIMIT_SECONDS:.0f} s"
    if isinstance(error, httpx.ConnectError):
        return "the callback URL cannot be reached: is the gateway running?"
    return type(error).__name__
