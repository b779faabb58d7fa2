"""Reading OTLP: every kind of value, refused spans, malformed bodies."""

import pytest
from kf_traces.otlp import MalformedExportError, parse_export
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.trace.v1.trace_pb2 import Span

TRACE = bytes(range(16))
SPAN = bytes(range(8))


def request(*spans: Span, service: str | None = "kf-dialog") -> bytes:
    export = ExportTraceServiceRequest()
    resource = export.resource_spans.add()
    if service:
        resource.resource.attributes.append(
            KeyValue(key="service.name", value=AnyValue(string_value=service))
        )
    resource.scope_spans.add(spans=spans).scope.name = "kf_runtime"
    return export.SerializeToString()


def span(**fields: object) -> Span:
    base = {"trace_id": TRACE, "span_id": SPAN, "start_time_unix_nano": 5, "end_time_unix_nano": 9}
    return Span(**base | fields)  # type: ignore[arg-type]


def test_ids_become_hex_and_numbers_become_names() -> None:
    [read] = parse_export(
        request(span(parent_span_id=SPAN[::-1], kind=5, status={"code": 2, "message": "m"}))
    ).spans

    assert (read.trace_id, read.span_id, read.parent_span_id) == (TRACE.hex(), SPAN.hex(), SPAN[::-1].hex())
    assert (read.kind, read.status, read.status_message) == ("consumer", "error", "m")
    assert (read.service, read.scope, read.start_ns, read.end_ns) == ("kf-dialog", "kf_runtime", 5, 9)


def test_every_kind_of_attribute_value_is_read() -> None:
    array = ArrayValue(values=[AnyValue(int_value=1), AnyValue(string_value="x")])
    pairs = KeyValueList(values=[KeyValue(key="a", value=AnyValue(bool_value=True))])
    values = {
        "text": AnyValue(string_value="会话"),
        "yes": AnyValue(bool_value=True),
        "whole": AnyValue(int_value=-(2**63)),
        "real": AnyValue(double_value=0.5),
        "nan": AnyValue(double_value=float("nan")),
        "bytes": AnyValue(bytes_value=b"\x01\xff"),
        "list": AnyValue(array_value=array),
        "map": AnyValue(kvlist_value=pairs),
        "empty": AnyValue(),
    }
    attributes = [KeyValue(key=key, value=value) for key, value in values.items()]

    [read] = parse_export(request(span(attributes=attributes))).spans

    assert read.attributes == {
        "text": "会话",
        "yes": True,
        "whole": -(2**63),
        "real": 0.5,
        "nan": "nan",
        "bytes": "01ff",
        "list": [1, "x"],
        "map": {"a": True},
        "empty": None,
    }


@pytest.mark.parametrize(
    "fault",
    [
        {"trace_id": b""},
        {"trace_id": bytes(16)},
        {"span_id": b"short"},
        {"span_id": bytes(8)},
        {"parent_span_id": b"short"},
        {"start_time_unix_nano": 0},
        {"end_time_unix_nano": 2**64 - 1},
    ],
)
def test_an_invalid_span_is_refused_and_the_others_are_kept(fault: dict[str, object]) -> None:
    export = parse_export(request(span(**fault), span()))

    assert ([kept.span_id for kept in export.spans], export.rejected) == ([SPAN.hex()], 1)
    assert export.response().partial_success.rejected_spans == 1


def test_odd_but_valid_spans_are_kept() -> None:
    """An all-zero parent means none, an end before the start counts as none, an unknown kind is internal."""
    odd = span(parent_span_id=bytes(8), end_time_unix_nano=0, kind=77)

    [read] = parse_export(request(odd, service=None)).spans

    assert (read.parent_span_id, read.end_ns, read.kind, read.service) == (
        "",
        5,
        "internal",
        "unknown_service",
    )


def test_a_body_that_is_not_an_export_is_malformed() -> None:
    with pytest.raises(MalformedExportError, match="ExportTraceServiceRequest"):
        parse_export(b"\xff\xff")


def test_a_whole_export_needs_no_partial_success() -> None:
    assert parse_export(b"").response().SerializeToString() == b""
