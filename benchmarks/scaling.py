"""From measured costs to a plan, and the formulas of that plan against a simulation of the same queues.

    python -m benchmarks.scaling [--minutes 240] [--json FILE]

Costs are read from benchmarks/results/path.json (`python -m benchmarks.path --json ...`); docs/scaling.md
says what follows from them.
"""

from __future__ import annotations

import heapq
import math
import random
from pathlib import Path

from benchmarks.measured import Figure
from benchmarks.result import Result, Row, read, run

COSTS = Path(__file__).parent / "results" / "path.json"
MESSAGES_A_DAY, PEAK_HOUR_SHARE = 50, 0.15
"""Of one account; the share of a day's messages that its busiest hour has."""
ANSWERS_PER_MESSAGE = 0.8
"""Bursts are merged into one turn."""
BUSY = 0.6
"""How much of a core or of a queue is planned for."""
MODEL_SECONDS, TURN_WORKERS = 3.0, 500
LIMIT_PER_MINUTE = 20
KEEP_DAYS = {"PostgreSQL": 90, "JetStream": 7}
ACCOUNTS = (10, 1_000, 100_000)
SERVICES = ("gateway", "dialog", "sender", "knowledge")
INBOX, LEDGER = "station: into dialog's inbox", "station: into the sender's ledger"


def peak(accounts: int) -> float:
    """Messages per second in the busiest hour."""
    return accounts * MESSAGES_A_DAY * PEAK_HOUR_SHARE / 3600


def capacities(costs: dict[str, float]) -> dict[str, float]:
    """Messages per second at which each part is full, one process of each."""
    found = {
        "WeCom's limit of 20 a minute": LIMIT_PER_MINUTE / 60 / ANSWERS_PER_MESSAGE,
        "dialog's inbox, one message in flight": 1000 / costs[INBOX],
        "sender's ledger, one message in flight": 1000 / costs[LEDGER] / ANSWERS_PER_MESSAGE,
        f"{TURN_WORKERS} turns at once, model {MODEL_SECONDS:g} s": TURN_WORKERS
        / MODEL_SECONDS
        / ANSWERS_PER_MESSAGE,
    }
    found |= {f"one core of {name}": 1000 / costs[f"CPU of a message, {name}"] for name in SERVICES}
    return dict(sorted(found.items(), key=lambda item: item[1]))


def plan(accounts: int, costs: dict[str, float]) -> dict[str, float]:
    """What so many accounts need in their busiest hour, and what they leave behind."""
    rate, daily = peak(accounts), accounts * MESSAGES_A_DAY
    cores = {f"cores, {name}": rate * costs[f"CPU of a message, {name}"] / 1000 / BUSY for name in SERVICES}
    kept = {
        f"GB, {place}": daily * days * costs[f"bytes of a message, {place}"] / 1e9
        for place, days in KEEP_DAYS.items()
    }
    shards = {
        "shards of KF_INBOUND": math.ceil(rate * costs[INBOX] / 1000 / BUSY),
        "shards of KF_OUTBOUND": math.ceil(rate * ANSWERS_PER_MESSAGE * costs[LEDGER] / 1000 / BUSY),
    }
    sends = {"send_msg a minute": rate * 60 * ANSWERS_PER_MESSAGE}
    return {"messages/s at the peak": rate, **sends, **cores, **shards, **kept}


def single_wait(rate: float, seconds: float) -> float:
    """Mean wait in a queue that serves one at a time, always as long (Pollaczek and Khinchine)."""
    busy = rate * seconds
    return busy * seconds / (2 * (1 - busy))


def pool_wait(rate: float, seconds: float, servers: int) -> float:
    """Mean wait for one of several servers, exponential times (Erlang C)."""
    load, blocked = rate * seconds, 1.0
    for number in range(1, servers + 1):
        blocked = load * blocked / (number + load * blocked)
    chance = blocked / (1 - load / servers * (1 - blocked))
    return chance * seconds / (servers - load)


def simulated_wait(rate: float, seconds: float, servers: int, minutes: float, *, fixed: bool) -> float:
    """Mean wait of arrivals at random that queue for `servers`."""
    dice = random.Random(f"{rate}/{servers}")
    free = [0.0] * servers
    at, waited, count = 0.0, 0.0, 0
    while at < minutes * 60:
        at += dice.expovariate(rate)
        began = max(at, heapq.heappop(free))
        heapq.heappush(free, began + (seconds if fixed else dice.expovariate(1 / seconds)))
        waited, count = waited + began - at, count + 1
    return waited / count


def simulated_limit(rate: float, minutes: float) -> tuple[float, float]:
    """(use of the limit, fullest minute) when answers come at `rate` and wait for a free slot."""
    dice = random.Random(7)
    at, granted = 0.0, []
    while at < minutes * 60:
        at += dice.expovariate(rate)
        slot = at if len(granted) < LIMIT_PER_MINUTE else max(at, granted[-LIMIT_PER_MINUTE] + 60.0)
        granted.append(max(slot, granted[-1]) if granted else slot)
    inside = [one for one in granted if one < minutes * 60]
    windows = (
        sum(one - 60 + 1e-6 < other <= one for other in granted[max(0, n - 40) : n + 1])
        for n, one in enumerate(granted)
    )
    return len(inside) / (minutes * LIMIT_PER_MINUTE), max(windows)


def measure(minutes: float) -> Result:
    """The plan's tables, and each formula beside its simulation."""
    costs = {row.what: row.figure.median for row in read(COSTS).rows}
    rows = [
        Row(f"full at: {name}", "messages/s", Figure.one(rate), digits=1)
        for name, rate in capacities(costs).items()
    ]
    for accounts in ACCOUNTS:
        needs = plan(accounts, costs).items()
        rows += [
            Row(f"{accounts:,} accounts: {name}", "", Figure.one(value), digits=1) for name, value in needs
        ]
    seconds = costs[INBOX] / 1000
    rate = BUSY / seconds
    said, seen = single_wait(rate, seconds), simulated_wait(rate, seconds, 1, minutes / 10, fixed=True)
    rows += _checked("wait at dialog's inbox, 60 % busy", said, seen)
    workers, load = 40, 40 * 0.85 / MODEL_SECONDS
    said, seen = (
        pool_wait(load, MODEL_SECONDS, workers),
        simulated_wait(load, MODEL_SECONDS, workers, 8 * minutes, fixed=False),
    )
    rows += _checked(f"wait for one of {workers} turns, 85 % busy", said, seen)
    use, worst = simulated_limit(2 * LIMIT_PER_MINUTE / 60, minutes)
    rows.append(
        Row(
            "limit used at twice its load, simulated",
            "",
            Figure.one(use),
            "≥ 0.98",
            met=use >= 0.98,
            digits=3,
        )
    )
    rows.append(
        Row("fullest minute, simulated", "sends", Figure.one(worst), "≤ 20", met=worst <= LIMIT_PER_MINUTE)
    )
    return Result("scaling", rows)


def _checked(what: str, said: float, seen: float) -> list[Row]:
    near = abs(seen / said - 1) <= 0.15
    return [
        Row(f"{what}: formula", "ms", Figure.one(1000 * said), digits=1),
        Row(f"{what}: simulated", "ms", Figure.one(1000 * seen), "within 15 %", met=near, digits=1),
    ]


if __name__ == "__main__":
    run(measure, __doc__ or "", minutes=240.0)
