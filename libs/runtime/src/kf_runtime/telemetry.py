"""OpenTelemetry, set up once per process: OTLP out, W3C trace context only, no polling noise."""

import os
import socket
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from opentelemetry import metrics, propagate, trace
from opentelemetry.context import Context
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Decision, ParentBased, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, TraceState
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue
from typing_extensions import override

from kf_runtime import otlp
from kf_runtime.span_export import SpanShipper
from kf_runtime.span_journal import Journal

VERSION = "0.1.0"
_METRICS_SHUTDOWN_MS = 3000.0


class DropOrphanClientSpans(Sampler):
    """Root sampler that leaves out CLIENT spans without a parent: the queries of idle polling loops."""

    @override
    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Mapping[str, AttributeValue] | None = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        if kind is SpanKind.CLIENT:
            return SamplingResult(Decision.DROP)
        return ALWAYS_ON.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)

    @override
    def get_description(self) -> str:
        return "DropOrphanClientSpans"


class Telemetry:
    """What `setup` installed; shut it down before the process ends."""

    def __init__(self, tracers: TracerProvider, meters: MeterProvider, close: Callable[[], None]) -> None:
        self.tracers, self.meters = tracers, meters
        self._close = close

    def shutdown(self) -> None:
        """Send what waits, if that takes no more than some seconds."""
        self.tracers.shutdown()
        self.meters.shutdown(timeout_millis=_METRICS_SHUTDOWN_MS)
        self._close()


def setup(service: str) -> Telemetry:
    """Install tracer and meter provider; nothing leaves unless OTEL_EXPORTER_OTLP_ENDPOINT is set.

    Baggage is never sent: it would reach third parties. Call `shutdown()` of what is returned before exit.
    """
    propagate.set_global_textmap(TraceContextTextMapPropagator())
    instance = {"service.instance.id": f"{socket.gethostname()}-{os.getpid()}"}
    resource = Resource.create(
        {"service.name": f"kf-{service}", "service.namespace": "kefu", "service.version": VERSION, **instance}
    )
    tracers = TracerProvider(
        resource=resource, sampler=ParentBased(DropOrphanClientSpans()), shutdown_on_exit=False
    )
    close: Callable[[], None] = _nothing
    if otlp.is_wanted("TRACES"):
        sender = otlp.span_sender()
        tracers.add_span_processor(_shipper(sender.send, resource))
        close = sender.close
    readers = [PeriodicExportingMetricReader(otlp.metric_exporter())] if otlp.is_wanted("METRICS") else []
    meters = MeterProvider(readers, resource, shutdown_on_exit=False)
    trace.set_tracer_provider(tracers)
    metrics.set_meter_provider(meters)
    return Telemetry(tracers, meters, close)


def _nothing() -> None:
    return


def _shipper(send: Callable[[bytes], bool], resource: Resource) -> SpanShipper:
    """By OTEL_BSP_* as the SDK reads them, and KF_SPANS_DIR."""
    folder = os.environ.get("KF_SPANS_DIR", "")
    return SpanShipper(
        send,
        resource,
        partial(Journal, Path(folder)) if folder else None,
        delay=_number("OTEL_BSP_SCHEDULE_DELAY", 5000) / 1000,
        batch=_number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512),
        most=_number("OTEL_BSP_MAX_QUEUE_SIZE", 16_384),
    )


def _number(name: str, default: int) -> int:
    """A whole number of the environment; anything else counts as not set, as in the SDK."""
    text = os.environ.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and int(text) else default


def captures_content() -> bool:
    """Whether prompts and answers may stand in spans: never unless the operator says so."""
    return os.environ.get("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "").lower() == "true"


def carrier() -> dict[str, str]:
    """The current span as W3C headers, to be kept in a row or a message; empty without a span."""
    headers: dict[str, str] = {}
    propagate.inject(headers)
    return headers


def context_from(headers: Mapping[str, str] | None) -> Context:
    """The context that `carrier()` wrote; an empty one for None, an empty or a malformed carrier."""
    return propagate.extract(dict(headers or {}), context=Context())


def link_to(headers: Mapping[str, str] | None) -> list[Link]:
    """A link to the span that `carrier()` wrote; none when there is no valid one."""
    span = trace.get_current_span(context_from(headers)).get_span_context()
    return [Link(span)] if span.is_valid else []
