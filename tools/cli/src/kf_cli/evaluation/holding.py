"""Holds one case with a running stack through the simulator's control API, and judges it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

from kf_cli.dialogue import replies
from kf_cli.evaluation.case import Case, Expected, Step
from kf_cli.evaluation.verdict import Outcome, leaks, reply_faults
from kf_cli.simulator import Chat, Line, Simulator

_SETTLE_SECONDS = 2.5
"""An answer that comes twice comes late."""
_QUIET_SECONDS = 0.6
_EVENT_SECONDS = 1.5
_HANDED_SECONDS = 20.0
_POLL_SECONDS = 0.3
_HANDED_STATES = (2, 3)


@dataclass
class _Taken:
    """A step of a customer, done: `first` is the msgid of its first message."""

    step: Step
    chat: Chat
    first: str
    state: int = 0
    until: int | None = None
    """Number of the last line of its time, when a servicer acts next."""


class Holding:
    """One case under way."""

    def __init__(
        self, simulator: Simulator, accounts: dict[str, str], case: Case, servicer: str, seconds: float
    ) -> None:
        """accounts: open_kfid by collection. servicer: userid who acts. seconds: patience with an answer."""
        self._simulator, self._accounts, self._case = simulator, accounts, case
        self._servicer, self._seconds = servicer, seconds
        self._chats: dict[tuple[str, str], Chat] = {}
        self._customers: dict[str, str] = {}
        self._taken: list[_Taken] = []
        self._outcome = Outcome(case)

    async def run(self, never: Sequence[str]) -> Outcome:
        """The judged case; `never`: what no reply may hold."""
        for step in self._case.steps:
            await self._take(step)
        await asyncio.sleep(_SETTLE_SECONDS)
        transcripts = {chat: await self._simulator.transcript(chat) for chat in self._chats.values()}
        self._judge(transcripts)
        for lines in transcripts.values():
            self._outcome.replies += [line.text for line in lines if line.direction == "app"]
            self._outcome.transcript += [
                f"{line.direction}: {line.text}" for line in lines if line.direction != "event"
            ]
        leaked = leaks(self._outcome.replies, never)
        self._outcome.leaks = len(leaked)
        self._outcome.faults += [f"a customer could read {words}" for words in leaked]
        return self._outcome

    async def _take(self, step: Step) -> None:
        chat = await self._chat(step)
        if step.servicer:
            await self._serve(chat, step)
        elif step.advance_hours:
            await self._simulator.control(
                "POST", "/control/clock/advance", {"seconds": step.advance_hours * 3600}
            )
        elif step.recalls:
            await self._simulator.control("POST", f"{chat.path}/recalls", {"msgid": self._taken[-1].first})
        else:
            self._taken.append(_Taken(step, chat, await self._speak(chat, step)))
        if expected := step.expected:
            await self._wait(self._taken[-1], expected)
        elif step.silent_seconds:
            await asyncio.sleep(step.silent_seconds)

    async def _chat(self, step: Step) -> Chat:
        open_kfid = self._accounts[step.account or self._case.account]
        if step.who not in self._customers:
            nickname = f"{self._case.id[:50]} {step.who}"
            self._customers[step.who] = (await self._simulator.meet(open_kfid, nickname)).external_userid
        key = (open_kfid, self._customers[step.who])
        return self._chats.setdefault(key, Chat(*key))

    async def _speak(self, chat: Chat, step: Step) -> str:
        """What the customer does; the msgid of the first message."""
        if step.enters:
            entered = await self._simulator.control("POST", f"{chat.path}/enter", {})
            return str(entered["msgid"])
        if step.sends:
            return await self._simulator.send(chat, step.sends["msgtype"], step.sends.get("body", {}))
        if step.taps:
            return await self._tap(chat, step.taps)
        first = await self._simulator.write(chat, step.says[0])
        for text in step.says[1:]:
            await asyncio.sleep(step.gap_seconds)
            await self._simulator.write(chat, text)
        return first

    async def _tap(self, chat: Chat, title: str) -> str:
        lines = await self._simulator.transcript(chat)
        for line in reversed(lines):
            for choice in line.menu:
                if title in choice.title:
                    return await self._simulator.tap(chat, choice)
        self._outcome.faults.append(f"no menu has a line {title}")
        return await self._simulator.write(chat, title)

    async def _serve(self, chat: Chat, step: Step) -> None:
        lines = await self._simulator.transcript(chat)
        for taken in self._taken:
            if taken.chat == chat and taken.until is None:
                taken.until = lines[-1].number if lines else -1
        act: dict[str, Any] = {"action": step.servicer, "userid": self._servicer}
        if step.servicer == "say":
            act["text"] = "您好，我是人工客服，正在为您处理。"
        await self._simulator.control("POST", f"{chat.path}/servicer", act)
        # The services hear of it by their next pull.
        await asyncio.sleep(_EVENT_SECONDS)

    async def _wait(self, taken: _Taken, expected: Expected) -> None:
        """Until the answer is there and nothing follows it, or time is up; judged at the end."""
        began, deadline = monotonic(), monotonic() + self._seconds
        lines: list[Line] = []
        parts: list[str] = []
        while len(parts) < expected.parts[0] and monotonic() < deadline:
            lines += await self._simulator.transcript(
                taken.chat, lines[-1].number if lines else -1, wait=True
            )
            parts = replies(lines, taken.first)
        if parts:
            self._outcome.waits.append(monotonic() - began)
        await asyncio.sleep(_QUIET_SECONDS)
        taken.state = await self._simulator.state(taken.chat)
        deadline = min(deadline, monotonic() + _HANDED_SECONDS)
        while expected.handed and taken.state not in _HANDED_STATES and monotonic() < deadline:
            await asyncio.sleep(_POLL_SECONDS)
            taken.state = await self._simulator.state(taken.chat)

    def _judge(self, transcripts: dict[Chat, list[Line]]) -> None:
        for place, taken in enumerate(self._taken):
            later = [other.first for other in self._taken[place + 1 :] if other.chat == taken.chat]
            lines = transcripts[taken.chat]
            if taken.until is not None:
                lines = [line for line in lines if line.number <= taken.until]
            parts = replies(lines, taken.first, later[0] if later else "")
            expected = taken.step.expected
            name = taken.step.says[-1] if taken.step.says else "(no text)"
            if expected is None:
                if parts and taken.step.silent_seconds:
                    self._outcome.faults.append(f"{name}: an answer came where silence was due")
                continue
            wrong = reply_faults(expected, parts, taken.state)
            self._outcome.answers += 1
            once = expected.parts[0] <= len(parts) <= expected.parts[1] and len(set(parts)) == len(parts)
            self._outcome.answered_once += once
            self._outcome.faults += [f"{name}: {fault}" for fault in wrong]
        failed = [line for lines in transcripts.values() for line in lines if line.failed]
        if failed:
            self._outcome.faults.append(f"{len(failed)} messages failed after they were sent")
