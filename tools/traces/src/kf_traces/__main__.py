"""The dashboard's composition root: settings, store, writer, receivers, page; runs until SIGTERM."""

import asyncio
import contextlib
import ipaddress
import logging
import signal
import socket
import sys
from collections.abc import Iterator

import grpc.aio
import uvicorn
from starlette.applications import Starlette

from kf_traces.api import build_page_app
from kf_traces.metrics import Board
from kf_traces.receiver_grpc import build_grpc_server
from kf_traces.receiver_http import build_otlp_app
from kf_traces.settings import Settings, load_settings
from kf_traces.store import Store
from kf_traces.writer import Writer

_GRACE_SECONDS = 3


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals to this process: two of them run here beside gRPC."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class PortTakenError(Exception):
    """A port could not be bound; the text says which setting to change."""


async def main(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then write what was received."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    page_socket = _bind(settings.host, settings.port, "KF_TRACES_PORT")
    otlp_socket = _bind(settings.host, settings.otlp_http_port, "KF_TRACES_OTLP_HTTP_PORT")
    with contextlib.closing(Store(settings.data_dir / "traces.db", settings.max_mb * 1024 * 1024)) as store:
        writer, board = Writer(store), Board()
        writing = asyncio.create_task(writer.run())
        grpc_server = build_grpc_server(writer, board)
        grpc_port = _bind_grpc(grpc_server, settings)
        await grpc_server.start()
        page = _http_server(build_page_app(store, writer, board, allowed_hosts(settings.host)))
        otlp = _http_server(build_otlp_app(writer, board))
        serving = [
            asyncio.create_task(page.serve(sockets=[page_socket])),
            asyncio.create_task(otlp.serve(sockets=[otlp_socket])),
        ]
        _announce(settings.host, page_socket.getsockname()[1], grpc_port, otlp_socket.getsockname()[1])
        await stop.wait()
        page.should_exit = otlp.should_exit = True
        await grpc_server.stop(_GRACE_SECONDS)
        await asyncio.gather(*serving)
        writer.close()
        await writing


def allowed_hosts(host: str) -> list[str]:
    """Host headers to accept: names of this machine on loopback, any once the operator opened the port."""
    try:
        is_local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_local = host == "localhost"
    return ["localhost", "127.0.0.1", host] if is_local else ["*"]


def _bind(host: str, port: int, setting: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        raise PortTakenError(f"{setting}={port}: cannot listen on {host}: {error.strerror}") from error


def _bind_grpc(server: grpc.aio.Server, settings: Settings) -> int:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    try:
        return server.add_insecure_port(f"{host}:{settings.otlp_grpc_port}")
    except RuntimeError as error:
        raise PortTakenError(
            f"KF_TRACES_OTLP_GRPC_PORT={settings.otlp_grpc_port}: cannot listen on {settings.host}: "
            "the address is probably in use"
        ) from error


def _http_server(app: Starlette) -> _Server:
    return _Server(
        uvicorn.Config(
            app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=_GRACE_SECONDS
        )
    )


def _announce(host: str, page: int, grpc_port: int, http_port: int) -> None:
    shown = f"[{host}]" if ":" in host else host
    print(
        f"kf_traces ready page=http://{shown}:{page} otlp_grpc=http://{shown}:{grpc_port} "
        f"otlp_http=http://{shown}:{http_port}",
        flush=True,
    )


def run() -> None:
    """Entry of `python -m kf_traces`; exits 2 for a bad setting, 1 for a taken port, 0 after SIGTERM."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s", stream=sys.stderr)
    try:
        asyncio.run(main(load_settings()))
    except PortTakenError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    run()
