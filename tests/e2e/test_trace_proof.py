"""5,000 messages while every process is killed again and again: does each leave one whole trace?

`make prove-traces` runs it, in about a quarter of an hour; what it found is in docs/telemetry.md. The crash
tests ask the same of their forty messages on every run.
"""

import asyncio
import itertools
import os
from pathlib import Path
from time import monotonic

import pytest
from kf_cli.simulator import Chat

from tests.e2e import wholeness
from tests.e2e.stack import Running, running_stack
from tests.e2e.test_crashes import QUESTIONS, VICTIMS

MESSAGES = int(os.environ.get("KF_TRACES_PROOF", "0"))
PER_CUSTOMER = 20
RATE = float(os.environ.get("KF_TRACES_PROOF_RATE", "8"))
KILL_SECONDS = 15.0
SETTINGS = {
    "KF_SENDER_RATE_PER_MINUTE": "9000",
    "KF_SIMULATOR_SEND_LIMIT_PER_MINUTE": "0",
    "KF_SIMULATOR_LIMIT_SCALE": "100",
    "KF_TRACES_MAX_MB": "8192",
}
WHOLE = 0.999


async def write_all(run: Running, chats: list[Chat]) -> list[str]:
    """Every customer's questions in turn, at the rate; their msgids."""
    questions, msgids, began = itertools.cycle(QUESTIONS), [], monotonic()
    for number in range(MESSAGES):
        msgids.append(await run.simulator.write(chats[number % len(chats)], next(questions)))
        await asyncio.sleep(max(0.0, began + number / RATE - monotonic()))
    return msgids


async def kill_until(run: Running, done: asyncio.Event) -> dict[str, int]:
    """Kill and restart one process after the other; how often each."""
    kills = dict.fromkeys(VICTIMS, 0)
    for victim in itertools.cycle(VICTIMS):
        try:
            await asyncio.wait_for(done.wait(), KILL_SECONDS)
        except TimeoutError:
            await run.stack.kill(victim)
            await asyncio.sleep(0.5)
            await run.stack.start_one(victim)
            kills[victim] += 1
        else:
            return kills
    raise AssertionError


async def waiting(run: Running) -> int:
    """Chats whose last message has no answer."""
    chats = await run.simulator.control("GET", "/control/chats?limit=1000")
    return sum(1 for chat in chats if chat["last"]["direction"] == "customer")


@pytest.mark.skipif(not MESSAGES, reason="make prove-traces")
@pytest.mark.timeout(3600)
async def test_every_message_leaves_one_whole_trace(tmp_path: Path) -> None:
    async with running_stack(tmp_path, settings=SETTINGS) as run:
        people = MESSAGES // PER_CUSTOMER
        chats = [await run.simulator.meet(run.account("shop"), f"顾客{n}") for n in range(people)]
        done, began = asyncio.Event(), monotonic()
        killing = asyncio.create_task(kill_until(run, done))
        msgids = await write_all(run, chats)
        done.set()
        kills = await killing
        deadline = monotonic() + 120
        while await waiting(run) and monotonic() < deadline:
            await asyncio.sleep(1)
        print(f"\n{len(msgids)} messages in {monotonic() - began:.0f} s, kills {kills}")
        # What was left over by killed processes is looked for every other second.
        await asyncio.sleep(10)
        wrong = wholeness.faults(await wholeness.read(run), msgids)
        whole = 1 - len(wrong) / len(msgids)
        print(f"whole traces: {whole:.4%}\n{wholeness.told(wrong)}")
        assert whole >= WHOLE
