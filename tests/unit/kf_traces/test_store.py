"""The store: summaries whatever the order of arrival, the ring, the search."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kf_traces.search import TraceFilter
from kf_traces.span import Event, Link, Span, Value
from kf_traces.store import Store

MB = 1024 * 1024
ROOT = "0" * 15 + "1"


def make_span(
    trace: int,
    number: int = 1,
    parent: int = 0,
    start: int = 100,
    end: int = 200,
    name: str = "step",
    error: str = "",
    attributes: dict[str, Value] | None = None,
    links: tuple[Link, ...] = (),
    events: tuple[Event, ...] = (),
) -> Span:
    return Span(
        trace_id=f"{trace:032x}",
        span_id=f"{number:016x}",
        parent_span_id=f"{parent:016x}" if parent else "",
        name=name,
        service=f"service-{number}",
        kind="internal",
        start_ns=start,
        end_ns=end,
        status="error" if error else "unset",
        status_message=error,
        scope="tests",
        resource={"service.name": f"service-{number}"},
        attributes=attributes or {},
        events=events,
        links=links,
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "new" / "traces.db", 64 * MB)
    yield store
    store.close()


def found(store: Store, text: str = "", **conditions: object) -> list[int]:
    rows = store.list_traces(TraceFilter(text=text, **conditions))  # type: ignore[arg-type]
    return [int(row["trace_id"], 16) for row in rows]


def only_row(store: Store) -> Any:
    assert not store.refresh()
    [row] = store.list_traces(TraceFilter())
    return json.loads(row["row"])


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_summary_is_the_same_in_any_order_of_arrival(store: Store, order: tuple[int, ...]) -> None:
    spans = [
        make_span(1, 1, start=100, end=150, name="root"),
        make_span(1, 2, parent=1, start=90, end=120, name="clock runs behind"),
        make_span(1, 3, parent=2, start=140, end=300, error="95018"),
    ]
    for position in order:
        store.add([spans[position]])

    row = only_row(store)

    assert (row["name"], row["service"], row["start_ns"], row["end_ns"]) == (
        "root",
        "service-1",
        90,
        300,
    )
    assert (row["span_count"], row["error_count"], row["error_message"]) == (3, 1, "95018")
    assert row["services"] == ["service-1", "service-2", "service-3"]


def test_a_repeated_export_changes_nothing(store: Store) -> None:
    span = make_span(1, error="x", attributes={"kf.msgid": "M"})
    store.add([span, span])
    store.add([span])

    assert store.totals()[:2] == (1, 1)
    assert only_row(store)["error_count"] == 1
    assert len(store.spans_with("kf.msgid", "M", 10)) == 1


def test_search_finds_ids_pairs_and_pieces_of_text(store: Store) -> None:
    event = Event("kf.retry", 150, {"kf.errcode": 45009})
    store.add(
        [make_span(1, name="发送 reply", attributes={"kf.msgid": "msg_1", "kf.ok": True, "net.peer": "a%b"})]
    )
    store.add([make_span(2, start=101, attributes={"kf.msgid": "msg_12", "net.port": 4222}, events=(event,))])

    assert found(store) == found(store, "msg") == [2, 1]
    assert found(store, "msg_1") == [1], "an exact id is not mixed with longer ones"
    assert (
        found(store, "发送")
        == found(store, "kf.ok=true")
        == found(store, "a%b")
        == found(store, "发送 msg_1")
        == [1]
    )
    assert found(store, "45009") == found(store, "net.port=4222") == found(store, f"{2:032x}") == [2]
    assert found(store, "m%g") == found(store, "发送 msg_12") == found(store, "kf.msgid=msg") == []


def test_list_pages_by_start_and_filters(store: Store) -> None:
    store.add([make_span(n, n, start=n, end=n * 11, error="e" if n == 3 else "") for n in (1, 2, 3, 4)])

    assert found(store, limit=2) == [4, 3]
    assert found(store, before=3) == [2, 1]
    assert found(store, min_ns=30) == [4, 3]
    assert found(store, status="error") == [3]
    assert found(store, status="ok") == [4, 2, 1]
    assert found(store, service="service-2") == [2]


def test_spans_are_found_by_any_attribute(store: Store) -> None:
    store.add([make_span(1, attributes={"kf.ids": ["a", "b"], "db.ok": False, "db.rows": 7})])

    for key, value in (("kf.ids", "b"), ("db.ok", "false"), ("db.rows", "7")):
        assert [row["span_id"] for row in store.spans_with(key, value, 10)] == [ROOT], key
    assert store.spans_with("kf.ids", "c", 10) == store.spans_with("db.rows", "8", 10) == []


def test_related_traces_are_those_linked_in_either_direction(store: Store) -> None:
    store.add([make_span(1), make_span(3, start=300)])
    store.add([make_span(2, links=(Link(f"{1:032x}", ROOT, {}), Link(f"{9:032x}", ROOT, {})))])

    def related(trace: int) -> list[int]:
        return [int(row["trace_id"], 16) for row in store.related_traces(f"{trace:032x}")]

    assert (related(1), related(2), related(3)) == ([2], [1], [])


def test_ring_drops_the_oldest_arrivals_and_all_that_belongs_to_them(tmp_path: Path) -> None:
    store = Store(tmp_path / "traces.db", 2 * MB)
    for trace in range(1, 1201):
        attributes: dict[str, Value] = {"kf.msgid": f"M{trace}", "padding": "x" * 4000}
        store.add([make_span(trace, start=10_000 - trace, attributes=attributes)])

    assert store.used_bytes() <= 2 * MB
    assert store.spans_with("kf.msgid", "M1", 1) == [] == store.trace_spans(f"{1:032x}")
    assert len(store.trace_spans(f"{1200:032x}")) == 1, "the newest arrival stays, however old it says it is"
    assert (tmp_path / "traces.db").stat().st_size < 4 * MB
    store.close()


def test_a_batch_that_fails_leaves_nothing_and_blocks_nothing(store: Store) -> None:
    impossible = make_span(2, start=2**63)
    with pytest.raises(OverflowError):
        store.add([make_span(1), impossible])

    store.add([make_span(3)])

    assert found(store) == [3]


def test_contents_survive_reopening_and_clear_forgets_them(tmp_path: Path) -> None:
    first = Store(tmp_path / "traces.db", MB)
    first.add([make_span(1)])
    first.close()
    second = Store(tmp_path / "traces.db", MB)
    assert found(second) == [1]

    second.clear()

    assert found(second) == []
    second.close()
