"""Customers who write without a pause while the cluster is shaken, and what is wrong with their answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import cycle, islice
from time import monotonic

from kf_cli.simulator import Chat, Simulator

# Each question has one answer in the sample, known by words that no other answer holds.
QUESTIONS = {
    "请问扫地机器人 X1 的官方售价多少钱？": "1599 元",
    "无线吸尘器 V8 的官方售价多少钱？": "1299 元",
    "空气净化器 A3 的官方售价多少钱？": "1799 元",
    "请问可以开增值税专用发票吗？": "电子专票",
    "请问你们支持货到付款吗？": "暂不支持货到付款",
}
_ANSWER_SECONDS = 180.0
_PAUSE_SECONDS = 12.0
"""Four customers who each pause so long stay below WeCom's 20 messages a minute."""


@asynccontextmanager
async def traffic(url: str, account: str, customers: int) -> AsyncIterator[list[str]]:
    """Customers write while the block lasts; behind it the list holds everything that was wrong."""
    wrong: list[str] = []
    waits: list[float] = []
    stop = asyncio.Event()
    async with Simulator(url) as simulator:
        open_kfid = (await simulator.accounts())[account]
        chats = [await simulator.meet(open_kfid, f"顾客{n}") for n in range(customers)]
        writing = [
            asyncio.create_task(_write(simulator, chat, n, stop, waits)) for n, chat in enumerate(chats)
        ]
        try:
            yield wrong
        finally:
            stop.set()
            for faults in await asyncio.gather(*writing):
                wrong += faults
        judge = await simulator.judge()
    wrong += [f"the judge counted {count} × {rule}" for rule, count in judge["broken"].items()]
    wrong += [f"{judge['unanswered']} chats have no answer"] if judge["unanswered"] else []
    if waits:
        print(f"  {len(waits)} questions answered, the slowest after {max(waits):.1f} s")
    else:
        wrong.append("nobody got an answer")


async def _write(
    simulator: Simulator, chat: Chat, number: int, stop: asyncio.Event, waits: list[float]
) -> list[str]:
    """Ask, wait for the one right answer, pause, and again until told to stop; what was wrong."""
    for asked, (question, words) in enumerate(islice(cycle(QUESTIONS.items()), number, None)):
        began = monotonic()
        await simulator.write(chat, question)
        while len(replies := await _replies(simulator, chat)) <= asked:
            if monotonic() - began > _ANSWER_SECONDS:
                return [f"{question} had no answer in {_ANSWER_SECONDS:.0f} s"]
            await asyncio.sleep(0.5)
        waits.append(monotonic() - began)
        if words not in replies[asked]:
            return [f"{question} was answered wrongly: {replies[asked]}"]
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _PAUSE_SECONDS)
        # What is said twice comes late.
        if len(replies := await _replies(simulator, chat)) > asked + 1:
            return [f"{question} was answered {len(replies) - asked} times"]
        if stop.is_set():
            return []
    return []


async def _replies(simulator: Simulator, chat: Chat) -> list[str]:
    return [line.text for line in await simulator.transcript(chat) if line.direction == "app"]
