"""OpenTelemetry, set up once per process: traces by OTLP, W3C trace context only, no polling noise."""

import os
from collections.abc import Mapping, Sequence

from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Decision, ParentBased, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, Status, TraceState
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue
from typing_extensions import override

VERSION = "0.1.0"


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


class WithoutExceptionText(SpanExporter):
    """Passes spans on without what exceptions said: PostgreSQL's words quote rows, others quote values.

    The type of the exception stays, as the event's exception.type and as the description of the status.
    """

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    @override
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return self._exporter.export([_quiet(span) for span in spans])

    @override
    def shutdown(self) -> None:
        self._exporter.shutdown()

    @override
    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self._exporter.force_flush(timeout_millis)


def _quiet(span: ReadableSpan) -> ReadableSpan:
    raised = [event for event in span.events if event.name == "exception"]
    kinds = [str((event.attributes or {}).get("exception.type", "")) for event in raised]
    if not kinds:
        return span
    events = [
        Event(e.name, {"exception.type": kinds[0]}, e.timestamp) if e.name == "exception" else e
        for e in span.events
    ]
    return ReadableSpan(
        name=span.name,
        context=span.get_span_context(),
        parent=span.parent,
        resource=span.resource,
        attributes=span.attributes,
        events=events,
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code, kinds[-1] if span.status.description else None),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def setup(service: str) -> TracerProvider:
    """Install the tracer provider; spans leave only when OTEL_EXPORTER_OTLP_ENDPOINT is set.

    Baggage is never sent: it would reach third parties. Call `shutdown()` of what is returned before exit.
    """
    propagate.set_global_textmap(TraceContextTextMapPropagator())
    resource = Resource.create(
        {"service.name": f"kf-{service}", "service.namespace": "kefu", "service.version": VERSION}
    )
    provider = TracerProvider(resource=resource, sampler=ParentBased(DropOrphanClientSpans()))
    if os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        provider.add_span_processor(BatchSpanProcessor(WithoutExceptionText(_exporter())))
    trace.set_tracer_provider(provider)
    return provider


def _exporter() -> SpanExporter:
    if os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc").startswith("http"):
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter

        return HttpExporter()
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter

    return GrpcExporter()


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
