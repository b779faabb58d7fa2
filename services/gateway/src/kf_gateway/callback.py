"""The callback URL: verify, decrypt, publish, answer; a plain ASGI endpoint without any call to WeCom."""

import asyncio
import hashlib
from urllib.parse import parse_qsl

import structlog
from kf_contracts.events import NoticeReceived
from kf_contracts.subjects import is_open_kfid
from kf_runtime import instruments
from kf_wecom.crypto import (
    CallbackCrypto,
    CallbackError,
    DecryptionError,
    MalformedNoticeError,
    ReceiveIdError,
    SignatureError,
)
from kf_wecom.notice import (
    AccountAuthChanged,
    KfNotice,
    Notice,
    UnknownEvent,
    extract_encrypted,
    parse_notice,
)
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from starlette.types import Message, Receive, Scope, Send

from kf_gateway.notices import NoticeStream, StreamUnavailableError
from kf_gateway.refusal import (
    BAD_SIGNATURE,
    BODY_TOO_LARGE,
    BODY_TOO_SLOW,
    MISSING_PARAMETERS,
    NOT_A_CALLBACK,
    UNAVAILABLE,
    UNDECRYPTABLE,
    WRONG_RECEIVER,
    Refusal,
    RefusedError,
)

log = structlog.get_logger()
tracer = trace.get_tracer("kf_gateway.callback")

BODY_MAX_BYTES = 64 * 1024
_BODY_SECONDS = 1.5
_SHOWN = 64


_REFUSALS: dict[type[CallbackError], Refusal] = {
    SignatureError: BAD_SIGNATURE,
    ReceiveIdError: WRONG_RECEIVER,
    DecryptionError: UNDECRYPTABLE,
    MalformedNoticeError: NOT_A_CALLBACK,
}


class DisconnectedError(Exception):
    """The caller hung up before the body was complete."""


class Callback:
    """The ASGI endpoint for GET (URL verification) and POST (notices)."""

    def __init__(self, crypto: CallbackCrypto, notices: NoticeStream) -> None:
        self._crypto, self._notices = crypto, notices

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request inside its SERVER span; a trace begins here, whatever the caller sends."""
        attributes = {
            "http.request.method": scope["method"],
            "http.route": scope["path"],
            "url.path": scope["path"],
            "url.scheme": scope["scheme"],
        }
        name = f"{scope['method']} {scope['path']}"
        measured = {"http.request.method": scope["method"], "http.route": scope["path"]}
        with (
            tracer.start_as_current_span(name, Context(), SpanKind.SERVER, attributes) as span,
            instruments.timed(instruments.requested, measured) as told,
        ):
            try:
                status, content_type, body = await self._answer(scope, receive, span)
            except DisconnectedError:
                return
            span.set_attribute("http.response.status_code", status)
            told["http.response.status_code"] = status
            if status >= 500:
                span.set_status(Status(StatusCode.ERROR))
            await _respond(send, status, content_type, body)

    async def _answer(self, scope: Scope, receive: Receive, span: Span) -> tuple[int, str, bytes]:
        try:
            query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
            if scope["method"] == "POST":
                return 200, "text/plain", await self._notice(query, scope, receive, span)
            return 200, "text/plain", self._echo(query)
        except CallbackError as error:
            refusal, detail = _REFUSALS[type(error)], str(error)
        except RefusedError as error:
            refusal, detail = error.refusal, ""
        span.set_attribute("kf.outcome", refusal.code)
        log.warning(
            "callback.refused", status=refusal.status, fault=refusal.code, detail=detail, mend=refusal.zh
        )
        return refusal.status, "application/json; charset=utf-8", refusal.body()

    def _echo(self, query: dict[str, str]) -> bytes:
        """The plaintext of echostr, to the byte: WeCom compares it (wecom-kf-api §1.2)."""
        # Proxies that decode the query turn the + of base64 into a space.
        plain = self._opened(query, query.get("echostr", "").replace(" ", "+"))
        log.info("callback.verified")
        return plain

    async def _notice(self, query: dict[str, str], scope: Scope, receive: Receive, span: Span) -> bytes:
        _require_signature(query)
        encrypted = extract_encrypted(await read_body(scope, receive))
        notice = parse_notice(self._opened(query, encrypted))
        digest = hashlib.sha256(encrypted.encode()).hexdigest()[:32]
        try:
            await self._accept(notice, digest, span)
        except StreamUnavailableError:
            raise RefusedError(UNAVAILABLE) from None
        return b"success"

    def _opened(self, query: dict[str, str], encrypted: str) -> bytes:
        if not encrypted:
            raise RefusedError(MISSING_PARAMETERS)
        _require_signature(query)
        self._crypto.verify(query["msg_signature"], query["timestamp"], query["nonce"], encrypted)
        return self._crypto.decrypt(encrypted)

    async def _accept(self, notice: Notice, digest: str, span: Span) -> None:
        """Act on a genuine notice; each encryption is salted, so `digest` is the same for a retry only."""
        match notice:
            case KfNotice(open_kfid, token):
                span.set_attribute("kf.open_kfid", open_kfid)
                await self._notices.publish(NoticeReceived(open_kfid=open_kfid, token=token), digest)
            case AccountAuthChanged(added, removed):
                log.info("callback.accounts_changed", added=added, removed=removed)
                for open_kfid in filter(is_open_kfid, added):
                    await self._notices.publish(NoticeReceived(open_kfid=open_kfid), f"{digest}:{open_kfid}")
            case UnknownEvent(msg_type, event):
                log.info("callback.unknown_event", msg_type=msg_type[:_SHOWN], wecom_event=event[:_SHOWN])
        span.set_attribute("kf.outcome", type(notice).__name__)


def _require_signature(query: dict[str, str]) -> None:
    if not all(query.get(name) for name in ("msg_signature", "timestamp", "nonce")):
        raise RefusedError(MISSING_PARAMETERS)


async def read_body(scope: Scope, receive: Receive) -> bytes:
    """The whole body, if it is at most 64 KiB and complete within 1.5 s; chunked uploads are counted too.

    Raises:
        RefusedError: too large (reading stops at once) or too slow.
        DisconnectedError: the caller hung up.
    """
    declared = dict(scope["headers"]).get(b"content-length", b"")
    if declared.isdigit() and int(declared[:20]) > BODY_MAX_BYTES:
        raise RefusedError(BODY_TOO_LARGE)
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            while True:
                message = await receive()
                body += _chunk(message)
                if len(body) > BODY_MAX_BYTES:
                    raise RefusedError(BODY_TOO_LARGE)
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        raise RefusedError(BODY_TOO_SLOW) from None


def _chunk(message: Message) -> bytes:
    if message["type"] == "http.disconnect":
        raise DisconnectedError
    return bytes(message.get("body", b""))


async def _respond(send: Send, status: int, content_type: str, body: bytes) -> None:
    headers = [
        (b"content-type", content_type.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]
    if status in (BODY_TOO_LARGE.status, BODY_TOO_SLOW.status):
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
