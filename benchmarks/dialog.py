"""What the dialog service adds to model and search: many customers at once against one replica.

Run from the root: `.venv/bin/python -m benchmarks.dialog [--customers 300] [--rounds 4] [--think 10]`.
It prints one JSON line. Customers write, read the answer for `--think` seconds on average, and write again.
The model sleeps `--model` seconds; for `--slow` of the customers five times as long, so that waiting for
others would show. Overhead is the time from a turn's due time to its commit, less what the model slept.
`own_clock` takes what the service itself counted as model and search instead. `published` ends at the message
on KF_OUTBOUND. PostgreSQL and NATS are real and flush to the disk; model, knowledge and customers run in
processes of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import random
import sys
import tempfile
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import asyncpg
import psutil
from kf_cli import config, embedded, readiness
from kf_contracts import streams
from kf_contracts.events import MessageReceived, SendReply
from kf_runtime import nats as kf_nats
from nats.aio.msg import Msg

ACCOUNT = "wkBench"
SLOW_FACTOR = 5
ANSWER = "整机保修两年，电池保修一年。"
SCHEMA = """
CREATE TABLE public.bench_turn (
    turn_id text, customer text, due_at timestamptz, stored_at timestamptz, own_seconds float8
);
CREATE FUNCTION public.bench_turn() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.bench_turn
    SELECT NEW.turn_id, NEW.external_userid, c.due_at, clock_timestamp(),
        NEW.search_seconds + NEW.model_seconds
    FROM dialog.conversation AS c
    WHERE c.open_kfid = NEW.open_kfid AND c.external_userid = NEW.external_userid;
    RETURN NULL;
END $$;
CREATE TRIGGER bench_turn AFTER INSERT ON dialog.turn FOR EACH ROW EXECUTE FUNCTION public.bench_turn();
"""


@dataclass
class Load:
    """The customers, and what they saw."""

    customers: int
    rounds: int
    think: float
    seed: int = 1
    waiting: dict[str, asyncio.Future[None]] = field(default_factory=dict)
    published: dict[str, float] = field(default_factory=dict)
    """Wall-clock time at which each turn's reply was on the stream."""


def slow(customer: str, share: float) -> bool:
    """Whether the model takes long for this customer."""
    return int(customer.removeprefix("c")) % 100 < 100 * share


def run_peers(pipe: Connection, model_seconds: float, slow_share: float) -> None:
    """Model and knowledge service in a process of their own; sends (model's base URL, gRPC target)."""
    asyncio.run(_serve_peers(pipe, model_seconds, slow_share))


async def _serve_peers(pipe: Connection, model_seconds: float, slow_share: float) -> None:
    from tests.fakes.chat_model import FakeModel
    from tests.fakes.knowledge import FakeKnowledge

    async with FakeModel() as model, FakeKnowledge() as knowledge:
        knowledge.add("保修", ANSWER, question="保修多久？")
        model.reply = lambda _: f"{ANSWER} [[p1]]"

        def delay(prompt: list[dict[str, str]]) -> float:
            customer = prompt[-1]["content"].rpartition("#")[2]
            return model_seconds * (SLOW_FACTOR if slow(customer, slow_share) else 1)

        model.delay = delay
        pipe.send((model.base_url, knowledge.target))
        await asyncio.Event().wait()


async def converse(js: Any, load: Load) -> None:
    """All customers at once."""
    dice = random.Random(load.seed)
    async with asyncio.TaskGroup() as group:
        for number in range(load.customers):
            group.create_task(_customer(js, load, f"c{number}", random.Random(dice.random())))


async def _customer(js: Any, load: Load, customer: str, dice: random.Random) -> None:
    await asyncio.sleep(dice.random() * max(load.think, 0.001))
    for number in range(load.rounds):
        answered = load.waiting[customer] = asyncio.get_running_loop().create_future()
        await _say(js, customer, f"{customer}-{number}", f"请问你们的扫地机器人整机保修多久？ #{customer}")
        async with asyncio.timeout(120):
            await answered
        await asyncio.sleep(dice.uniform(0.5, 1.5) * load.think)


async def _say(js: Any, customer: str, msgid: str, text: str) -> None:
    now = datetime.now(UTC)
    who = {"open_kfid": ACCOUNT, "external_userid": customer, "msgid": msgid, "origin": 3, "msgtype": "text"}
    item = {**who, "send_time": int(now.timestamp()), "text": {"content": text}}
    event = MessageReceived.model_validate({**who, "send_time": now, "item": item})
    await kf_nats.publish(
        js, f"kf.inbound.{ACCOUNT}", event.encode(), msg_id=msgid, template="kf.inbound.{open_kfid}"
    )


@asynccontextmanager
async def replica(asked: argparse.Namespace, folder: Path, peers: tuple[str, str]) -> AsyncIterator[Process]:
    """One process of the service, ready."""
    port = embedded.free_port()
    settings = {
        "NATS_URL": asked.nats_url,
        "DATABASE_URL": asked.database_url,
        "DEEPSEEK_API_KEY": "key",
        "DEEPSEEK_BASE_URL": peers[0],
        "KF_DIALOG_KNOWLEDGE_TARGET": peers[1],
        "KF_DIALOG_HEALTH_PORT": str(port),
        **({"KF_DIALOG_TURN_WORKERS": str(asked.workers)} if asked.workers else {}),
    }
    with asked.log.open("ab") as out:
        command = (sys.executable, "-m", "kf_dialog")
        environment = config.clean_environment() | settings
        process = await asyncio.create_subprocess_exec(
            *command, env=environment, cwd=folder, stdout=out, stderr=out
        )
    try:
        async with asyncio.timeout(60):
            while not await readiness.answers_grpc(port) and process.returncode is None:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def measure(asked: argparse.Namespace, folder: Path, peers: tuple[str, str]) -> dict[str, Any]:
    """One run; the servers are up already."""
    client = await kf_nats.connect(asked.nats_url, "bench")
    js = client.jetstream()
    await kf_nats.ensure_streams(js, streams.stream_configs(1))
    load = Load(asked.customers, asked.rounds, asked.think)

    async def heard(message: Msg) -> None:
        reply = SendReply.decode(message.data)
        load.published[reply.turn_id] = time.time()
        if (future := load.waiting.get(reply.external_userid)) and not future.done():
            future.set_result(None)

    async with replica(asked, folder, peers) as dialog:
        connection = await asyncpg.connect(asked.database_url)
        await connection.execute(SCHEMA)
        await client.subscribe("kf.outbound.>", cb=heard)
        process = psutil.Process(dialog.pid)
        began, before = time.perf_counter(), sum(process.cpu_times()[:2])
        await converse(js, load)
        elapsed, used = time.perf_counter() - began, sum(process.cpu_times()[:2]) - before
        rows = await connection.fetch("SELECT * FROM bench_turn")
        await connection.close()
    await client.close()
    return report(asked, load, rows, elapsed, used)


def report(
    asked: argparse.Namespace, load: Load, rows: Sequence[Any], elapsed: float, used: float
) -> dict[str, Any]:
    """Milliseconds at the percentiles, for the ordinary customers and for those with the slow model."""
    result: dict[str, Any] = {
        "customers": load.customers,
        "turns": len(rows),
        "turns_per_second": round(len(rows) / elapsed, 1),
        "dialog_cores": round(used / elapsed, 2),
        "cpu_ms_per_turn": round(1000 * used / len(rows), 1),
        "load_average": os.getloadavg()[0],
    }
    for name, wanted in (("ordinary", False), ("slow_model", True)):
        some = [row for row in rows if slow(row["customer"], asked.slow) is wanted]
        if not some:
            continue
        model = asked.model * (SLOW_FACTOR if wanted else 1)
        took = {row["turn_id"]: (row["stored_at"] - row["due_at"]).total_seconds() for row in some}
        due = {row["turn_id"]: row["due_at"].timestamp() for row in some}
        result[name] = {
            "overhead_ms": percentiles([seconds - model for seconds in took.values()]),
            "own_clock_ms": percentiles([took[row["turn_id"]] - row["own_seconds"] for row in some]),
            "published_ms": percentiles(
                [load.published[turn] - due[turn] - model for turn in took if turn in load.published]
            ),
        }
    return result


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """In milliseconds."""
    ordered = sorted(seconds)
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "most": 1.0}
    return {name: round(1000 * ordered[int(share * (len(ordered) - 1))], 1) for name, share in shares.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--think", type=float, default=10.0)
    parser.add_argument("--model", type=float, default=3.0)
    parser.add_argument(
        "--slow", type=float, default=0.0, help="share of customers with a model five times as slow"
    )
    parser.add_argument("--workers", type=int, default=0, help="KF_DIALOG_TURN_WORKERS; 0: the default")
    parser.add_argument("--log", type=Path, default=Path(os.devnull), help="where the service's log goes")
    asked = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    peers = context.Process(target=run_peers, args=(sender, asked.model, asked.slow), daemon=True)
    peers.start()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        nats_port, postgres_port = embedded.free_port(), embedded.free_port()
        asked.nats_url = f"nats://127.0.0.1:{nats_port}"
        asked.database_url = embedded.database_url(postgres_port)
        embedded.init_postgres(folder / "pg")
        nats = embedded.nats_command(folder / "nats", nats_port)
        stack.enter_context(embedded.Child("nats", nats, nats_port, folder / "nats.log"))
        postgres = embedded.postgres_command(folder / "pg", postgres_port)
        stack.enter_context(embedded.Child("postgres", postgres, postgres_port, folder / "pg.log"))
        try:
            result = asyncio.run(measure(asked, folder, receiver.recv()))
        finally:
            peers.terminate()
            peers.join()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
