from kf_runtime import telemetry
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider


def test_a_stored_carrier_leads_back_to_its_span() -> None:
    with TracerProvider().get_tracer("t").start_as_current_span("s") as span:
        stored = telemetry.carrier()
    found = trace.get_current_span(telemetry.context_from(stored)).get_span_context()
    assert (found.trace_id, found.span_id) == (
        span.get_span_context().trace_id,
        span.get_span_context().span_id,
    )
    assert telemetry.link_to(stored)[0].context.span_id == found.span_id


def test_only_the_trace_context_travels() -> None:
    with TracerProvider().get_tracer("t").start_as_current_span("s"):
        assert set(telemetry.carrier()) <= {"traceparent", "tracestate"}


def test_no_carrier_or_a_broken_one_gives_an_empty_context() -> None:
    for headers in (None, {}, {"traceparent": "nonsense"}):
        assert not trace.get_current_span(telemetry.context_from(headers)).get_span_context().is_valid
        assert telemetry.link_to(headers) == []
