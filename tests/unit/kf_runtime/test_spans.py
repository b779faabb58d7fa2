"""Our tracers beside the SDK's: what they keep, drop, inherit and say of errors."""

import asyncio
import contextlib
from enum import StrEnum

import pytest
from kf_runtime import telemetry
from kf_runtime.spans import Ended, Tracer, Tracers
from opentelemetry import trace
from opentelemetry.trace import Link, SpanKind, Status, StatusCode


class Outcome(StrEnum):
    SENT = "sent"


@pytest.fixture
def kept() -> list[Ended]:
    return []


@pytest.fixture
def tracer(kept: list[Ended]) -> Tracer:
    return Tracers(lambda _, span: kept.append(span)).get_tracer("t")


def test_children_share_the_trace_and_name_their_parent(tracer: Tracer, kept: list[Ended]) -> None:
    with tracer.start_as_current_span("turn", kind=SpanKind.CONSUMER):
        with tracer.start_as_current_span("search", kind=SpanKind.CLIENT, attributes={"kf.items": 2}) as span:
            span.set_attributes({"kf.outcome": Outcome.SENT, "kf.msgids": ("a", "b"), "flag": True})
        tracer.start_span("sql x", kind=SpanKind.CLIENT, start_time=5).end(9)
    search, sql, turn = kept
    assert (search.parent_id, sql.parent_id, turn.parent_id) == (turn.span_id, turn.span_id, 0)
    assert {span.trace_id for span in kept} == {turn.trace_id}
    assert search.attributes == {
        "kf.items": 2,
        "kf.outcome": "sent",
        "kf.msgids": ["a", "b"],
        "flag": True,
    }
    assert type(search.attributes["kf.outcome"]) is str
    assert (sql.start_ns, sql.end_ns, turn.kind) == (5, 9, SpanKind.CONSUMER.value)


def test_a_polling_query_makes_no_trace_and_one_inside_a_turn_does(tracer: Tracer, kept: list[Ended]) -> None:
    with tracer.start_as_current_span("SELECT", kind=SpanKind.CLIENT):
        tracer.start_span("below a dropped one").end()
    with tracer.start_as_current_span("turn"):
        tracer.start_span("SELECT", kind=SpanKind.CLIENT).end()
    assert [span.name for span in kept] == ["SELECT", "turn"]


def test_what_an_exception_said_is_not_kept(tracer: Tracer, kept: list[Ended]) -> None:
    with contextlib.suppress(ValueError), tracer.start_as_current_span("send"):
        raise ValueError("DETAIL: Failing row contains (13800138000)")
    (sent,) = kept
    assert "13800138000" not in str(sent)
    assert (sent.status, sent.status_text) == (StatusCode.ERROR.value, "ValueError")
    assert [(name, attributes) for _, name, attributes in sent.events] == [
        ("exception", {"exception.type": "ValueError"})
    ]


def test_errors_can_be_left_to_the_span_itself(tracer: Tracer, kept: list[Ended]) -> None:
    with (
        contextlib.suppress(ValueError),
        tracer.start_as_current_span("chat", record_exception=False, set_status_on_exception=False) as span,
    ):
        span.set_status(Status(StatusCode.ERROR, "timeout"))
        raise ValueError
    assert (kept[0].status_text, kept[0].events) == ("timeout", ())


def test_a_cancelled_work_is_no_error(tracer: Tracer, kept: list[Ended]) -> None:
    with contextlib.suppress(asyncio.CancelledError), tracer.start_as_current_span("turn"):
        raise asyncio.CancelledError
    assert (kept[0].status, kept[0].events) == (0, ())


def test_a_stored_context_is_the_parent_or_a_link(tracer: Tracer, kept: list[Ended]) -> None:
    with tracer.start_as_current_span("first") as first:
        stored = telemetry.carrier()
    parent = telemetry.context_from(stored)
    with tracer.start_as_current_span("later", parent, links=telemetry.link_to(stored)):
        pass
    later = kept[1]
    assert (later.trace_id, later.parent_id) == (kept[0].trace_id, kept[0].span_id)
    assert later.parent_is_remote
    assert later.links == ((kept[0].trace_id, kept[0].span_id, True, {}),)
    assert isinstance(Link(first.get_span_context()), Link)


def test_the_sdks_unsampled_parent_stays_unsampled(tracer: Tracer, kept: list[Ended]) -> None:
    parent = telemetry.context_from({"traceparent": f"00-{1:032x}-{2:016x}-00"})
    with tracer.start_as_current_span("s", parent) as span:
        assert not span.is_recording()
        assert span.get_span_context().trace_id == 1
    assert kept == []
    assert not trace.get_current_span().get_span_context().is_valid
