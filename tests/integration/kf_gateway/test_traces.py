"""One customer message is one trace: callback, notice, pull, inbound."""

import asyncio
from collections.abc import Iterator

import kf_gateway.callback
import kf_gateway.puller
import kf_runtime.nats
import kf_wecom.transport
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased
from opentelemetry.trace import SpanKind, StatusCode

from tests.fakes.gateway import Replica, until
from tests.fakes.gateway_http import http_gateway, notice_xml
from tests.fakes.kf_account import KfAccounts
from tests.fakes.sampling import DropOrphanClientSpans


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(sampler=ParentBased(DropOrphanClientSpans()))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    for module in (kf_gateway.callback, kf_gateway.puller, kf_runtime.nats):
        monkeypatch.setattr(module, "tracer", provider.get_tracer("test"))
    monkeypatch.setattr(kf_wecom.transport, "_tracer", provider.get_tracer("test"))
    yield exporter
    provider.shutdown()


def edges(spans: tuple[ReadableSpan, ...]) -> set[tuple[str, str]]:
    by_id = {span.context.span_id: span for span in spans if span.context}
    return {(by_id[s.parent.span_id].name if s.parent else "", s.name) for s in spans}


async def test_callback_notice_pull_and_inbound_are_one_trace(
    spans: InMemorySpanExporter, gateway: Replica, nats_server: object, nats_url: str, wecom: KfAccounts
) -> None:
    wecom.write("wk1", "m1", "m2")
    async with http_gateway(nats_url) as front:
        assert (await front.post(notice_xml("wk1", token="ENCsecret"))).status_code == 200
    worker = asyncio.create_task(gateway.consume())
    await until(lambda: any(s.name == "process kf.notice.{open_kfid}" for s in spans.get_finished_spans()))
    gateway.stop.set()
    await worker
    found = spans.get_finished_spans()
    assert {
        ("", "POST /wecom/callback"),
        ("POST /wecom/callback", "publish kf.notice.{open_kfid}"),
        ("publish kf.notice.{open_kfid}", "process kf.notice.{open_kfid}"),
        ("process kf.notice.{open_kfid}", "POST /cgi-bin/kf/sync_msg"),
        ("process kf.notice.{open_kfid}", "pull page"),
        ("pull page", "publish kf.inbound.{open_kfid}"),
    } <= edges(found)
    assert len({s.context.trace_id for s in found if s.context}) == 1
    assert "ENCsecret" not in str([(s.name, s.attributes, s.events) for s in found])
    assert "text of m1" not in str([(s.name, s.attributes, s.events) for s in found])


async def test_the_server_span_says_how_it_went(spans: InMemorySpanExporter, nats_url: str) -> None:
    async with http_gateway(nats_url) as front:
        await front.post(notice_xml("wk1"))
        await front.http.post("/wecom/callback?nonce=secret", content=b"<Encrypt>AAAA</Encrypt>")
    good, bad = [s for s in spans.get_finished_spans() if s.kind is SpanKind.SERVER]
    assert good.attributes is not None
    assert good.attributes["http.response.status_code"] == 200
    assert good.attributes["kf.open_kfid"] == "wk1"
    assert bad.attributes is not None
    assert bad.attributes["http.response.status_code"] == 400
    assert bad.attributes["kf.outcome"] == "missing_parameters"
    assert "secret" not in str(bad.attributes)


async def test_a_poll_without_news_leaves_no_trace(
    spans: InMemorySpanExporter, gateway: Replica, wecom: KfAccounts
) -> None:
    wecom.items["wk1"] = []
    await gateway.poller.poll_once()
    assert len(wecom.pulls()) == 1
    assert spans.get_finished_spans() == ()


async def test_waiting_for_the_other_puller_is_no_error(
    spans: InMemorySpanExporter, gateway: Replica, wecom: KfAccounts
) -> None:
    worker = asyncio.create_task(gateway.consume())
    async with gateway.leases.hold("wk1"):
        await gateway.notify("wk1")
        await until(lambda: any("process" in s.name for s in spans.get_finished_spans()))
    gateway.stop.set()
    await worker
    processed = [s for s in spans.get_finished_spans() if "process" in s.name]
    assert all(s.status.status_code is not StatusCode.ERROR for s in processed)
