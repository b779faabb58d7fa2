from collections.abc import Iterator
from pathlib import Path

import pytest
from kf_runtime import postgres, query_spans
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

SQL = "SELECT $1::text AS secret"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[TracerProvider, InMemorySpanExporter]]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(query_spans, "tracer", provider.get_tracer("test"))
    monkeypatch.setattr(query_spans, "SLOW_SECONDS", 0.0)
    query_spans.register({"read_secret": SQL})
    yield provider, exporter
    provider.shutdown()


async def run(database_url: str, provider: TracerProvider, *statements: str, traced: bool = True) -> None:
    async with await postgres.connect(database_url, "demo") as pool, pool.acquire() as connection:
        if traced:
            with provider.get_tracer("test").start_as_current_span("turn"):
                await _all(connection, statements)
        else:
            await _all(connection, statements)


async def _all(connection: object, statements: tuple[str, ...]) -> None:
    async with connection.transaction():  # type: ignore[attr-defined]
        for sql in statements:
            await connection.fetch(sql, *(["13800138000"] if "$1" in sql else []))  # type: ignore[attr-defined]


async def test_a_statement_is_a_child_named_as_in_its_file_and_holds_no_argument(
    database_url: str, spans: tuple[TracerProvider, InMemorySpanExporter]
) -> None:
    await run(database_url, spans[0], SQL)
    statement, turn = spans[1].get_finished_spans()
    assert (statement.name, turn.name) == ("sql read_secret", "turn")
    assert parent(statement) == span_id(turn)
    assert "13800138000" not in statement.to_json()
    assert SQL not in statement.to_json()


async def test_a_failed_statement_is_an_error_span(
    database_url: str, spans: tuple[TracerProvider, InMemorySpanExporter]
) -> None:
    with pytest.raises(Exception, match="nowhere"):
        await run(database_url, spans[0], "SELECT * FROM nowhere")
    statement = next(span for span in spans[1].get_finished_spans() if span.name == "sql SELECT")
    assert statement.status.status_code is StatusCode.ERROR
    assert (statement.attributes or {})["error.type"] == "UndefinedTableError"


async def test_a_quick_statement_has_no_span(
    database_url: str,
    spans: tuple[TracerProvider, InMemorySpanExporter],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(query_spans, "SLOW_SECONDS", 30.0)
    await run(database_url, spans[0], SQL)
    assert [span.name for span in spans[1].get_finished_spans()] == ["turn"]


async def test_polling_outside_a_trace_makes_no_span(
    database_url: str, spans: tuple[TracerProvider, InMemorySpanExporter]
) -> None:
    await run(database_url, spans[0], SQL, traced=False)
    assert spans[1].get_finished_spans() == ()


def test_the_names_of_a_services_file_are_known(tmp_path: Path) -> None:
    queries = postgres.load_queries("kf_dialog")
    assert all(query_spans._names[sql] == name for name, sql in vars(queries).items())


def parent(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent else None


def span_id(span: ReadableSpan) -> int | None:
    context = span.get_span_context()
    return context.span_id if context else None
