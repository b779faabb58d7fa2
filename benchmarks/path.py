"""What the whole path adds to an answer, from the customer's message to send_msg, at several rates.

    python -m benchmarks.path [--seconds 20] [--most 20] [--json FILE]

One process of each service, `--seconds` at each rate; every message is another customer's, so that none waits
for another, and neither merging nor the limiter is in the way. Added is the time from the write until WeCom
took the answer, less the model's own. The simulator, PostgreSQL, NATS and the customers share the machine.
"""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import asyncpg
from kf_runtime import nats as kf_nats

from benchmarks.measured import Figure
from benchmarks.result import Curve, Result, Row, run
from benchmarks.tracing import RATE, cpu, sent
from tests.e2e.stack import Running, running_stack
from tests.e2e.test_crashes import QUESTIONS

SETTINGS = {**RATE, "KF_DIALOG_MERGE_MS": "0"}
RATES = (1, 2, 5, 10, 20, 50, 100, 200)
ANSWER_SECONDS = 120.0
_SENT = """
SELECT t.msgids[1] AS msgid, p.sent_at, t.model_seconds, t.search_seconds
FROM dialog.turn t
JOIN sender.command c USING (open_kfid, external_userid, turn_id)
JOIN sender.part p USING (open_kfid, external_userid, command_id)
"""
_TABLES = """
SELECT sum(pg_total_relation_size(c.oid))::bigint
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname IN ('dialog', 'sender') AND c.relkind = 'r'
"""
# Spans that follow one another on the way of a message; a turn's own part is what search and model leave.
_STATIONS = (
    ("callback: verify, decrypt, publish", "kf-gateway", "POST /wecom/callback", ()),
    ("sync_msg, as the simulator answers it", "kf-gateway", "POST /cgi-bin/kf/sync_msg", ()),
    ("one page published", "kf-gateway", "pull page", ()),
    ("into dialog's inbox", "kf-dialog", "process kf.inbound.{open_kfid}", ()),
    ("turn without search and model", "kf-dialog", "turn", ("%KnowledgeService/Search", "chat %")),
    ("search", "kf-dialog", "kf_contracts.knowledge.v1.KnowledgeService/Search", ()),
    ("into the sender's ledger", "kf-sender", "process kf.outbound.{open_kfid}", ()),
    ("send", "kf-sender", "send", ()),
)


@dataclass(frozen=True)
class Level:
    """One rate: added seconds of every message, search seconds, CPU of the services."""

    rate: float
    added: list[float]
    searched: list[float]
    cores: float
    spent: dict[str, float]
    """CPU seconds of each service by message."""


async def level(run: Running, rate: float, seconds: float) -> Level:
    """Write at a rate for so long, wait for every answer, and read what it took."""
    number = max(10, int(rate * seconds))
    account = run.account("shop")
    chats = [await run.simulator.meet(account, f"顾客{n}") for n in range(number)]
    goal, before, began = await sent(run) + number, cpu(run), time.monotonic()
    written: dict[str, float] = {}

    async def write(position: int, question: str) -> None:
        await asyncio.sleep(max(0.0, began + position / rate - time.monotonic()))
        at = time.time()
        written[await run.simulator.write(chats[position], question)] = at

    questions = cycle(QUESTIONS)
    async with asyncio.TaskGroup() as group:
        for position in range(number):
            group.create_task(write(position, next(questions)))
    deadline = time.monotonic() + ANSWER_SECONDS
    while await sent(run) < goal and time.monotonic() < deadline:  # noqa: ASYNC110 - others do it
        await asyncio.sleep(0.2)
    spent = {service: seconds - before[service] for service, seconds in cpu(run).items()}
    cores = sum(spent.values()) / (time.monotonic() - began)
    rows = [row for row in await _rows(run) if row["msgid"] in written]
    assert len(rows) >= number, f"{len(rows)} of {number} answered"
    added = [row["sent_at"].timestamp() - written[row["msgid"]] - row["model_seconds"] for row in rows]
    searched = [row["search_seconds"] for row in rows]
    return Level(rate, added, searched, cores, {name: seconds / number for name, seconds in spent.items()})


async def _rows(run: Running) -> list[asyncpg.Record]:
    await asyncio.sleep(1.0)
    connection = await asyncpg.connect(run.stack.layout.database_url)
    try:
        return list(await connection.fetch(_SENT))
    finally:
        await connection.close()


def stations(run: Running) -> dict[str, float]:
    """Median milliseconds of each station, from the traces so far."""
    found = {}
    with closing(sqlite3.connect(run.stack.layout.data / "traces" / "traces.db")) as database:
        for title, service, name, without in _STATIONS:
            inner = " OR ".join(["i.name LIKE ?"] * len(without)) or "0"
            rows = database.execute(
                "SELECT (s.end_ns - s.start_ns - coalesce((SELECT sum(i.end_ns - i.start_ns) FROM spans i "
                f"WHERE i.trace = s.trace AND i.parent_span_id = s.span_id AND ({inner})), 0)) / 1e6 "
                "FROM spans s WHERE s.service = ? AND s.name = ?",
                (*without, service, name),
            ).fetchall()
            found[title] = statistics.median(row[0] for row in rows) if rows else 0.0
    return found


async def stored(run: Running) -> dict[str, float]:
    """Bytes that a message leaves: rows and indexes of dialog and sender, and the streams that are kept."""
    await asyncio.sleep(1.0)
    connection = await asyncpg.connect(run.stack.layout.database_url)
    try:
        messages = await connection.fetchval("SELECT count(*) FROM dialog.inbox WHERE origin = 3")
        tables = await connection.fetchval(_TABLES)
    finally:
        await connection.close()
    client = await kf_nats.connect(run.stack.layout.nats_url, "benchmark")
    js = client.jetstream()
    kept = [(await js.stream_info(name)).state.bytes for name in ("KF_INBOUND", "KF_DELIVERY")]
    await client.close()
    return {"PostgreSQL": tables / messages, "JetStream": sum(kept) / messages}


def percentile(values: list[float], share: float) -> float:
    """In milliseconds."""
    return 1000 * sorted(values)[int(share * (len(values) - 1))]


async def levels(
    folder: Path, seconds: float, most: float
) -> tuple[list[Level], dict[str, float], dict[str, float]]:
    """Every rate up to `most`, the stations at the lowest, and the bytes of a message."""
    found: list[Level] = []
    async with running_stack(folder, settings=SETTINGS) as running:
        await level(running, 2, 5)  # warms up
        alone: dict[str, float] = {}
        for rate in (rate for rate in RATES if rate <= most):
            found.append(await level(running, rate, seconds))
            print(f"{rate} messages/s: {percentile(found[-1].added, 0.5):.0f} ms", flush=True)
            alone = alone or stations(running)
        return found, alone, await stored(running)


def measure(seconds: float, most: float) -> Result:
    """One run."""
    with tempfile.TemporaryDirectory() as folder:
        found, alone, sizes = asyncio.run(levels(Path(folder), seconds, most))
    rows = []
    for one in found:
        figure = Figure(*(percentile(one.added, share) for share in (0.5, 0.95, 0.99)))
        told = f"added at {one.rate:g} messages/s: p50, (p95 to p99)"
        met = figure.low <= 60 and figure.high <= 100
        rows.append(Row(told, "ms", figure, "p95 ≤ 60, p99 ≤ 100", met=met))
    for service, cost in found[-1].spent.items():
        rows.append(Row(f"CPU of a message, {service}", "ms", Figure.one(1000 * cost), digits=1))
    for place, size in sizes.items():
        rows.append(Row(f"bytes of a message, {place}", "bytes", Figure.one(size)))
    rows += [Row(f"station: {title}", "ms", Figure.one(ms), digits=1) for title, ms in alone.items()]
    whole = percentile(found[0].added, 0.5)
    together = sum(alone.values())
    rest = "the rest is waiting between them: the notice's way, doorbells, the simulator"
    search = percentile([seconds for one in found for seconds in one.searched], 0.5)
    notes = [
        f"Stations: medians at {found[0].rate:g}/s. Together {together:.0f} of {whole:.0f} ms; {rest}.",
        f"Search alone, median over all rates: {search:.0f} ms.",
    ]
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    latency = {n: [(one.rate, percentile(one.added, s)) for one in found] for n, s in shares.items()}
    busy = {"four services": [(one.rate, one.cores) for one in found]}
    curves = [
        Curve("Added latency", "messages/s", "ms", latency),
        Curve("CPU of the services", "messages/s", "cores", busy),
    ]
    return Result("path", rows, curves, notes)


if __name__ == "__main__":
    run(measure, __doc__ or "", seconds=20.0, most=20.0)
