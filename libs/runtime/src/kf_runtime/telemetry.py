"""OpenTelemetry, set up once per process: OTLP out, W3C trace context only, no polling noise."""

import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

from opentelemetry import metrics, propagate, trace
from opentelemetry.context import Context
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import Link
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from kf_runtime import otlp
from kf_runtime.span_export import SpanShipper
from kf_runtime.span_journal import Journal
from kf_runtime.spans import Ended, Tracers

VERSION = "0.1.0"
_METRICS_SHUTDOWN_MS = 3000.0


class Telemetry:
    """What `setup` installed; shut it down before the process ends."""

    def __init__(self, meters: MeterProvider, shipper: SpanShipper | None, close: Callable[[], None]) -> None:
        self._meters, self._shipper, self._close = meters, shipper, close

    def shutdown(self) -> None:
        """Send what waits, if that takes no more than some seconds."""
        if self._shipper:
            self._shipper.shutdown()
        self._meters.shutdown(timeout_millis=_METRICS_SHUTDOWN_MS)
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
    shipper, close = None, _nothing
    if otlp.is_wanted("TRACES"):
        sender = otlp.span_sender()
        shipper, close = _shipper(sender.send, resource), sender.close
    if not otlp.is_disabled():
        # Also where nothing leaves: logs carry the ids, and messages the context.
        trace.set_tracer_provider(Tracers(shipper.take if shipper else _ignore))
    readers = [PeriodicExportingMetricReader(otlp.metric_exporter())] if otlp.is_wanted("METRICS") else []
    meters = MeterProvider(readers, resource, shutdown_on_exit=False)
    metrics.set_meter_provider(meters)
    return Telemetry(meters, shipper, close)


def _nothing() -> None:
    return


def _ignore(scope: str, span: Ended) -> None:
    return


def _shipper(send: Callable[[bytes], bool], resource: Resource) -> SpanShipper:
    """By OTEL_BSP_* as the SDK reads them, and KF_SPANS_DIR."""
    folder, attributes = os.environ.get("KF_SPANS_DIR", ""), dict(resource.attributes)
    return SpanShipper(
        send,
        attributes,
        Journal(Path(folder), attributes) if folder else None,
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
