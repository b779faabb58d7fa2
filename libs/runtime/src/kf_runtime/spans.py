"""OpenTelemetry's tracing API, as much of it as the services use, at a fraction of the SDK's CPU.

A span keeps what it is told in plain values and hands them on as one tuple when it ends; encoding and
sending are others' work. Sampling is fixed: everything but CLIENT spans without a parent, which are the
queries of idle polling loops, and what hangs below an unsampled parent.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from random import getrandbits
from time import time_ns
from typing import Any, NamedTuple

from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
)
from opentelemetry.util.types import Attributes, AttributeValue
from typing_extensions import override

_SAMPLED, _DROPPED = TraceFlags(TraceFlags.SAMPLED), TraceFlags(0)
_PLAIN = frozenset((str, int, bool, float))
_MOST_ATTRIBUTES = 64

Plain = dict[str, Any]


class Ended(NamedTuple):
    """A finished span in values that marshal can write; times in Unix nanoseconds, parent 0 for a root.

    events: (time, name, attributes); links: (trace id, span id, is remote, attributes).
    """

    trace_id: int
    span_id: int
    trace_state: str
    parent_id: int
    parent_is_remote: bool
    name: str
    kind: int
    start_ns: int
    end_ns: int
    attributes: Plain
    events: tuple[tuple[int, str, Plain], ...]
    links: tuple[tuple[int, int, bool, Plain], ...]
    status: int
    status_text: str


Take = Callable[[str, Ended], None]
"""Gets the tracer's name and the span; must not block."""


def _plain(value: Any) -> Any:
    """Subclasses (enums) as their base, sequences as lists; marshal knows nothing else."""
    if type(value) in _PLAIN:
        return value
    for base in (bool, int, float):
        if isinstance(value, base):
            return base(value)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_plain(item) for item in value]
    return str.__str__(value) if isinstance(value, str) else str(value)


def _all_plain(attributes: Attributes) -> Plain:
    if not attributes:
        return {}
    return {name: value if type(value) in _PLAIN else _plain(value) for name, value in attributes.items()}


class Span(trace.Span):
    """A span that is kept."""

    def __init__(
        self,
        tracer: "Tracer",
        context: SpanContext,
        parent: SpanContext | None,
        name: str,
        kind: SpanKind,
        start_ns: int,
        attributes: Attributes,
        links: Sequence[Link] | None,
    ) -> None:
        self._tracer, self._context, self._parent = tracer, context, parent
        self._name, self._kind, self._start_ns = name, kind, start_ns
        self._attributes = _all_plain(attributes)
        self._links = tuple(links) if links else ()
        self._events: list[tuple[int, str, Plain]] = []
        self._status, self._status_text = 0, ""
        self._ended = False

    @override
    def get_span_context(self) -> SpanContext:
        return self._context

    @override
    def is_recording(self) -> bool:
        return not self._ended

    @override
    def set_attribute(self, key: str, value: AttributeValue) -> None:
        if len(self._attributes) < _MOST_ATTRIBUTES:
            self._attributes[key] = value if type(value) in _PLAIN else _plain(value)

    @override
    def set_attributes(self, attributes: Mapping[str, AttributeValue]) -> None:
        for key, value in attributes.items():
            self.set_attribute(key, value)

    @override
    def add_event(self, name: str, attributes: Attributes = None, timestamp: int | None = None) -> None:
        self._events.append((timestamp or time_ns(), name, _all_plain(attributes)))

    @override
    def update_name(self, name: str) -> None:
        self._name = name

    @override
    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        code = status.status_code if isinstance(status, Status) else status
        text = status.description if isinstance(status, Status) else description
        if self._status != StatusCode.OK.value and code is not StatusCode.UNSET:
            self._status = code.value
            self._status_text = (text or "") if code is StatusCode.ERROR else ""

    @override
    def record_exception(
        self,
        exception: BaseException,
        attributes: Attributes = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        """Its type only: PostgreSQL's words quote rows, others quote values."""
        self.add_event("exception", {"exception.type": type(exception).__qualname__}, timestamp)

    @override
    def end(self, end_time: int | None = None) -> None:
        if self._ended:
            return
        self._ended = True
        parent, context = self._parent, self._context
        self._tracer.take(
            self._tracer.scope,
            Ended(
                context.trace_id,
                context.span_id,
                context.trace_state.to_header() if context.trace_state else "",
                parent.span_id if parent else 0,
                parent.is_remote if parent else False,
                self._name,
                self._kind.value,
                self._start_ns,
                end_time or time_ns(),
                self._attributes,
                tuple(self._events),
                tuple(
                    (
                        link.context.trace_id,
                        link.context.span_id,
                        link.context.is_remote,
                        _all_plain(link.attributes),
                    )
                    for link in self._links
                ),
                self._status,
                self._status_text,
            ),
        )


class _Current(AbstractContextManager[trace.Span]):
    """A span that is the current one inside a `with`; errors become its status, by their type."""

    __slots__ = ("_fails", "_records", "_span", "_token")

    def __init__(self, span: trace.Span, records: bool, fails: bool) -> None:
        self._span, self._records, self._fails = span, records, fails

    @override
    def __enter__(self) -> trace.Span:
        self._token = context_api.attach(trace.set_span_in_context(self._span))
        return self._span

    @override
    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        context_api.detach(self._token)
        span = self._span
        if isinstance(error, Exception) and span.is_recording():
            if self._records:
                span.record_exception(error)
            if self._fails:
                span.set_status(StatusCode.ERROR, type(error).__qualname__)
        span.end()


class Tracer(trace.Tracer):
    """Makes the spans of one module."""

    def __init__(self, scope: str, take: Take) -> None:
        self.scope, self.take = scope, take

    @override
    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
    ) -> trace.Span:
        parent = trace.get_current_span(context).get_span_context()
        if not parent.is_valid:
            if kind is SpanKind.CLIENT:
                return NonRecordingSpan(SpanContext(getrandbits(128), getrandbits(64), False, _DROPPED))
            own = SpanContext(getrandbits(128), getrandbits(64), False, _SAMPLED)
            return Span(self, own, None, name, kind, start_time or time_ns(), attributes, links)
        if not parent.trace_flags & TraceFlags.SAMPLED:
            return NonRecordingSpan(parent)
        own = SpanContext(parent.trace_id, getrandbits(64), False, _SAMPLED, parent.trace_state)
        return Span(self, own, parent, name, kind, start_time or time_ns(), attributes, links)

    @override
    def start_as_current_span(  # type: ignore[override]  # a plain context manager, not one that decorates
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
        end_on_exit: bool = True,
    ) -> AbstractContextManager[trace.Span]:
        span = self.start_span(name, context, kind, attributes, links, start_time)
        return _Current(span, record_exception, set_status_on_exception)


class Tracers(trace.TracerProvider):
    """Gives every module a tracer whose ended spans go to `take`."""

    def __init__(self, take: Take) -> None:
        self._take = take

    @override
    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Attributes | None = None,
    ) -> Tracer:
        return Tracer(instrumenting_module_name, self._take)
