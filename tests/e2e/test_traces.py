"""What the services export: whole traces, only declared names, nothing of the customer's."""

import asyncio
import json
import re
from pathlib import Path
from time import monotonic

import httpx
import pytest
from kf_cli import journey
from kf_cli.simulator import Chat
from kf_cli.trace import Span

from tests.e2e import canaries
from tests.e2e.stack import Running, running_stack

DOCS = Path(__file__).parents[2] / "docs" / "telemetry.md"
# What one answered message must move; the others need a fault, a handover or prices.
EXPECTED = {
    "kf.answer.delay",
    "kf.messages.unanswered",
    "kf.messages.oldest_unanswered",
    "kf.turns",
    "gen_ai.client.operation.duration",
    "gen_ai.client.token.usage",
    "kf.retrieval.searches",
    "kf.retrieval.passages",
    "kf.send.attempts",
    "kf.limiter.wait",
    "kf.limiter.use",
    "kf.quota.left",
    "kf.commands",
    "kf.commands.oldest",
    "kf.circuit.open",
    "kf.queue.depth",
    "kf.queue.wait",
    "kf.token.refreshes",
    "http.client.request.duration",
    "http.server.request.duration",
    "messaging.process.duration",
    "messaging.client.operation.duration",
    "rpc.client.call.duration",
    "rpc.server.call.duration",
}
FIRST, SECOND = "扫地机器人 X2 Pro 多少钱？", "请问支持货到付款吗？我的电话是 13800138000"


def declared_spans() -> re.Pattern[str]:
    """One pattern for every name of the page's first table; `{anything}` stands for any text."""
    table = DOCS.read_text(encoding="utf-8").split("## Spans")[1].split("## ")[0]
    names = re.findall(r"^\| `([^`]+)`", table, re.MULTILINE)
    return re.compile("|".join(re.sub(r"\\\{[^{}]*\\\}", "[^?=]+", re.escape(name)) for name in names))


def declared_metrics() -> dict[str, tuple[str, str, set[str], set[str]]]:
    """name → kind, unit, services, attributes; of the table about what the services send."""
    table = DOCS.read_text(encoding="utf-8").split("### Of the services")[1].split("## ")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in table.splitlines()
        if line[:3] == "| `"
    ]
    return {
        row[0].strip("`"): (row[1], row[2], set(row[3].split(", ")), set(re.findall(r"`([^`]+)`", row[4])))
        for row in rows
    }


async def undeclared_metrics(run: Running) -> list[str]:
    """What the services' metrics hold that the page does not declare."""
    async with httpx.AsyncClient(base_url=run.stack.layout.traces_url, trust_env=False) as client:
        points = (await client.get("/api/metrics")).json()["metrics"]
    declared, found = declared_metrics(), []
    for point in points:
        kind, unit, services, attributes = declared.get(point["name"], ("", "", set(), set()))
        told = "counter" if point["kind"] == "sum" else point["kind"]
        if (told, point["unit"]) != (kind, unit) or point["service"].removeprefix("kf-") not in services:
            found.append(f"{point['service']} {point['name']} {told} {point['unit']}")
        found += [f"{point['name']} {name}" for name in set(point["attributes"]) - attributes]
    return found + [f"{name} is not emitted" for name in EXPECTED - {point["name"] for point in points}]


def declared_attributes() -> set[str]:
    text = DOCS.read_text(encoding="utf-8").split("## Attributes of our own")[1]
    return set(re.findall(r"`([a-z_.]+)`", text))


async def exported(run: Running) -> dict[str, list[Span]]:
    """Every span that the dashboard holds, by trace."""
    async with httpx.AsyncClient(base_url=run.stack.layout.traces_url, trust_env=False) as client:
        listed = (await client.get("/api/traces", params={"limit": 500})).json()["traces"]
    return {trace["trace_id"]: await run.traces.spans(trace["trace_id"]) for trace in listed}


async def whole_trace(run: Running, msgid: str) -> list[Span]:
    """The message's trace once its answer was sent; spans arrive a moment after the message."""
    for trace_id in await run.traces.find(msgid):
        return journey.of_message(await run.traces.spans(trace_id), msgid)
    return []


async def list_says(run: Running, msgids: list[str]) -> dict[str, str | None]:
    """What the dashboard's list tells of these messages: msgid → outcome, or that it is unanswered."""
    said: dict[str, str | None] = {}
    async with httpx.AsyncClient(base_url=run.stack.layout.traces_url, trust_env=False) as client:
        for query in ({"limit": 500}, {"unanswered": 1}):
            for trace in (await client.get("/api/traces", params=query)).json()["traces"]:
                for msgid in set(trace["msgids"]) & set(msgids):
                    said[msgid] = "unanswered" if "unanswered" in query else trace["outcome"]
    return said


async def burst(run: Running, chat: Chat) -> list[str]:
    return [await run.simulator.write(chat, text) for text in (FIRST, SECOND)]


@pytest.mark.timeout(300)
async def test_traces_are_whole_declared_and_silent_about_the_customer(tmp_path: Path) -> None:
    async with running_stack(tmp_path, settings={"OTEL_METRIC_EXPORT_INTERVAL": "1000"}) as run:
        chat = await run.simulator.meet(run.account("shop"), "小林")
        older, newest = await burst(run, chat)
        assert "2999" in (await run.reply_to(chat))[0]

        wanted = journey.RECEIVED + journey.ANSWERED + journey.THOUGHT
        lacking = ["no trace yet"]
        deadline = monotonic() + 30.0
        while lacking and monotonic() < deadline:
            await asyncio.sleep(0.5)
            lacking = journey.missing(await whole_trace(run, newest), wanted)
        assert lacking == []
        spans = await whole_trace(run, newest)
        merged = journey.accepted(await whole_trace(run, older), older)
        assert merged is not None
        assert journey.unlinked(spans, [merged]) == 0

        assert await list_says(run, [older, newest]) == {older: "delivered", newest: "delivered"}

        strange = ["no metrics yet"]
        while strange and monotonic() < deadline + 30.0:
            await asyncio.sleep(0.5)
            strange = await undeclared_metrics(run)
        assert strange == []
        measured = await metrics_text(run)
        layout = run.stack.layout
        assert canaries.leaks(await canaries.planted(layout), await canaries.told(layout, tmp_path)) == []

        everything = [span for trace in (await exported(run)).values() for span in trace]
        secrets = [chat.external_userid, "13800138000", "货到付款", "2999 元", *credentials(run)]
    names, attributes = declared_spans(), declared_attributes()
    assert sorted({s.name for s in everything if not names.fullmatch(s.name)}) == []
    assert sorted({a for s in everything for a in s.attributes} - attributes) == []
    told = "\n".join(json.dumps([s.name, s.attributes], ensure_ascii=False) for s in everything)
    told += measured
    told += (tmp_path / "children.log").read_text(encoding="utf-8")
    told += "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "data" / "logs").glob("*.log"))
    # "2999" alone stands in some hash or duration sooner or later; a log may write Chinese as \u escapes.
    secrets += [json.dumps(secret)[1:-1] for secret in secrets]
    assert [secret for secret in secrets if secret in told] == []


async def metrics_text(run: Running) -> str:
    async with httpx.AsyncClient(base_url=run.stack.layout.traces_url, trust_env=False) as client:
        return (await client.get("/api/metrics")).text


def credentials(run: Running) -> list[str]:
    made_up = run.stack.layout.credentials
    return [made_up.kf_secret, made_up.encoding_aes_key, made_up.model_api_key]
