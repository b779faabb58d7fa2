"""Reading OTLP export requests: protobuf bytes in, spans out."""

import math
from collections.abc import Iterable
from typing import NamedTuple

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from kf_traces.span import Event, Link, Span, Value

_KINDS = ("internal", "internal", "server", "client", "producer", "consumer")
_STATUSES = ("unset", "ok", "error")
_MAX_TIME_NS = 2**63 - 1
_UNKNOWN_SERVICE = "unknown_service"


class MalformedExportError(ValueError):
    """The body is not an ExportTraceServiceRequest."""


class Export(NamedTuple):
    """The spans of one request, and how many were refused for an invalid id or time."""

    spans: list[Span]
    rejected: int

    def response(self) -> ExportTraceServiceResponse:
        """The OTLP answer, which names the refused spans as a partial success."""
        if not self.rejected:
            return ExportTraceServiceResponse()
        return ExportTraceServiceResponse(
            partial_success=ExportTracePartialSuccess(
                rejected_spans=self.rejected,
                error_message="a span needs a trace_id of 16 bytes, a span_id of 8 and valid times",
            )
        )


def parse_export(body: bytes) -> Export:
    """Read a serialized ExportTraceServiceRequest; raises MalformedExportError."""
    try:
        request = ExportTraceServiceRequest.FromString(body)
    except DecodeError as error:
        raise MalformedExportError(
            "the body is not an OTLP ExportTraceServiceRequest in protobuf encoding"
        ) from error
    spans: list[Span] = []
    total = 0
    for resource_spans in request.resource_spans:
        resource = read_attributes(resource_spans.resource.attributes)
        service = str(resource.get("service.name") or _UNKNOWN_SERVICE)
        for scope_spans in resource_spans.scope_spans:
            total += len(scope_spans.spans)
            spans.extend(
                _span(span, service, scope_spans.scope.name, resource)
                for span in scope_spans.spans
                if _is_valid(span)
            )
    return Export(spans, rejected=total - len(spans))


def _is_valid(span: trace_pb2.Span) -> bool:
    return (
        len(span.trace_id) == 16
        and any(span.trace_id)
        and len(span.span_id) == 8
        and any(span.span_id)
        and len(span.parent_span_id) in (0, 8)
        and 0 < span.start_time_unix_nano <= _MAX_TIME_NS
        and span.end_time_unix_nano <= _MAX_TIME_NS
    )


def _span(span: trace_pb2.Span, service: str, scope: str, resource: dict[str, Value]) -> Span:
    return Span(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_span_id=span.parent_span_id.hex() if any(span.parent_span_id) else "",
        name=span.name,
        service=service,
        kind=_name(_KINDS, span.kind),
        start_ns=span.start_time_unix_nano,
        end_ns=max(span.end_time_unix_nano, span.start_time_unix_nano),
        status=_name(_STATUSES, span.status.code),
        status_message=span.status.message,
        scope=scope,
        resource=resource,
        attributes=read_attributes(span.attributes),
        events=tuple(
            Event(event.name, event.time_unix_nano, read_attributes(event.attributes))
            for event in span.events
        ),
        links=tuple(
            Link(link.trace_id.hex(), link.span_id.hex(), read_attributes(link.attributes))
            for link in span.links
        ),
    )


def _name(names: tuple[str, ...], number: int) -> str:
    # Protobuf enums are open: a newer sender may use a number this table does not have.
    return names[number] if 0 <= number < len(names) else names[0]


def read_attributes(pairs: Iterable[KeyValue]) -> dict[str, Value]:
    """Attributes as plain values."""
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Value:
    match value.WhichOneof("value"):
        case "string_value":
            return value.string_value
        case "int_value":
            return value.int_value
        case "bool_value":
            return value.bool_value
        case "double_value":
            # JSON has no NaN and no infinity.
            return value.double_value if math.isfinite(value.double_value) else str(value.double_value)
        case "array_value":
            return [_value(item) for item in value.array_value.values]
        case "kvlist_value":
            return read_attributes(value.kvlist_value.values)
        case "bytes_value":
            return value.bytes_value.hex()
    return None
