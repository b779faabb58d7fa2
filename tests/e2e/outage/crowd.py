"""Customers, servicers and a model that goes down in the middle, at a pace that the profile sets."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import time
from typing import Any

from kf_cli.simulator import Chat

from tests.e2e.stack import Running

QUESTIONS = (
    "运费多少钱？",
    "退款多久到账？",
    "多久发货？",
    "怎么开发票？",
    "集尘袋多久换一次？",
    "发什么快递？",
)
"""Of the sample."""
LONGEST_RECOVERY_SECONDS = 120.0
"""The longest that a circuit stays open, one probe, and a busy machine."""
UNKNOWN = "你们老板养的猫叫什么名字？"
UNKNOWN_SHARE = 0.1


@dataclass(frozen=True)
class Profile:
    """How much of everything; seconds."""

    customers: int
    interval: float
    """Between two messages of one customer, on average."""
    before: float
    faults: tuple[tuple[str, float], ...]
    """What the model does wrong, and for how long, one after the other."""
    after: float
    settle: float = 35.0

    @property
    def outage(self) -> float:
        """How long the model is down."""
        return sum(seconds for _, seconds in self.faults)

    @property
    def total(self) -> float:
        """How long customers write."""
        return self.before + self.outage + self.after


SMALL = Profile(customers=16, interval=6, before=3, faults=(("500", 8),), after=8, settle=6)
FULL = Profile(
    customers=500,
    interval=180,
    before=60,
    faults=(("timeout", 240), ("500", 150), ("503", 60), ("429", 60), ("empty", 30), ("402", 60)),
    after=120,
)


@dataclass
class Crowd:
    """One run; afterwards `went_down` and `came_back` say when the model did (epoch seconds)."""

    run: Running
    profile: Profile
    chats: list[Chat] = field(default_factory=list)
    went_down: float = 0.0
    came_back: float = 0.0

    async def play(self) -> None:
        """Customers write, the model goes and comes back, servicers serve; returns when all has settled."""
        for number in range(self.profile.customers):
            self.chats.append(await self.run.simulator.meet(self.run.account("shop"), f"顾客{number}"))
        desk = asyncio.create_task(self._serve())
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._break())
                for number, chat in enumerate(self.chats):
                    group.create_task(self._write(chat, random.Random(number)))
            await asyncio.sleep(self.profile.settle)
        finally:
            desk.cancel()

    async def until_normal(self) -> float:
        """Seconds from the model's return until it answers a new customer; fails after LONGEST_RECOVERY."""
        while True:
            calls = (await self.run.simulator.control("GET", "/control/model"))["calls"]
            chat = await self.run.simulator.meet(self.run.account("shop"), "后来的顾客")
            await self.run.simulator.write(chat, QUESTIONS[0])
            await self.run.reply_to(chat)
            recovered = time() - self.came_back
            if (await self.run.simulator.control("GET", "/control/model"))["calls"] > calls:
                return recovered
            assert recovered < LONGEST_RECOVERY_SECONDS, "the model is back, and nobody asks it"

    async def _break(self) -> None:
        await asyncio.sleep(self.profile.before)
        self.went_down = time()
        for fault, seconds in self.profile.faults:
            await self.run.simulator.control("PUT", "/control/model", {"fault": fault})
            await asyncio.sleep(seconds)
        await self.run.simulator.control("PUT", "/control/model", {})
        self.came_back = time()

    async def _write(self, chat: Chat, dice: random.Random) -> None:
        ends = asyncio.get_running_loop().time() + self.profile.total
        await asyncio.sleep(dice.random() * self.profile.interval)
        while asyncio.get_running_loop().time() < ends:
            known = dice.random() >= UNKNOWN_SHARE
            await self.run.simulator.write(chat, dice.choice(QUESTIONS) if known else UNKNOWN)
            # Nobody writes again before the time in which an answer is promised is over.
            await asyncio.sleep(self.profile.interval * dice.uniform(0.6, 1.4))

    async def _serve(self) -> None:
        """A servicer greets whoever is handed over, and ends the chat, so that the bot has it again."""
        simulator = self.run.simulator
        while True:
            chats: Sequence[dict[str, Any]] = await simulator.control("GET", "/control/chats?limit=1000")
            for chat in chats:
                if chat["service_state"] in (2, 3):
                    path = Chat(chat["open_kfid"], chat["external_userid"]).path
                    for act in ({"action": "take"}, {"action": "say", "text": "您好，我来帮您。"}):
                        await simulator.control("POST", f"{path}/servicer", {"userid": "zhangsan", **act})
                    await simulator.control(
                        "POST", f"{path}/servicer", {"userid": "zhangsan", "action": "end"}
                    )
            await asyncio.sleep(2)
