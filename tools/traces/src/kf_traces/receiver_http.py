"""OTLP over HTTP with protobuf bodies: traces are stored, metrics kept as they stand, logs dropped."""

import zlib

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from kf_traces.metrics import Board
from kf_traces.otlp import MalformedExportError, parse_export
from kf_traces.writer import OverloadedError, StoreFailedError, Writer

MAX_BODY_BYTES = 16 * 1024 * 1024
_PROTOBUF = "application/x-protobuf"


def build_otlp_app(writer: Writer, board: Board) -> Starlette:
    """The ASGI application of the OTLP/HTTP port."""

    async def export_traces(request: Request) -> Response:
        _require_protobuf(request)
        body = _decompress(await _body(request), request.headers.get("content-encoding", "identity"))
        try:
            export = parse_export(body)
            await writer.submit(export.spans)
        except MalformedExportError as error:
            raise HTTPException(400, str(error)) from error
        except (OverloadedError, StoreFailedError) as error:
            raise HTTPException(503, str(error), headers={"Retry-After": "1"}) from error
        return Response(export.response().SerializeToString(), media_type=_PROTOBUF)

    async def keep_metrics(request: Request) -> Response:
        _require_protobuf(request)
        body = _decompress(await _body(request), request.headers.get("content-encoding", "identity"))
        try:
            board.take(body)
        except MalformedExportError as error:
            raise HTTPException(400, str(error)) from error
        return Response(media_type=_PROTOBUF)

    return Starlette(
        routes=[
            Route("/v1/traces", export_traces, methods=["POST"]),
            Route("/v1/metrics", keep_metrics, methods=["POST"]),
            Route("/v1/logs", _drop, methods=["POST"]),
            Route("/health", lambda _: PlainTextResponse("ok\n")),
        ]
    )


async def _drop(request: Request) -> Response:
    _require_protobuf(request)
    await _body(request)
    return Response(media_type=_PROTOBUF)


def _require_protobuf(request: Request) -> None:
    # This type also keeps web pages out: a browser asks for permission first and gets none.
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _PROTOBUF:
        raise HTTPException(415, f"send OTLP in protobuf encoding, Content-Type: {_PROTOBUF}")


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise HTTPException(413, f"one export is at most {MAX_BODY_BYTES} bytes")
    return bytes(body)


def _decompress(body: bytes, encoding: str) -> bytes:
    if encoding == "identity":
        return body
    if encoding not in ("gzip", "deflate"):
        raise HTTPException(415, f"Content-Encoding {encoding!r} is not supported; use gzip, deflate or none")
    # 47: zlib looks at the header and takes either format.
    inflater = zlib.decompressobj(wbits=47)
    try:
        plain = inflater.decompress(body, MAX_BODY_BYTES + 1)
    except zlib.error as error:
        raise HTTPException(400, f"the body is not {encoding}") from error
    if len(plain) > MAX_BODY_BYTES:
        raise HTTPException(413, f"one export is at most {MAX_BODY_BYTES} bytes when unpacked")
    if not inflater.eof:
        raise HTTPException(400, f"the {encoding} body is cut short")
    return plain
