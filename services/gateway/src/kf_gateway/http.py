"""The gateway's HTTP side: its routes, and the server that runs them until the service stops."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from time import monotonic

import uvicorn
from fastapi import FastAPI, Response
from kf_runtime.telemetry import VERSION
from kf_wecom.crypto import CallbackCrypto
from starlette.routing import Route
from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol

from kf_gateway.callback import Callback
from kf_gateway.notices import NoticeStream

CALLBACK_PATHS = ("/wecom/callback", "/api/v1/wecom/callback")
"""The second one is the predecessor's."""
REQUEST_SECONDS = 10.0
"""Time to send a request's head: uvicorn itself waits for ever, and its limit counts such connections."""
_BACKLOG = 1024
_CONNECTIONS_MAX = 1000
_TICKS_PER_SWEEP = 5


def create_app(crypto: CallbackCrypto, notices: NoticeStream) -> FastAPI:
    """The callback on plain routes (a fourth of FastAPI's cost), and the two health checks."""
    app = FastAPI(
        title="Kefu gateway",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        # Its own spans would hold the query, one for each probe too; the callback makes the span it needs.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    callback = Callback(crypto, notices)
    app.router.routes += [Route(path, callback, methods=["GET", "POST"]) for path in CALLBACK_PATHS]

    @app.get("/health")
    async def health() -> dict[str, str]:
        """The process lives."""
        return {"status": "ok", "version": VERSION}

    @app.get("/ready")
    async def ready(response: Response) -> dict[str, str]:
        """Callbacks would be accepted: JetStream answers. WeCom's API is not asked; it may be away."""
        if await notices.is_ready():
            return {"status": "ready"}
        response.status_code = 503
        return {"status": "not ready", "reason": "NATS JetStream does not answer / NATS 未就绪"}

    return app


def listen(host: str, port: int) -> socket.socket:
    """The listening socket.

    Raises:
        OSError: the port is taken, or the address is not this machine's.
    """
    family, *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    return socket.create_server((host, port), family=family, backlog=_BACKLOG)


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers (kf_runtime.lifecycle owns those), and impatient with idlers."""

    def __init__(self, config: uvicorn.Config, request_seconds: float) -> None:
        super().__init__(config)
        self._request_seconds = request_seconds
        self._silent_since: dict[H11Protocol, float] = {}

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    @override
    async def on_tick(self, counter: int) -> bool:
        if counter % _TICKS_PER_SWEEP == 0:
            self._sweep(monotonic())
        return await super().on_tick(counter)

    def _sweep(self, now: float) -> None:
        """Close what has kept us waiting for a request for too long."""
        silent = [c for c in self.server_state.connections if isinstance(c, H11Protocol) and _is_silent(c)]
        self._silent_since = {c: self._silent_since.get(c, now) for c in silent}
        for connection, since in self._silent_since.items():
            if now >= since + self._request_seconds:
                connection.transport.abort()


def _is_silent(connection: H11Protocol) -> bool:
    """Whether neither a request is being answered nor uvicorn's own keep-alive timer is running."""
    answered = connection.cycle is None or connection.cycle.response_complete
    return answered and connection.timeout_keep_alive_task is None


async def serve(
    app: FastAPI, listener: socket.socket, stop: asyncio.Event, request_seconds: float = REQUEST_SECONDS
) -> None:
    """Answer requests until `stop`, then finish those under way."""
    config = uvicorn.Config(
        app,
        http=H11Protocol,
        log_config=None,
        access_log=False,
        server_header=False,
        # The callback needs no client address, and a forged header must not give it one.
        proxy_headers=False,
        lifespan="off",
        ws="none",
        limit_concurrency=_CONNECTIONS_MAX,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=5,
    )
    server = _Server(config, request_seconds)
    serving = asyncio.create_task(server.serve([listener]))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        server.should_exit = True
        await serving
