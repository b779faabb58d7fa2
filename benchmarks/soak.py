"""`make soak`: mixed conversations at a steady rate for hours, and whether anything grows that should not.

    python -m benchmarks.soak [--hours 4] [--rate 1] [--every 60] [--json FILE]

Every `--every` seconds the memory, open files and connections of each service and the size of each table are
noted. After the first fifth, which warms up, a line is fitted through each: what it would add in a day is
reported, and more than the aim is called a leak. Exit status 1 then. Rows of tables grow with the messages
until retention takes them; they are reported by message.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import asyncpg
import psutil
from kf_cli.layout import SERVICES, kind
from kf_cli.simulator import Chat

from benchmarks.measured import Figure
from benchmarks.result import Curve, Result, Row, run
from benchmarks.tracing import RATE
from tests.e2e.stack import Running, running_stack
from tests.e2e.test_crashes import QUESTIONS

CUSTOMERS = 50
SMALL_TALK = ("你好", "谢谢", "在吗？", "今天天气怎么样？", "转人工有什么条件？")
# What a day may add to a process: more would fill an ordinary pod within a month.
MEMORY_AIM, FILES_AIM = 16.0, 24.0
Sample = dict[str, float]


async def converse(running: Running, rate: float, seconds: float) -> int:
    """Customers come, ask one to four things in a row and go, at `rate` messages a second; how many."""
    dice, until, written = random.Random(1), time.monotonic() + seconds, 0
    chats: list[Chat] = []
    while time.monotonic() < until:
        if len(chats) < CUSTOMERS or dice.random() < 0.02:
            chats = [*chats, await running.simulator.meet(running.account("shop"), "顾客")][-CUSTOMERS:]
        chat = dice.choice(chats)
        for _ in range(dice.randint(1, 4)):
            text = dice.choice(list(QUESTIONS) if dice.random() < 0.7 else SMALL_TALK)
            await running.simulator.write(chat, text)
            written += 1
            await asyncio.sleep(dice.expovariate(rate))
    return written


async def sample(running: Running) -> Sample:
    """Memory (MiB), open files and threads of each service, bytes of all tables."""
    found: Sample = {}
    for name, child in running.stack.children.items():
        if kind(name) in SERVICES and child.pid:
            process = psutil.Process(child.pid)
            found[f"{name}: memory, MiB"] = process.memory_full_info().uss / 2**20
            found[f"{name}: open files"] = process.num_fds()
            found[f"{name}: threads"] = process.num_threads()
    connection = await asyncpg.connect(running.stack.layout.database_url)
    try:
        found["connections to PostgreSQL"] = await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
        )
        found["dead rows"] = await connection.fetchval(
            "SELECT sum(n_dead_tup)::float8 FROM pg_stat_user_tables"
        )
        found["tables, MiB"] = await connection.fetchval(
            "SELECT sum(pg_total_relation_size(relid))::float8 / 1048576 FROM pg_stat_user_tables"
        )
    finally:
        await connection.close()
    return found


async def watched(
    folder: Path, hours: float, rate: float, every: float
) -> tuple[list[tuple[float, Sample]], int]:
    """(seconds since the start, sample) all along, and how many messages were written."""
    samples: list[tuple[float, Sample]] = []
    async with running_stack(folder, settings=RATE) as running:
        began = time.monotonic()

        async def look() -> None:
            while True:
                samples.append((time.monotonic() - began, await sample(running)))
                await asyncio.sleep(every)

        looking = asyncio.create_task(look())
        written = await converse(running, rate, hours * 3600)
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking
        judged = await running.simulator.judge()
        assert not judged["broken"], judged["examples"]
    return samples, written


def slope(samples: list[tuple[float, Sample]], name: str) -> float:
    """What a fitted line adds in a day, without the first fifth."""
    late = [(at, found[name]) for at, found in samples[len(samples) // 5 :] if name in found]
    return statistics.linear_regression([at for at, _ in late], [value for _, value in late]).slope * 86_400


def measure(hours: float, rate: float, every: float) -> Result:
    """One run."""
    with tempfile.TemporaryDirectory() as folder:
        samples, written = asyncio.run(watched(Path(folder), hours, rate, every))
    rows = [Row("messages", "", Figure.one(written))]
    for name in samples[-1][1]:
        aim = MEMORY_AIM if name.endswith("MiB") and "tables" not in name else FILES_AIM
        growth = slope(samples, name)
        free = name in ("tables, MiB", "dead rows")
        met = None if free else growth <= aim
        rows.append(Row(f"{name}, at the end", "", Figure.one(samples[-1][1][name]), digits=1))
        rows.append(
            Row(
                f"{name}, added a day",
                "",
                Figure.one(growth),
                "" if free else f"≤ {aim:g}",
                met=met,
                digits=1,
            )
        )
    memory = {
        name.partition(":")[0]: [(at / 3600, found[name]) for at, found in samples if name in found]
        for name in samples[-1][1]
        if name.endswith("memory, MiB")
    }
    return Result("soak", rows, [Curve("Memory of each service", "hours", "MiB", memory)])


if __name__ == "__main__":
    found = run(measure, __doc__ or "", hours=4.0, rate=1.0, every=60.0)
    sys.exit(any(row.met is False for row in found.rows))
