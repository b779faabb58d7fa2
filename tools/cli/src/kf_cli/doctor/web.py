"""HTTP clients of the doctor; the trusted certificates are read once, for that takes time."""

import ssl
from functools import cache
from urllib.parse import urlsplit

import httpx

NO_PROXY = (("grpc.enable_http_proxy", 0),)
"""For gRPC, which would go through http_proxy even to this machine; the services are never behind one."""
LOOPBACK = ("localhost", "127.0.0.1", "::1")


@cache
def _trusted() -> ssl.SSLContext:
    # What the services trust too: the bundle, or SSL_CERT_FILE.
    return httpx.create_ssl_context()


@cache
def _trusting_nobody() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def client(
    url: str, seconds: float, *, proxy: str | None = None, environment: bool = False
) -> httpx.AsyncClient:
    """A client for this URL; `environment`: with the proxy that is set there, never for loopback."""
    parts = urlsplit(url)
    context = _trusted() if parts.scheme == "https" or proxy else _trusting_nobody()
    trust_env = environment and parts.hostname not in LOOPBACK
    return httpx.AsyncClient(timeout=seconds, verify=context, proxy=proxy, trust_env=trust_env)
