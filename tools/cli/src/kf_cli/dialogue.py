"""Holds scripted conversations with a running stack, all customers at once, and judges what came back."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import monotonic

from kf_cli import journey
from kf_cli.scenario import Conversation, Step, faults
from kf_cli.simulator import Chat, Line, Simulator
from kf_cli.trace import Span, Traces

_ANSWER_SECONDS = 60.0
_APART_SECONDS = 0.4
_SETTLE_SECONDS = 3.0
_TRACE_SECONDS = 20.0
_POLL_SECONDS = 0.5


@dataclass
class Outcome:
    """One conversation as it went: `msgids` of the customer by step, `faults` for people."""

    conversation: Conversation
    chat: Chat
    msgids: list[list[str]] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    traces: dict[str, int] = field(default_factory=dict)
    """Trace id → number of its spans."""
    faults: list[str] = field(default_factory=list)


async def hold(simulator: Simulator, traces: Traces | None, script: Sequence[Conversation]) -> list[Outcome]:
    """Hold all conversations, begun shortly after each other; what was wrong becomes faults.

    traces: the local dashboard; None where spans go elsewhere and are not looked at.
    """
    accounts = await simulator.accounts()
    outcomes = await asyncio.gather(
        *(_converse(simulator, accounts[c.account], c, i * _APART_SECONDS) for i, c in enumerate(script))
    )
    # An answer that comes twice comes late.
    await asyncio.sleep(_SETTLE_SECONDS)
    for outcome in outcomes:
        outcome.lines = [
            line for line in await simulator.transcript(outcome.chat) if line.direction != "event"
        ]
        outcome.faults = judge_answers(outcome)
    if traces:
        await asyncio.gather(*(_trace(traces, outcome) for outcome in outcomes))
    return outcomes


async def _converse(
    simulator: Simulator, open_kfid: str, conversation: Conversation, later: float
) -> Outcome:
    # Whoever writes in the same instant shares a pull, and a trace is easier to read alone.
    await asyncio.sleep(later)
    outcome = Outcome(conversation, await simulator.meet(open_kfid, conversation.nickname))
    for step in conversation.steps:
        outcome.msgids.append([await _say(simulator, outcome.chat, step, text) for text in step.says])
        if not await _answered(simulator, outcome.chat, step, outcome.msgids[-1][-1]):
            break
    return outcome


async def _say(simulator: Simulator, chat: Chat, step: Step, text: str) -> str:
    if step.msgtype == "text":
        return await simulator.write(chat, text)
    return await simulator.send(chat, step.msgtype, {"media_id": "demo"})


async def _answered(simulator: Simulator, chat: Chat, step: Step, last_msgid: str) -> bool:
    """Wait until a right answer to the message is there; False when none came in time."""
    deadline = monotonic() + _ANSWER_SECONDS
    lines: list[Line] = []
    while monotonic() < deadline:
        lines += await simulator.transcript(chat, lines[-1].number if lines else -1, wait=True)
        if not faults(step.answer, replies(lines, last_msgid)):
            return True
    return False


def replies(lines: Sequence[Line], after_msgid: str, before_msgid: str = "") -> list[str]:
    """Our texts behind one message of the customer, up to another one."""
    found: list[str] = []
    behind = False
    for line in lines:
        if line.msgid == before_msgid:
            break
        if behind and line.direction == "app":
            found.append(line.text)
        behind = behind or line.msgid == after_msgid
    return found


def judge_answers(outcome: Outcome) -> list[str]:
    """What is wrong with the answers of one conversation, step by step."""
    found = []
    firsts = [msgids[0] for msgids in outcome.msgids[1:]] + [""]
    for step, msgids, following in zip(outcome.conversation.steps, outcome.msgids, firsts, strict=False):
        wrong = faults(step.answer, replies(outcome.lines, msgids[-1], following))
        found += [f"{step.says[-1]}: {fault}" for fault in wrong]
    if len(outcome.msgids) < len(outcome.conversation.steps):
        found.append("the conversation was broken off: no right answer came in time")
    ours = [line for line in outcome.lines if line.direction == "app"]
    steps = zip(outcome.conversation.steps, outcome.msgids, strict=False)
    if len(ours) > sum(step.answer.parts[1] for step, _ in steps):
        found.append("there are more answers than questions")
    if any(line.failed for line in ours):
        found.append("a message failed after it was sent")
    return found


async def _trace(traces: Traces, outcome: Outcome) -> None:
    """Read the traces of every step until they are whole; what stays missing becomes a fault."""
    for step, msgids in zip(outcome.conversation.steps, outcome.msgids, strict=False):
        deadline = monotonic() + _TRACE_SECONDS
        wrong = ["no trace"]
        while wrong and monotonic() < deadline:
            found = {msgid: await _spans(traces, msgid) for msgid in msgids}
            wrong = trace_faults(step, found)
            if wrong:
                await asyncio.sleep(_POLL_SECONDS)
        outcome.traces |= {span.trace_id: len(spans) for spans in found.values() for span in spans[:1]}
        outcome.faults += [f"trace of {step.says[-1]}: {fault}" for fault in wrong]


async def _spans(traces: Traces, msgid: str) -> list[Span]:
    """The trace in which a message of a customer came in."""
    found = await traces.find(msgid)
    return await traces.spans(found[0]) if found else []


def trace_faults(step: Step, found: dict[str, list[Span]]) -> list[str]:
    """What is wrong with the traces of one step (by msgid): each message came in, the last was answered."""
    wrong = []
    for msgid, spans in found.items():
        wrong += journey.missing(journey.of_message(spans, msgid), journey.RECEIVED)
    *_, (last, spans) = found.items()
    turn = journey.of_message(spans, last)
    answer = journey.ANSWERED + (journey.THOUGHT if step.msgtype == "text" else ())
    wrong += journey.missing(turn, answer)
    taken = [span for msgid, spans in found.items() if (span := journey.accepted(spans, msgid))]
    unlinked = journey.unlinked(turn, taken)
    wrong = [f"no {edge}" for edge in dict.fromkeys(wrong)]
    return [*wrong, f"{unlinked} merged messages without a link"] if unlinked else wrong
