"""Ended spans on their way out: encoded at once, journalled, sent in batches by a thread that hurts nobody.

A receiver that is down, slow or refusing costs spans at most: the queue is bounded, the newest beyond it are
dropped and counted, and no caller ever waits.
"""

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from typing_extensions import override

from kf_runtime.span_encoding import encode_request, encode_resource, encode_scope_spans, encode_span
from kf_runtime.span_journal import Journal, Segment

log = structlog.get_logger()

Send = Callable[[bytes], bool]
"""Delivers one ExportTraceServiceRequest; False: not delivered. Bounded in time, never raises."""

_TRIES = 5
_WARN_SECONDS = 60.0
_LEFT_OVER_SECONDS = 2.0
_SHUTDOWN_SECONDS = 5.0


@dataclass
class _Batch:
    """Spans by the name of their tracer, and the segment that holds them too."""

    scopes: dict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    count: int = 0
    segment: Segment | None = None
    tries: int = 0

    def request(self, resource: bytes) -> bytes:
        scopes = b"".join(encode_scope_spans(scope, spans) for scope, spans in self.scopes.items())
        return encode_request(resource + scopes)

    def forget(self) -> None:
        if self.segment:
            self.segment.remove()


class SpanShipper(SpanProcessor):
    """Sends ended spans every `delay` seconds, or as soon as `batch` of them wait; keeps `most` at once."""

    def __init__(
        self,
        send: Send,
        resource: Resource,
        journal: Callable[[bytes], Journal] | None = None,
        *,
        delay: float = 5.0,
        batch: int = 512,
        most: int = 16_384,
    ) -> None:
        """journal: makes one that begins its segments with the bytes given."""
        self._send, self._resource = send, encode_resource(resource)
        self._journal = journal(self._resource) if journal else None
        self._delay, self._size, self._most = delay, batch, most
        self._lock = threading.Lock()
        self._next, self._waiting = _Batch(), deque[_Batch]()
        self._held = 0
        self.dropped = 0
        """Spans that found the queue full, or were refused again and again."""
        self._warn_at = 0.0
        self._left_over_at = 0.0
        self._wake, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="kf-spans", daemon=True)
        self._thread.start()

    @override
    def on_end(self, span: ReadableSpan) -> None:
        context = span.get_span_context()
        if context is None or not context.trace_flags.sampled or self._stop.is_set():
            return
        scope = span.instrumentation_scope
        name, data = scope.name if scope else "", encode_span(span)
        with self._lock:
            if self._held >= self._most:
                self.dropped += 1
                return
            self._held += 1
            self._next.count += 1
            self._next.scopes[name].append(data)
            if self._journal:
                self._journal.write(encode_scope_spans(name, [data]))
            if self._next.count >= self._size:
                self._close_batch()
                self._wake.set()

    def _close_batch(self) -> None:
        self._next.segment = self._journal.turn() if self._journal else None
        self._waiting.append(self._next)
        self._next = _Batch()

    @property
    def held(self) -> int:
        """Spans that wait to be sent."""
        return self._held

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.wait(self._delay)
            self._wake.clear()
            self._ship()
            self._ship_left_over()
        self._ship()
        for batch in self._waiting:
            if batch.segment:
                batch.segment.release()

    def _ship(self) -> None:
        """Send what waits, oldest first, until one batch is refused."""
        with self._lock:
            if self._next.count:
                self._close_batch()
        while self._waiting:
            batch = self._waiting[0]
            batch.tries += 1
            delivered = self._send(batch.request(self._resource))
            if not delivered and (batch.tries < _TRIES or self._stop.is_set()):
                return
            self._waiting.popleft()
            batch.forget()
            with self._lock:
                self._held -= batch.count
                self.dropped += 0 if delivered else batch.count
            self._tell()

    def _ship_left_over(self) -> None:
        """Send what killed processes of this folder left behind; what is refused waits for the next round."""
        if self._journal is None or self._waiting or time.monotonic() < self._left_over_at:
            return
        self._left_over_at = time.monotonic() + _LEFT_OVER_SECONDS
        for segment, resource_spans in self._journal.left_over():
            if not self._send(encode_request(resource_spans)):
                segment.release()
                return
            log.info("telemetry.left_over_sent", bytes=len(resource_spans))
            segment.remove()

    def _tell(self) -> None:
        if self.dropped and time.monotonic() >= self._warn_at:
            self._warn_at = time.monotonic() + _WARN_SECONDS
            log.warning("telemetry.spans_dropped", total=self.dropped)

    @override
    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        self._wake.set()
        deadline = time.monotonic() + timeout_millis / 1000
        while self._held and time.monotonic() < deadline:
            time.sleep(0.005)
        return not self._held

    @override
    def shutdown(self) -> None:
        """Send what waits if that takes no more than some seconds; the journal keeps the rest."""
        if self._stop.is_set():
            return
        self._stop.set()
        self._wake.set()
        self._thread.join(_SHUTDOWN_SECONDS)
