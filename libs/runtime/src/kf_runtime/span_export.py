"""Ended spans on their way out: journalled, encoded and sent in batches by a thread that hurts nobody.

A receiver that is down, slow or refusing costs spans at most: the queue is bounded, the newest beyond it are
dropped and counted, and no caller ever waits.
"""

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from kf_runtime.span_encoding import encode_request
from kf_runtime.span_journal import Journal, Scopes, Segment
from kf_runtime.spans import Ended

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

    scopes: Scopes = field(default_factory=lambda: defaultdict(list))
    count: int = 0
    segment: Segment | None = None
    tries: int = 0


class SpanShipper:
    """Sends ended spans every `delay` seconds, or as soon as `batch` of them wait; keeps `most` at once."""

    def __init__(
        self,
        send: Send,
        resource: Mapping[str, Any],
        journal: Journal | None = None,
        *,
        delay: float = 5.0,
        batch: int = 512,
        most: int = 16_384,
    ) -> None:
        self._send, self._resource, self._journal = send, resource, journal
        self._delay, self._size, self._most = delay, batch, most
        self._lock = threading.Lock()
        self._next, self._waiting = _Batch(), deque[_Batch]()
        self.held = 0
        """Spans that wait to be sent."""
        self.dropped = 0
        """Spans that found the queue full, or were refused again and again."""
        self._warn_at, self._left_over_at = 0.0, 0.0
        self._wake, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="kf-spans", daemon=True)
        self._thread.start()

    def take(self, scope: str, span: Ended) -> None:
        """Queue one ended span; returns at once."""
        if self._stop.is_set():
            return
        with self._lock:
            if self.held >= self._most:
                self.dropped += 1
                return
            if self._journal and not self._journal.write(scope, span):
                self._close_batch()
                self._journal.write(scope, span)
            self.held += 1
            self._next.count += 1
            self._next.scopes[scope].append(span)
            if self._next.count >= self._size:
                self._close_batch()
                self._wake.set()

    def _close_batch(self) -> None:
        self._next.segment = self._journal.turn() if self._journal else None
        self._waiting.append(self._next)
        self._next = _Batch()

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
            delivered = self._send(encode_request(self._resource, batch.scopes))
            if not delivered and (batch.tries < _TRIES or self._stop.is_set()):
                return
            self._waiting.popleft()
            if batch.segment:
                batch.segment.remove()
            with self._lock:
                self.held -= batch.count
                self.dropped += 0 if delivered else batch.count
            self._tell()

    def _ship_left_over(self) -> None:
        """Send what killed processes of this folder left behind; what is refused waits for the next round."""
        if self._journal is None or self._waiting or time.monotonic() < self._left_over_at:
            return
        self._left_over_at = time.monotonic() + _LEFT_OVER_SECONDS
        for segment, resource, scopes in self._journal.left_over():
            if not self._send(encode_request(resource, scopes)):
                segment.release()
                return
            segment.remove()
            log.info("telemetry.left_over_sent", spans=sum(map(len, scopes.values())))

    def _tell(self) -> None:
        if self.dropped and time.monotonic() >= self._warn_at:
            self._warn_at = time.monotonic() + _WARN_SECONDS
            log.warning("telemetry.spans_dropped", total=self.dropped)

    def flush(self, seconds: float = 30.0) -> bool:
        """Send at once what waits; False when that took too long."""
        self._wake.set()
        deadline = time.monotonic() + seconds
        while self.held and time.monotonic() < deadline:
            time.sleep(0.005)
        return not self.held

    def shutdown(self) -> None:
        """Send what waits if that takes no more than some seconds; the journal keeps the rest."""
        self._stop.set()
        self._wake.set()
        self._thread.join(_SHUTDOWN_SECONDS)
