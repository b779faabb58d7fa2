"""One HTTP exchange with WeCom: what goes on the wire, how the answer is judged, and the span about it.

No retries, no trace headers, no `debug=1`. The query, which carries token and secret as WeCom demands, is
added below httpx's logging and is on no span.
"""

import asyncio
import json
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from types import TracebackType
from typing import Any, Self

import httpx
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from kf_wecom import metrics
from kf_wecom.errors import AmbiguousError, ApiError, NotSentError, TransportError

_QUERY = "kf_wecom.query"
_MAX_REPLY_BYTES = 64 * 1024 * 1024
_PER_STEP = httpx.Timeout(connect=5, read=15, write=15, pool=5)
_NOT_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_STRUCTURE = frozenset({"msgtype", "type"})

_tracer = trace.get_tracer("kf_wecom")


@dataclass(frozen=True, slots=True)
class Call:
    """One request; `timeout_seconds` bounds the whole exchange, whatever trickles in."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    files: Mapping[str, tuple[str, bytes, str]] | None = field(default=None, repr=False)
    timeout_seconds: float = 20.0


@dataclass(frozen=True, slots=True)
class Reply:
    """A raw answer."""

    status: int
    headers: httpx.Headers = field(repr=False)
    content: bytes = field(repr=False)


class Transport:
    """The connections to one WeCom API host; `base_url` such as https://qyapi.weixin.qq.com."""

    def __init__(self, base_url: str, *, max_connections: int = 20) -> None:
        self._url = httpx.URL(base_url)
        limits = httpx.Limits(max_connections=max_connections, max_keepalive_connections=max_connections)
        inner = httpx.AsyncHTTPTransport(limits=limits, proxy=_proxy_for(self._url))
        self._http = httpx.AsyncClient(
            base_url=base_url, transport=_QueryTransport(inner), timeout=_PER_STEP, follow_redirects=False
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def call(self, call: Call) -> dict[str, Any]:
        """The JSON object of a success.

        Raises:
            ApiError: an errcode other than 0.
            NotSentError, AmbiguousError: no answer that can be judged.
        """
        with self._span(call) as span:
            return _judge(call, await self._exchange(call, span))

    async def download(self, call: Call) -> Reply:
        """The binary of a success; errors as in `call`, since WeCom answers those in JSON."""
        with self._span(call) as span:
            reply = await self._exchange(call, span)
            if reply.status != httpx.codes.OK or _is_json_answer(reply):
                _judge(call, reply)
            return reply

    async def _exchange(self, call: Call, span: Span) -> Reply:
        request = self._http.build_request(
            call.method,
            call.path,
            content=None if call.body is None else _encode(call.body),
            files=call.files,
            headers=None if call.body is None else {"content-type": "application/json; charset=utf-8"},
            extensions={_QUERY: dict(call.query)},
        )
        try:
            async with asyncio.timeout(call.timeout_seconds):
                reply = await self._send(request, call)
        except _NOT_SENT as error:
            raise NotSentError(call.path, _reason(error)) from None
        except (httpx.HTTPError, TimeoutError) as error:
            # Not chained: httpx's errors hold the request, which holds the message.
            raise AmbiguousError(call.path, _reason(error)) from None
        span.set_attribute("http.response.status_code", reply.status)
        return reply

    async def _send(self, request: httpx.Request, call: Call) -> Reply:
        response = await self._http.send(request, stream=True)
        try:
            content = bytearray()
            async for chunk in response.aiter_bytes():
                content += chunk
                if len(content) > _MAX_REPLY_BYTES:
                    raise AmbiguousError(call.path, "reply_too_large")
        finally:
            await response.aclose()
        return Reply(response.status_code, response.headers, bytes(content))

    @contextmanager
    def _span(self, call: Call) -> Iterator[Span]:
        attributes: dict[str, str | int] = {
            "http.request.method": call.method,
            "url.template": call.path,
            "server.address": self._url.host,
            "server.port": self._url.port or (443 if self._url.scheme == "https" else 80),
        }
        with _tracer.start_as_current_span(
            f"{call.method} {call.path}",
            kind=SpanKind.CLIENT,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            began = perf_counter()
            outcome: int | str = 0
            try:
                yield span
            except ApiError as error:
                outcome = error.code
                span.set_attribute("kf.wecom.errcode", error.code)
                _mark_failed(span, str(error.code))
                raise
            except TransportError as error:
                outcome = error.reason
                _mark_failed(span, error.reason)
                raise
            else:
                span.set_attribute("kf.wecom.errcode", 0)
            finally:
                metrics.called(call.path, call.method, perf_counter() - began, outcome)


class _QueryTransport(httpx.AsyncBaseTransport):
    """Adds the query just before the wire, so that no log line or exception of httpx's has ever seen it."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._inner.handle_async_request(
            httpx.Request(
                request.method,
                request.url.copy_merge_params(request.extensions[_QUERY]),
                headers=request.headers,
                stream=request.stream,
                extensions=request.extensions,
            )
        )

    async def aclose(self) -> None:
        await self._inner.aclose()


def _judge(call: Call, reply: Reply) -> dict[str, Any]:
    """The answer's object, by its errcode first and its HTTP status second; a missing errcode is 0."""
    answer = _decode(reply.content)
    code = _errcode(answer)
    if code:
        errmsg = answer.get("errmsg") if answer else ""
        raise ApiError(call.path, code, str(errmsg), private=_private_values(call))
    if reply.status != httpx.codes.OK:
        raise AmbiguousError(call.path, f"http_{reply.status}")
    if answer is None or code is None:
        raise AmbiguousError(call.path, "malformed_reply")
    return answer


def _errcode(answer: dict[str, Any] | None) -> int | None:
    try:
        return int((answer or {}).get("errcode", 0))
    except (TypeError, ValueError):
        return None


def _decode(content: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(content.decode("utf-8", "replace"))
    except ValueError:
        return None
    if b"\\ud" in content.lower():
        answer = _without_lone_surrogates(answer)
    return answer if isinstance(answer, dict) else None


def _without_lone_surrogates(value: Any) -> Any:
    """Half an emoji cannot be encoded again, and one such message would block its account's pull for ever."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_without_lone_surrogates(element) for element in value]
    if isinstance(value, dict):
        return {_without_lone_surrogates(k): _without_lone_surrogates(v) for k, v in value.items()}
    return value


def _encode(body: Mapping[str, Any]) -> bytes:
    # 40033 refuses \uxxxx escapes, so the characters go out as they are.
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _is_json_answer(reply: Reply) -> bool:
    """Whether a download is WeCom's error rather than a file; the content type is not always right."""
    return "content-disposition" not in reply.headers and _decode(reply.content) is not None


def _private_values(call: Call) -> Iterator[str]:
    yield from call.query.values()
    yield from _leaves(call.body)


def _leaves(value: Any, name: str = "") -> Iterator[str]:
    if isinstance(value, str) and name not in _STRUCTURE:
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, key)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _leaves(inner)


def _reason(error: Exception) -> str:
    """A constant from the class name: ConnectTimeout -> connect_timeout."""
    name = type(error).__name__
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


def _mark_failed(span: Span, error_type: str) -> None:
    span.set_attribute("error.type", error_type)
    span.set_status(Status(StatusCode.ERROR))


def _proxy_for(url: httpx.URL) -> str | None:
    """The environment's proxy for this host; httpx would ignore it because we bring our own transport.

    Never for loopback, where the simulator runs and no proxy can reach it.
    """
    if url.host in _LOOPBACK or urllib.request.proxy_bypass(url.host):
        return None
    return urllib.request.getproxies().get(url.scheme)
