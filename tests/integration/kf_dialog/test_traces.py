"""The spans of a turn: whose child, whose link, and nothing of the customer's words in them."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from kf_cli import embedded
from kf_runtime import grpc as kf_grpc
from kf_runtime import telemetry
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.fakes.dialog import Town


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    if not isinstance(trace.get_tracer_provider(), TracerProvider):
        trace.set_tracer_provider(TracerProvider())
    provider = trace.get_tracer_provider()
    assert isinstance(provider, TracerProvider)
    exporter = InMemorySpanExporter()
    processor = SimpleSpanProcessor(exporter)
    provider.add_span_processor(processor)
    yield exporter
    processor.shutdown()


def named(exporter: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [span for span in exporter.get_finished_spans() if span.name == name]


def span_id(span: ReadableSpan) -> int:
    context = span.get_span_context()
    assert context is not None
    return context.span_id


def is_child(span: ReadableSpan, parent: ReadableSpan) -> bool:
    context = parent.get_span_context()
    return (
        span.parent is not None
        and context is not None
        and (span.parent.trace_id, span.parent.span_id) == (context.trace_id, context.span_id)
    )


async def test_a_merged_turn_is_the_newest_messages_child_and_links_the_others(
    town: Town, exporter: InMemorySpanExporter
) -> None:
    async with town.replica():
        msgids = [await town.say("wm1", text) for text in ("秘密一", "秘密二")]
        await town.replied(1)
    first, newest = named(exporter, "process kf.inbound.{open_kfid}")
    (turn,) = named(exporter, "turn")
    assert is_child(turn, newest)
    assert [link.context.span_id for link in turn.links] == [span_id(first)]
    for name in ("chat deepseek-chat", "commit turn", "publish kf.outbound.{open_kfid}"):
        (span,) = named(exporter, name)
        assert is_child(span, turn)
    searches = named(exporter, "kf_contracts.knowledge.v1.KnowledgeService/Search")
    ours = [span for span in searches if is_child(span, turn)]
    theirs = [span for span in searches if any(is_child(span, client) for client in ours)]
    assert {span.kind for span in ours} == {trace.SpanKind.CLIENT}
    assert [span.kind for span in theirs] == [trace.SpanKind.SERVER] * len(ours)
    assert turn.attributes is not None
    assert turn.attributes["kf.msgids"] == tuple(msgids)
    assert turn.attributes["kf.msgid"] == msgids[-1]
    assert turn.attributes["kf.outcome"] == "answered"
    (chat,) = named(exporter, "chat deepseek-chat")
    assert chat.attributes is not None
    assert chat.attributes["gen_ai.provider.name"] == "deepseek"
    assert chat.attributes["gen_ai.response.model"] == "deepseek-chat-v9"
    assert (chat.attributes["gen_ai.usage.input_tokens"], chat.attributes["gen_ai.usage.output_tokens"]) == (
        11,
        7,
    )


async def test_neither_words_nor_customer_ids_are_in_a_span(
    town: Town, exporter: InMemorySpanExporter, capfd: pytest.CaptureFixture[str]
) -> None:
    town.knowledge.add("秘密", "机密资料")
    async with town.replica():
        await town.say("wm-customer-id", "秘密问题在这里")
        await town.replied(1)
    everything = "".join(span.to_json() for span in exporter.get_finished_spans())
    output = "".join(capfd.readouterr())
    assert "turn.finished" in output
    for word in ("秘密", "机密", "答复", "wm-customer-id"):
        assert word not in everything
        assert word.encode("unicode_escape").decode() not in everything
        assert word not in output


async def test_the_stored_command_carries_the_turns_context(
    town: Town, exporter: InMemorySpanExporter
) -> None:
    async with town.replica():
        await town.say("wm1", "几点开门呢今天")
        await town.replied(1)
    (row,) = await town.rows("SELECT carrier FROM outbox")
    (turn,) = named(exporter, "turn")
    stored = trace.get_current_span(telemetry.context_from(json.loads(row["carrier"])))
    assert stored.get_span_context().span_id == span_id(turn)


async def test_readiness_follows_the_dependencies(town: Town) -> None:
    port = embedded.free_port()
    serving = health_pb2.HealthCheckResponse.SERVING

    async def status() -> int:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        reply = await stub.Check(
            health_pb2.HealthCheckRequest(service=kf_grpc.READY), timeout=5, wait_for_ready=True
        )
        return int(reply.status)

    async def becomes(wanted: bool) -> None:
        async with asyncio.timeout(30):
            while (await status() == serving) is not wanted:
                await asyncio.sleep(0.1)

    async with (
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
        town.replica(KF_DIALOG_HEALTH_PORT=str(port)),
    ):
        await becomes(True)
        await town.knowledge.stop()
        await becomes(False)
