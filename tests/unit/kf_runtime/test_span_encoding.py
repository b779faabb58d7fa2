"""The bytes against the SDK's own encoder, fed with the same spans."""

from typing import Any

from google.protobuf.json_format import MessageToDict
from kf_runtime.span_encoding import encode_request, encode_span
from kf_runtime.spans import Ended
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1 import trace_pb2
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState
from opentelemetry.util.types import AttributeValue

RESOURCE: dict[str, AttributeValue] = {"service.name": "kf-test", "host.cpus": 2}
REMOTE = SpanContext(
    trace_id=0xABC << 96,
    span_id=0xDEF,
    is_remote=True,
    trace_flags=TraceFlags(1),
    trace_state=TraceState([("vendor", "x")]),
)
LINKED = SpanContext(trace_id=1, span_id=2, is_remote=True)
ATTRIBUTES: dict[str, AttributeValue] = {
    "kf.msgid": "消息🙂",
    "kf.items": -3,
    "big": 2**62,
    "flag": True,
    "off": False,
    "one": 1,
    "share": 0.25,
    "zero": 0,
    "empty": "",
    "kf.msgids": ["a", "b"],
    "counts": [1, 200, -1],
}


def from_the_sdk() -> list[ReadableSpan]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource(RESOURCE), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("kf_test")
    parent = trace.set_span_in_context(trace.NonRecordingSpan(REMOTE))
    for kind in SpanKind:
        with tracer.start_as_current_span(f"span of {kind.name}", parent, kind, ATTRIBUTES) as span:
            span.add_event("progress", {"n": 1}, timestamp=123)
            span.set_status(Status(StatusCode.ERROR, "lease lost" * 20))
    linked = tracer.start_span("linked", links=[Link(LINKED, {"why": "merged"}), Link(LINKED)])
    linked.set_status(StatusCode.OK)
    linked.end()
    tracer.start_span("bare").end()
    return list(exporter.get_finished_spans())


def plain(attributes: Any) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in attributes.items()}


def ended(span: ReadableSpan) -> Ended:
    context, parent = span.get_span_context(), span.parent
    assert context is not None
    assert span.start_time is not None
    assert span.end_time is not None
    return Ended(
        context.trace_id,
        context.span_id,
        context.trace_state.to_header(),
        parent.span_id if parent else 0,
        parent.is_remote if parent else False,
        span.name,
        span.kind.value,
        span.start_time,
        span.end_time,
        plain(span.attributes),
        tuple((e.timestamp, e.name, plain(e.attributes)) for e in span.events),
        tuple(
            (k.context.trace_id, k.context.span_id, k.context.is_remote, plain(k.attributes))
            for k in span.links
        ),
        span.status.status_code.value,
        span.status.description or "",
    )


def test_the_bytes_say_what_the_sdks_own_encoder_says() -> None:
    spans = from_the_sdk()
    request = encode_request(RESOURCE, {"kf_test": [ended(span) for span in spans]})
    assert MessageToDict(ExportTraceServiceRequest.FromString(request)) == MessageToDict(encode_spans(spans))


def test_a_text_that_is_no_unicode_does_not_cost_the_span() -> None:
    attributes = {"kf.outcome": "half an emoji \ud83d"}
    span = Ended(1, 2, "", 0, False, "s", 0, 1, 2, attributes, (), (), 0, "")
    assert trace_pb2.Span.FromString(encode_span(span)).attributes[0].value.string_value == "half an emoji ?"
