"""Customers who ask what the sample answers, each in an order and at a pace of their own, from the seed."""

import asyncio
import csv
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import resources
from itertools import cycle, islice

from kf_cli.simulator import Chat

from tests.e2e.chaos.plan import Profile
from tests.e2e.stack import Running

_NEEDS_CONTEXT = ("那", "它", "这", "呢", "再", "还", "上面", "前面", "刚")
_ANSWER_SECONDS = 60.0
_PATIENCE_SECONDS = 120.0
_BURST = (1, 3)
_SPARE = 8
_LONGEST_ANSWER = 120


@dataclass
class Customer:
    """One customer, and what was asked so far: (msgid, the answer's words)."""

    chat: Chat
    questions: Sequence[str]
    asked: list[tuple[str, str]] = field(default_factory=list)


async def learn(run: Running, collection: str, wanted: int) -> dict[str, str]:
    """Ask questions of the sample one by one while nothing is wrong: question → answer, none like another."""
    questions = _questions(collection)[: wanted + _SPARE]
    chats = [await run.simulator.meet(run.account(collection), f"先问{n}") for n, _ in enumerate(questions)]
    for chat, question in zip(chats, questions, strict=True):
        await run.simulator.write(chat, question)
    replies = ["\n".join(await run.reply_to(chat, _ANSWER_SECONDS)) for chat in chats]
    distinct = {
        question: reply
        for question, reply in zip(questions, replies, strict=True)
        if not any(reply in other for n, other in enumerate(replies) if replies[n] is not reply)
    }
    assert len(distinct) >= min(wanted, len(questions)) / 2, "the sample answers too much alike"
    return dict(islice(distinct.items(), wanted))


def _questions(collection: str) -> list[str]:
    text = resources.files("kf_cli").joinpath("sample", collection, "faq.csv").read_text(encoding="utf-8-sig")
    rows = list(csv.reader(text.splitlines()))[1:]
    short = [row[0] for row in rows if len(row[1]) <= _LONGEST_ANSWER and "\n" not in row[1]]
    return [question for question in short if not any(word in question for word in _NEEDS_CONTEXT)]


async def gather_crowd(run: Running, profile: Profile, answers: dict[str, str], seed: int) -> list[Customer]:
    """The customers, each with the questions they will ask."""
    made = []
    for number in range(profile.customers):
        order = list(answers)
        random.Random(f"{seed}/{number}").shuffle(order)
        chat = await run.simulator.meet(run.account("shop"), f"顾客{number}")
        made.append(Customer(chat, list(islice(cycle(order), profile.messages))))
    return made


async def write_all(
    run: Running, crowd: Sequence[Customer], answers: dict[str, str], profile: Profile, seed: int
) -> None:
    """Everybody writes everything, in bursts; like people they wait for an answer before they go on."""

    async def one(number: int, customer: Customer) -> None:
        dice = random.Random(f"{seed}/{number}/pace")
        left = list(customer.questions)
        pause = profile.seconds / len(left) * sum(_BURST) / 2
        while left:
            await asyncio.sleep(dice.uniform(0, 2 * pause))
            for _ in range(min(len(left), dice.randint(*_BURST))):
                question = left.pop(0)
                msgid = await run.simulator.write(customer.chat, question)
                customer.asked.append((msgid, answers[question]))
                await asyncio.sleep(dice.uniform(0, 1.5))
            # Whoever is not answered for so long asks the next thing all the same.
            with suppress(AssertionError):
                await run.reply_to(customer.chat, _PATIENCE_SECONDS)

    async with asyncio.TaskGroup() as group:
        for number, customer in enumerate(crowd):
            group.create_task(one(number, customer))
