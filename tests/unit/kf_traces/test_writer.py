"""The writer: group commit, bounded memory, a failing disk."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from kf_traces.otlp import parse_export
from kf_traces.span import Span
from kf_traces.store import Store
from kf_traces.writer import OverloadedError, StoreFailedError, Writer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


def spans(trace: int, count: int = 1) -> list[Span]:
    export = ExportTraceServiceRequest()
    scope = export.resource_spans.add().scope_spans.add()
    for number in range(1, count + 1):
        scope.spans.add(
            trace_id=trace.to_bytes(16), span_id=number.to_bytes(8), name="step", start_time_unix_nano=5
        )
    return parse_export(export.SerializeToString()).spans


class FailingStore(Store):
    """A store whose disk is full for the first batch."""

    failures = 1

    def add(self, spans: Sequence[Span]) -> None:
        if self.failures:
            self.failures -= 1
            raise OSError("no space left on device")
        super().add(spans)


async def test_submitted_spans_are_readable_when_submit_returns(tmp_path: Path) -> None:
    store = Store(tmp_path / "traces.db", 2**20)
    writer = Writer(store)
    task = asyncio.create_task(writer.run())

    await asyncio.gather(*(writer.submit(spans(trace, 3)) for trace in range(1, 21)))

    assert store.totals()[:2] == (20, 60)
    writer.close()
    await task
    store.close()


async def test_beyond_the_bound_an_export_is_refused_and_what_waits_is_written(tmp_path: Path) -> None:
    store = Store(tmp_path / "traces.db", 2**20)
    writer = Writer(store, max_pending_spans=5)
    waiting = asyncio.create_task(writer.submit(spans(1, 4)))
    await asyncio.sleep(0)

    with pytest.raises(OverloadedError):
        await writer.submit(spans(2, 2))
    task = asyncio.create_task(writer.run())
    await waiting

    assert store.totals()[:2] == (1, 4)
    writer.close()
    await task
    store.close()


async def test_a_failed_batch_is_told_and_the_next_one_is_written(tmp_path: Path) -> None:
    store = FailingStore(tmp_path / "traces.db", 2**20)
    writer = Writer(store)
    task = asyncio.create_task(writer.run())

    with pytest.raises(StoreFailedError):
        await writer.submit(spans(1))
    await writer.submit(spans(1))

    assert store.totals()[:2] == (1, 1)
    writer.close()
    await task
    store.close()


async def test_close_writes_what_waits_and_refuses_what_comes_later(tmp_path: Path) -> None:
    store = Store(tmp_path / "traces.db", 2**20)
    writer = Writer(store)
    waiting = asyncio.create_task(writer.submit(spans(1)))
    await asyncio.sleep(0)

    writer.close()
    await writer.run()
    await waiting

    assert store.totals()[:2] == (1, 1)
    with pytest.raises(OverloadedError):
        await writer.submit(spans(2))
    store.close()


async def test_an_empty_export_is_answered_at_once(tmp_path: Path) -> None:
    writer = Writer(Store(tmp_path / "traces.db", 2**20))
    task = asyncio.create_task(writer.run())
    async with asyncio.timeout(10):
        await writer.submit([])
    writer.close()
    await task
