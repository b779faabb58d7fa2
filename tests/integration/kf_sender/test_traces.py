"""From the stored command to WeCom's errcode it is one trace, and nothing private is in it."""

import asyncio
from collections.abc import Iterator

import kf_runtime.nats
import kf_sender.delivery
import kf_wecom.transport
import pytest
from kf_runtime.logging import hashed
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased

from tests.fakes.kf_desk import KfDesk
from tests.fakes.sampling import DropOrphanClientSpans
from tests.fakes.senders import OPEN_KFID, Office, command
from tests.fakes.wecom_api import Raw


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(sampler=ParentBased(DropOrphanClientSpans()))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(kf_sender.delivery, "tracer", provider.get_tracer("test"))
    monkeypatch.setattr(kf_runtime.nats, "tracer", provider.get_tracer("test"))
    monkeypatch.setattr(kf_wecom.transport, "_tracer", provider.get_tracer("test"))
    yield exporter
    provider.shutdown()


def edges(spans: tuple[ReadableSpan, ...]) -> set[tuple[str, str]]:
    by_id = {span.context.span_id: span for span in spans if span.context}
    return {(by_id[s.parent.span_id].name if s.parent else "", s.name) for s in spans}


async def test_every_attempt_is_in_the_trace_of_its_command(
    spans: InMemorySpanExporter, hall: Office, desk: KfDesk
) -> None:
    desk.swallow("wmA", Raw(drop=True))
    hall.start()
    await hall.publish(command("c1", text="秘密的话"))
    await hall.until_delivered("c1", "sent")
    await asyncio.sleep(0)
    found = spans.get_finished_spans()
    assert {
        ("", "publish kf.outbound.{open_kfid}"),
        ("publish kf.outbound.{open_kfid}", "process kf.outbound.{open_kfid}"),
        ("process kf.outbound.{open_kfid}", "send"),
        ("send", "POST /cgi-bin/kf/send_msg"),
        ("process kf.outbound.{open_kfid}", "publish kf.delivery.{open_kfid}"),
    } <= edges(found)
    sends = [dict(span.attributes or {}) for span in found if span.name == "send"]
    assert [(s["kf.attempt"], s["kf.outcome"], s.get("kf.errcode")) for s in sends] == [
        (1, "unknown", None),
        (2, "delivered", 95099),
    ]
    for facts in sends:
        assert (facts["kf.command_id"], facts["kf.part"], facts["kf.parts"]) == ("c1", 1, 1)
        assert (facts["kf.customer"], facts["kf.open_kfid"]) == (hashed("wmA"), OPEN_KFID)
        assert facts["kf.limiter_wait_ms"] >= 0  # type: ignore[operator]
    everything = str([(s.name, s.attributes, s.events, s.status.description) for s in found])
    for private in ("秘密", "wmA", "SecretToken", "test-secret"):
        assert private not in everything
    traces = {
        s.context.trace_id
        for s in found
        if s.context and s.name in ("send", "process kf.outbound.{open_kfid}")
    }
    assert len(traces) == 1
    assert trace.INVALID_TRACE_ID not in traces
