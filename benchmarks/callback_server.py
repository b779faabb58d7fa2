"""The servers that `benchmarks.callbacks` compares: `python -m benchmarks.callback_server NAME PORT`.

kefu is the gateway's own HTTP half without its puller, so that only receiving is measured; whether it traces
is up to the environment. The others run on the same server with the same settings.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from fastapi import FastAPI, Request, Response
from kf_contracts import streams
from kf_gateway import http
from kf_gateway.notices import NoticeStream
from kf_runtime import lifecycle, logging, telemetry
from kf_runtime import nats as kf_nats
from kf_wecom.crypto import CallbackCrypto
from wechatpy.enterprise.crypto import WeChatCrypto

from benchmarks.crypto import CORP, KEY, TOKEN

Scope = dict[str, Any]


async def echo(scope: Scope, receive: Any, send: Any) -> None:
    """Reads the body and answers `success`: what the server itself costs."""
    while (await receive()).get("more_body", False):
        pass
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"7")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"success"})


def in_memory() -> FastAPI:
    """What most bots do: FastAPI and wechatpy, the notice goes into a queue of the process."""
    app = FastAPI(openapi_url=None)
    crypto = WeChatCrypto(TOKEN, KEY, CORP)
    queue: asyncio.Queue[str] = asyncio.Queue()

    @app.post("/wecom/callback")
    async def callback(request: Request, msg_signature: str, timestamp: str, nonce: str) -> Response:
        body = (await request.body()).decode()
        queue.put_nowait(crypto.decrypt_message(body, msg_signature, timestamp, nonce))
        queue.get_nowait()
        return Response("success", media_type="text/plain")

    return app


async def serve(name: str, port: int) -> None:
    """Run one of them until SIGTERM."""
    stop = lifecycle.stop_on_signals()
    provider = telemetry.setup("gateway")
    listener = http.listen("127.0.0.1", port)
    if name == "kefu":
        client = await kf_nats.connect(os.environ["NATS_URL"], "benchmark")
        await kf_nats.ensure_streams(client.jetstream(), streams.stream_configs(1))
        notices = NoticeStream()
        notices.attach(client)
        app: Any = http.create_app(CallbackCrypto(TOKEN, KEY, CORP), notices)
        await http.serve(app, listener, stop)
        await client.close()
    else:
        await http.serve(in_memory() if name == "in-memory" else echo, listener, stop)  # type: ignore[arg-type]
    provider.shutdown()


if __name__ == "__main__":
    logging.setup("gateway")
    asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
