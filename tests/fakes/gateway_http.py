"""The gateway's HTTP half on a loopback port over a real nats-server, and callbacks to throw at it."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
from kf_contracts import streams
from kf_contracts.events import NoticeReceived
from kf_gateway import http
from kf_gateway.notices import NoticeStream
from kf_runtime import nats as kf_nats
from kf_wecom.crypto import CallbackCrypto
from nats.js import JetStreamContext

from tests.fakes.gateway import stored

TOKEN, AES_KEY, CORP_ID = "simtoken01", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", "ww0123456789abcdef"
CRYPTO = CallbackCrypto(TOKEN, AES_KEY, CORP_ID)
PATH = "/wecom/callback"


def notice_xml(open_kfid: str = "wk1", event: str = "kf_msg_or_event", token: str = "ENCtok1") -> bytes:
    return (
        f"<xml><ToUserName><![CDATA[{CORP_ID}]]></ToUserName><CreateTime>1700000000</CreateTime>"
        f"<MsgType><![CDATA[event]]></MsgType><Event><![CDATA[{event}]]></Event>"
        f"<Token><![CDATA[{token}]]></Token><OpenKfId><![CDATA[{open_kfid}]]></OpenKfId></xml>"
    ).encode()


def envelope(encrypted: str) -> bytes:
    to = f"<ToUserName><![CDATA[{CORP_ID}]]></ToUserName>"
    return f"<xml>{to}<Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>".encode()


def signed(encrypted: str, crypto: CallbackCrypto = CRYPTO) -> dict[str, str]:
    stamp, nonce = str(int(time.time())), "1372623149"
    return {
        "msg_signature": crypto.signature(stamp, nonce, encrypted),
        "timestamp": stamp,
        "nonce": nonce,
    }


@dataclass
class HttpGateway:
    """A running gateway without its puller, so that notices stay where they are."""

    url: str
    http: httpx.AsyncClient
    js: JetStreamContext
    notices: NoticeStream

    async def post(self, inner: bytes, crypto: CallbackCrypto = CRYPTO, path: str = PATH) -> httpx.Response:
        """A callback as WeCom makes it."""
        encrypted = crypto.encrypt(inner)
        return await self.http.post(path, params=signed(encrypted, crypto), content=envelope(encrypted))

    async def stored(self) -> list[NoticeReceived]:
        """What the stream holds."""
        return [NoticeReceived.decode(data) for data in await stored(self.js, streams.KF_NOTICE)]


@asynccontextmanager
async def http_gateway(
    nats_url: str, request_seconds: float = http.REQUEST_SECONDS
) -> AsyncIterator[HttpGateway]:
    client = await kf_nats.connect(nats_url, "test")
    js = client.jetstream()
    await kf_nats.ensure_streams(js, streams.stream_configs(1))
    notices, stop = NoticeStream(), asyncio.Event()
    notices.attach(client)
    listener = http.listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    app = http.create_app(CRYPTO, notices)
    serving = asyncio.create_task(http.serve(app, listener, stop, request_seconds))
    try:
        async with httpx.AsyncClient(base_url=url, timeout=30) as caller:
            yield HttpGateway(url, caller, js, notices)
    finally:
        stop.set()
        await serving
        await client.close()
