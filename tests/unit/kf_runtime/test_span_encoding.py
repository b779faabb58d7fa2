import contextlib

import pytest
from google.protobuf.json_format import MessageToDict
from kf_runtime.span_encoding import (
    encode_request,
    encode_resource,
    encode_scope_spans,
    encode_span,
    whole_fields,
)
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

RESOURCE = Resource({"service.name": "kf-test", "host.cpus": 2})
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
    "share": 0.25,
    "zero": 0,
    "empty": "",
    "kf.msgids": ["a", "b"],
    "counts": [1, 200, -1],
}


def ended() -> list[ReadableSpan]:
    exporter, provider = InMemorySpanExporter(), TracerProvider(resource=RESOURCE, shutdown_on_exit=False)
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


def test_the_bytes_say_what_the_sdks_own_encoder_says() -> None:
    spans = ended()
    request = encode_request(
        encode_resource(RESOURCE) + encode_scope_spans("kf_test", [encode_span(span) for span in spans])
    )
    assert MessageToDict(ExportTraceServiceRequest.FromString(request)) == MessageToDict(encode_spans(spans))


def test_what_an_exception_said_is_not_exported() -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("t")
    with contextlib.suppress(ValueError), tracer.start_as_current_span("send", attributes={"kf.part": 1}):
        raise ValueError("DETAIL: Failing row contains (13800138000)")
    data = encode_span(exporter.get_finished_spans()[0])
    assert b"13800138000" not in data
    sent = trace_pb2.Span.FromString(data)
    assert (sent.status.message, sent.status.code) == ("ValueError", 2)
    assert [(a.key, a.value.string_value) for a in sent.events[0].attributes] == [
        ("exception.type", "ValueError")
    ]
    assert sent.attributes[0].value.int_value == 1


def test_a_text_that_is_no_unicode_does_not_cost_the_span() -> None:
    with TracerProvider(shutdown_on_exit=False).get_tracer("t").start_as_current_span("s") as span:
        span.set_attribute("kf.outcome", "half an emoji \ud83d")
    assert isinstance(span, ReadableSpan)
    assert trace_pb2.Span.FromString(encode_span(span)).attributes[0].value.string_value == "half an emoji ?"


@pytest.mark.parametrize("kept", range(3))
def test_a_message_cut_off_in_the_writing_keeps_its_whole_fields(kept: int) -> None:
    fields = [encode_resource(RESOURCE), *(encode_scope_spans("t", [bytes(n)]) for n in (10, 300))]
    whole, rest = b"".join(fields[:kept]), b"".join(fields[kept:])
    for cut in range(len(fields[kept])):
        assert whole_fields(whole + rest[:cut]) == whole
    assert whole_fields(whole + rest) == whole + rest
