"""Traces on the command line: found by id, drawn as a waterfall, reduced to parent → child edges."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from kf_cli.logview import padded, plain

ATTRIBUTES = ("kf.msgid", "kf.turn_id", "kf.command_id", "messaging.message.id")
"""What an id may be besides a trace id, in the order they are tried."""

_SECONDS = 10.0
_BAR_CELLS = 32
_TRACE_ID_LENGTH = 32
_SHOWN_ATTRIBUTES = ("kf.outcome", "kf.errcode", "http.response.status_code", "rpc.response.status_code")


class TraceError(Exception):
    """There is no such trace, or the dashboard does not answer."""


@dataclass(frozen=True)
class Span:
    """One finished span; times in Unix nanoseconds, `links` as (trace id, span id)."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    service: str
    kind: str
    start_ns: int
    end_ns: int
    failed: bool
    attributes: dict[str, Any]
    links: tuple[tuple[str, str], ...]

    @property
    def label(self) -> str:
        """Service and name, as edges are told by: `kf-dialog turn`."""
        return f"{self.service} {self.name}"

    @property
    def is_sql(self) -> bool:
        """Whether this is a statement of the database: many, and seldom what one looks for."""
        return "db.system.name" in self.attributes or "db.system" in self.attributes


class Traces:
    """The JSON API of the local dashboard; a context manager around one HTTP client."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client = httpx.AsyncClient(timeout=_SECONDS, trust_env=False)

    async def __aenter__(self) -> "Traces":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def find(self, wanted: str) -> list[str]:
        """Trace ids for a trace id, a msgid, a turn id or a command id; empty when none is known."""
        if len(wanted) == _TRACE_ID_LENGTH and set(wanted.lower()) <= set("0123456789abcdef"):
            return [wanted.lower()]
        for attribute in ATTRIBUTES:
            reply = await self._get("/api/spans", {"attribute": attribute, "value": wanted})
            found = dict.fromkeys(span["trace_id"] for span in reply["spans"])
            if found:
                return list(found)
        return []

    async def spans(self, trace_id: str) -> list[Span]:
        """Every span of one trace, by start; empty when it is not known."""
        reply = await self._get(f"/api/traces/{trace_id}", {}, missing={"spans": []})
        return sorted((_span(span) for span in reply["spans"]), key=lambda span: span.start_ns)

    async def _get(self, path: str, query: dict[str, str], missing: Any = None) -> Any:
        try:
            reply = await self._client.get(self._url + path, params=query)
        except httpx.HTTPError as error:
            raise TraceError(
                f"The traces do not answer at {self._url} ({type(error).__name__}). Is `kf run` running? "
                "Set --url."
            ) from None
        if reply.status_code == httpx.codes.NOT_FOUND and missing is not None:
            return missing
        if reply.status_code != httpx.codes.OK:
            raise TraceError(f"{self._url}{path} answered {reply.status_code}.")
        return reply.json()


def edges(spans: Sequence[Span]) -> set[tuple[str, str]]:
    """(label of the parent, label of the child) of every span whose parent is among them."""
    by_id = {span.span_id: span for span in spans}
    return {(by_id[s.parent_id].label, s.label) for s in spans if s.parent_id in by_id}


def waterfall(spans: Sequence[Span]) -> Iterator[str]:
    """One line of rich markup for each span: tree, duration, bar, and what went wrong."""
    began = min(span.start_ns for span in spans)
    length = max(max(span.end_ns for span in spans) - began, 1)
    rows = list(_tree(spans))
    width = min(60, max(2 * depth + len(span.name) for depth, span in rows))
    services = max(len(span.service) for span in spans)
    for depth, span in rows:
        name = padded(plain("  " * depth + span.name), width)
        colour = "red" if span.failed else "cyan"
        duration = (span.end_ns - span.start_ns) / 1e6
        yield (
            f"[dim]{plain(span.service):<{services}}[/] [{colour}]{name}[/] {duration:9.1f} ms "
            f"[{colour}]{_bar(span, began, length)}[/]{_facts(span)}".rstrip()
        )


def _tree(spans: Sequence[Span]) -> Iterator[tuple[int, Span]]:
    known = {span.span_id for span in spans}
    children: dict[str, list[Span]] = defaultdict(list)
    for span in sorted(spans, key=lambda s: s.start_ns):
        children[span.parent_id if span.parent_id in known else ""].append(span)
    waiting = [(0, span) for span in reversed(children[""])]
    while waiting:
        depth, span = waiting.pop()
        yield depth, span
        waiting += [(depth + 1, child) for child in reversed(children[span.span_id])]


def _bar(span: Span, began: int, length: int) -> str:
    first = (span.start_ns - began) * _BAR_CELLS // length
    cells = max(1, (span.end_ns - span.start_ns) * _BAR_CELLS // length)
    return (" " * min(first, _BAR_CELLS - 1) + "━" * cells)[:_BAR_CELLS].ljust(_BAR_CELLS)


def _facts(span: Span) -> str:
    facts = [
        f"{key.rpartition('.')[2]}={span.attributes[key]}"
        for key in _SHOWN_ATTRIBUTES
        if key in span.attributes
    ]
    if span.links:
        facts.append(f"links={len(span.links)}")
    return f" [dim]{plain(' '.join(facts))}[/]" if facts else ""


def _span(raw: dict[str, Any]) -> Span:
    return Span(
        trace_id=raw["trace_id"],
        span_id=raw["span_id"],
        parent_id=raw["parent_span_id"],
        name=raw["name"],
        service=raw["service"],
        kind=raw["kind"],
        start_ns=raw["start_ns"],
        end_ns=raw["end_ns"],
        failed=raw["status"] == "error",
        attributes=raw["attributes"],
        links=tuple((link["trace_id"], link["span_id"]) for link in raw["links"]),
    )
