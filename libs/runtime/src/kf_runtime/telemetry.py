"""OpenTelemetry, set up once per process: traces by OTLP, W3C trace context only, no polling noise."""

import os
from collections.abc import Mapping, Sequence

from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Decision, ParentBased, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, TraceState
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
        provider.add_span_processor(BatchSpanProcessor(_exporter()))
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
