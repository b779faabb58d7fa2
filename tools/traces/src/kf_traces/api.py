"""The page's port: the JSON API over the store, and the static files of the page."""

import json
import sqlite3
from asyncio import to_thread
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from kf_traces.metrics import Board
from kf_traces.remedy import ERRCODE_KEYS, explain
from kf_traces.search import MAX_TIME_NS, TraceFilter
from kf_traces.store import Store
from kf_traces.writer import Writer

MAX_LIMIT = 10_000
MAX_TEXT_CHARS = 500
_STATIC = Path(str(files("kf_traces") / "static"))
_CONTENT_POLICY = "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'"
_SPAN_COLUMNS = (
    *("trace_id", "span_id", "parent_span_id", "name", "service", "kind"),
    *("start_ns", "end_ns", "status", "status_message", "scope"),
)


class Api:
    """The handlers; every read runs on a thread of its own."""

    def __init__(self, store: Store, writer: Writer, board: Board) -> None:
        self._store, self._board = store, board
        self._writer = writer

    async def list_traces(self, request: Request) -> Response:
        """Summaries, newest first; `next` is the value of `before` for the page after this one."""
        await self._writer.fresh()
        revision = f'"{self._writer.revision}"'
        if request.headers.get("if-none-match") == revision:
            return Response(status_code=304)
        wanted = read_filter(request)
        rows = await to_thread(self._store.list_traces, wanted)
        following = str(rows[-1]["start_ns"]) if len(rows) == wanted.limit else None
        body = {"next": following, "errcodes": _explained(rows)}
        # The rows are JSON already: parsing them would take longer than all the rest.
        whole = f'{{"traces":{_joined(rows)},{json.dumps(body, ensure_ascii=False)[1:]}'
        headers = {"ETag": revision, "Cache-Control": "no-cache"}
        return Response(whole, media_type="application/json", headers=headers)

    async def get_trace(self, request: Request) -> Response:
        """Every span of one trace, and the summaries of the traces linked with it."""
        trace_id = request.path_params["trace_id"].lower()
        spans = await to_thread(self._store.trace_spans, trace_id)
        if not spans:
            raise HTTPException(404, f"no trace {trace_id} here; it may have been dropped to make room")
        related = await to_thread(self._store.related_traces, trace_id)
        body = {
            "trace_id": trace_id,
            "spans": [_span(row) for row in spans],
            "related": json.loads(_joined(related)),
            "errcodes": explain(code for row in spans for code in _errcodes(json.loads(row["attributes"]))),
        }
        return JSONResponse(body, headers={"Cache-Control": "no-cache"})

    async def find_spans(self, request: Request) -> Response:
        """Spans by one attribute, for tests and tools."""
        query = request.query_params
        if not query.get("attribute") or "value" not in query:
            raise HTTPException(400, "give attribute=<key> and value=<text>")
        rows = await to_thread(
            self._store.spans_with,
            query["attribute"],
            query["value"],
            _number(request, "limit", 100, MAX_LIMIT),
        )
        return JSONResponse({"spans": [_span(row) for row in rows]})

    async def list_services(self, request: Request) -> Response:
        """Names of the services seen, with the number of traces of each."""
        rows = await to_thread(self._store.services)
        return JSONResponse({"services": [dict(row) for row in rows]})

    async def list_accounts(self, request: Request) -> Response:
        """The KF accounts seen, with the number of traces of each."""
        rows = await to_thread(self._store.accounts)
        return JSONResponse({"accounts": [dict(row) for row in rows]})

    async def list_metrics(self, request: Request) -> Response:
        """The newest value of every metric, with the traces of its exemplars."""
        return JSONResponse({"metrics": self._board.points()})

    async def delete_traces(self, request: Request) -> Response:
        """Forget everything."""
        await self._writer.clear()
        return Response(status_code=204)

    async def health(self, request: Request) -> Response:
        """That the process answers, and how full the ring is."""
        traces, spans, used = await to_thread(self._store.totals)
        return JSONResponse(
            {
                "status": "ok",
                "traces": traces,
                "spans": spans,
                "used_bytes": used,
                "max_bytes": self._store.max_bytes,
            }
        )


def read_filter(request: Request) -> TraceFilter:
    """The filter in the query string; raises HTTPException 400 that names the faulty parameter."""
    query = request.query_params
    status = query.get("status") or None
    if status not in (None, "ok", "error"):
        raise HTTPException(400, "status is error or ok")
    return TraceFilter(
        text=query.get("q", "")[:MAX_TEXT_CHARS],
        service=query.get("service") or None,
        account=query.get("account") or None,
        unanswered=query.get("unanswered") == "1",
        status=status,
        min_ns=_number(request, "min_ms", 0, 10**9) * 1_000_000,
        before=_number(request, "before", MAX_TIME_NS, MAX_TIME_NS),
        limit=max(1, _number(request, "limit", 100, MAX_LIMIT)),
    )


def _number(request: Request, name: str, default: int, most: int) -> int:
    text = request.query_params.get(name) or str(default)
    # isdecimal alone lets other scripts' digits and very long numbers pass.
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise HTTPException(400, f"{name} is a whole number, not {text[:40]!r}")
    return min(int(text), most)


def _joined(rows: Sequence[sqlite3.Row]) -> str:
    return f"[{','.join([row['row'] for row in rows])}]"


def _explained(rows: Sequence[sqlite3.Row]) -> dict[str, Any]:
    found = {row["errcodes"] for row in rows if row["errcodes"] != "[]"}
    return explain(code for codes in found for code in json.loads(codes))


def _errcodes(attributes: dict[str, Any]) -> list[Any]:
    return [attributes[key] for key in ERRCODE_KEYS if key in attributes]


def _span(row: sqlite3.Row) -> dict[str, Any]:
    return {
        **{column: row[column] for column in _SPAN_COLUMNS},
        "duration_ms": (row["end_ns"] - row["start_ns"]) / 1e6,
        "resource": json.loads(row["resource_attributes"]),
        "attributes": json.loads(row["attributes"]),
        "events": json.loads(row["events"]),
        "links": json.loads(row["links"]),
    }


class _FreshFiles(StaticFiles):
    """Files a browser asks about each time, so that modules of two versions never meet."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        return response


async def _page(request: Request) -> Response:
    return FileResponse(
        _STATIC / "index.html",
        headers={
            "Content-Security-Policy": _CONTENT_POLICY,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-cache",
        },
    )


async def _error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return JSONResponse({"error": getattr(error, "detail", "internal error")}, status)


def build_page_app(store: Store, writer: Writer, board: Board, allowed_hosts: list[str]) -> Starlette:
    """The ASGI application of the page's port; other Host headers than allowed_hosts are refused."""
    api = Api(store, writer, board)
    return Starlette(
        routes=[
            Route("/", _page),
            Route("/trace/{trace_id}", _page),
            Route("/api/traces", api.list_traces, methods=["GET"]),
            Route("/api/traces", api.delete_traces, methods=["DELETE"]),
            Route("/api/traces/{trace_id}", api.get_trace),
            Route("/api/spans", api.find_spans),
            Route("/api/services", api.list_services),
            Route("/api/accounts", api.list_accounts),
            Route("/api/metrics", api.list_metrics),
            Route("/health", api.health),
            Mount("/static", _FreshFiles(directory=_STATIC)),
        ],
        # Against DNS rebinding: a foreign page must not read a loopback dashboard through its own name.
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=allowed_hosts)],
        exception_handlers={HTTPException: _error},
    )
