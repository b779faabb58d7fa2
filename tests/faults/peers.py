"""Peers that are wrong in one way: silent, refusing, answering for somebody else, with a bad certificate."""

import asyncio
import datetime as dt
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from kf_cli.embedded import free_port
from starlette.requests import Request
from starlette.responses import Response

Answer = Callable[[Request], Awaitable[Response]]


@asynccontextmanager
async def http_peer(answer: Answer, certificate: tuple[Path, Path] | None = None) -> AsyncIterator[str]:
    """An HTTP server that answers everything by one function; yields its base URL."""

    async def app(scope: dict[str, object], receive: object, send: object) -> None:
        if scope["type"] == "http":
            request = Request(scope, receive)  # type: ignore[arg-type]
            await (await answer(request))(scope, receive, send)  # type: ignore[arg-type]

    port = free_port()
    options = {"ssl_certfile": certificate[0], "ssl_keyfile": certificate[1]} if certificate else {}
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=port,
        log_config=None,
        lifespan="off",
        date_header=False,
        server_header=False,
        timeout_graceful_shutdown=1,
        **options,  # type: ignore[arg-type]
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    serving = asyncio.create_task(server._serve())
    async with asyncio.timeout(20):
        while not server.started:
            await asyncio.sleep(0.01)
    try:
        yield f"{'https' if certificate else 'http'}://127.0.0.1:{port}"
    finally:
        server.should_exit = server.force_exit = True
        await serving


def always(status: int, body: str = "", **headers: str) -> Answer:
    """The same answer to every request."""

    async def answer(_: Request) -> Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return Response(body, status, headers=named)

    return answer


def through(base: str, changed: Callable[[httpx.Response], Response], *, query: bool = True) -> Answer:
    """A reverse proxy to `base` whose answers are `changed`; without `query` it drops the query."""

    async def answer(request: Request) -> Response:
        target = f"{base}{request.url.path}" + (f"?{request.url.query}" if query else "")
        async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
            kind = {"content-type": request.headers.get("content-type", "application/json")}
            reply = await client.request(request.method, target, content=await request.body(), headers=kind)
        return changed(reply)

    return answer


def as_it_came(reply: httpx.Response) -> Response:
    """Pass an answer on."""
    return Response(reply.content, reply.status_code, media_type=reply.headers.get("content-type"))


@contextmanager
def silent_peer() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    listener = socket.create_server(("127.0.0.1", 0))
    # The kernel takes connections up to the backlog; nobody ever reads from them.
    with listener:
        yield listener.getsockname()[1]


def certificate(folder: Path, *, name: str = "127.0.0.1", days: int = 30) -> tuple[Path, Path]:
    """A self-signed certificate and its key; `days` until it expires, negative for one that has."""
    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    is_address = name.replace(".", "").isdigit()
    who = x509.IPAddress(ipaddress.ip_address(name)) if is_address else x509.DNSName(name)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=60))
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([who]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / f"{name}{days}.pem", folder / f"{name}{days}.key"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths


def trusting(path: Path) -> ssl.SSLContext:
    """A context that trusts one certificate more."""
    return ssl.create_default_context(cafile=str(path))
