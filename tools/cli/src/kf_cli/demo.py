"""`kf demo`: one scripted run on a stack of its own; transcripts on screen, the verdict as exit status."""

import asyncio
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import Any

from rich.console import Console

from kf_cli import dialogue, logview
from kf_cli.datadir import DataDir
from kf_cli.dialogue import Outcome
from kf_cli.layout import Layout, isolated
from kf_cli.run import explained, failure, interruptible, load_sample
from kf_cli.scenario import CONVERSATIONS
from kf_cli.simulator import Simulator
from kf_cli.stack import Stack
from kf_cli.trace import Traces

_SHOWN_CHARACTERS = 90
_INTERRUPTED = 130


def demo(console: Console, *, keep: bool, as_json: bool) -> int:
    """Run the demo; 0 when every customer got the right answer exactly once, else 1.

    console: for progress and transcripts; the JSON result goes to standard output.
    """
    with tempfile.TemporaryDirectory(prefix="kefu-demo-") as folder, DataDir(Path(folder)) as data:
        layout = isolated(data, {}, {})
        return asyncio.run(_Demo(layout, data.lock_fd, console, keep=keep, as_json=as_json).run())


class _Demo:
    def __init__(self, layout: Layout, lock_fd: int, console: Console, *, keep: bool, as_json: bool) -> None:
        self._console, self._keep, self._as_json = console, keep, as_json
        self._log = logview.MergedLog(console)
        self._stack = Stack(layout, self._log.add, self._on_ready, (lock_fd,))
        self._began = monotonic()

    async def run(self) -> int:
        """The exit status; everything is stopped when this returns."""
        async with interruptible(self._stack) as interrupted:
            work, death = asyncio.create_task(self._work()), asyncio.create_task(self._stack.wait_death())
            try:
                await asyncio.wait({work, death, interrupted}, return_when=asyncio.FIRST_COMPLETED)
                if self._keep and work.done():
                    self._console.print("Left running; Ctrl-C stops.")
                    await asyncio.wait({death, interrupted}, return_when=asyncio.FIRST_COMPLETED)
                error = await failure(work, death)
            finally:
                await self._stack.stop()
        if error:
            self._console.print(f"[bold red]The demo broke off:[/] {explained(error)}", soft_wrap=True)
            return 1
        return _INTERRUPTED if work.cancelled() else work.result()

    async def _work(self) -> int:
        layout = self._stack.layout
        with self._console.status("Starting ..."):
            await self._stack.start()
            await load_sample(layout)
        with self._console.status(f"{len(CONVERSATIONS)} customers are writing ..."):
            async with Simulator(layout.simulator_url) as simulator, Traces(layout.traces_url) as traces:
                outcomes = await dialogue.hold(simulator, traces, CONVERSATIONS)
                judge = await simulator.judge()
        wrong = verdict(outcomes, judge)
        self._show(outcomes, wrong)
        if self._as_json:
            print(json.dumps(as_json(outcomes, judge, wrong), ensure_ascii=False, indent=2))
        if self._keep:
            self._console.print(f"\nChat page {layout.simulator_url}  traces {layout.traces_url}")
        return 1 if wrong else 0

    def _on_ready(self, name: str) -> None:
        self._console.print(f"  [green]ready[/] {name:<12} [dim]{monotonic() - self._began:4.1f} s[/]")

    def _show(self, outcomes: Sequence[Outcome], wrong: Sequence[str]) -> None:
        for outcome in outcomes:
            for line in transcript(outcome):
                self._console.print(line, soft_wrap=True)
        seconds = monotonic() - self._began
        if wrong:
            self._console.print(f"\n[bold red]{len(wrong)} things are wrong[/] ({seconds:.0f} s):")
            for line in wrong:
                self._console.print(f"  - {logview.plain(line)}", soft_wrap=True)
        else:
            self._console.print(
                f"\n[bold green]Every customer got the right answer exactly once[/] ({seconds:.0f} s)."
            )


def verdict(outcomes: Sequence[Outcome], judge: dict[str, Any]) -> list[str]:
    """Everything that is wrong, a line each; empty means the demo passed."""
    wrong = [f"{o.conversation.nickname}: {fault}" for o in outcomes for fault in o.faults]
    wrong += [f"the judge counted {count} × {rule}" for rule, count in judge["broken"].items()]
    if judge["unanswered"]:
        wrong.append(f"the judge found {judge['unanswered']} chats without an answer")
    return wrong


def transcript(outcome: Outcome) -> list[str]:
    """One conversation as lines of rich markup."""
    conversation = outcome.conversation
    lines = [f"\n[bold]{conversation.nickname} → {conversation.account}[/]  [dim]{conversation.shows}[/]"]
    for line in outcome.lines:
        who, colour = ("客户", "cyan") if line.direction == "customer" else ("客服", "green")
        lines.append(f"  [{colour}]{who}[/] {logview.plain(_short(line.text))}")
    lines += [f"  [dim]trace {trace_id}  {count} spans[/]" for trace_id, count in outcome.traces.items()]
    lines += [f"  [red]✗ {logview.plain(fault)}[/]" for fault in outcome.faults]
    return lines if outcome.faults else [*lines, "  [green]✓[/]"]


def as_json(outcomes: Sequence[Outcome], judge: dict[str, Any], wrong: Sequence[str]) -> dict[str, Any]:
    """The result for programs."""
    return {
        "ok": not wrong,
        "wrong": list(wrong),
        "customers": [
            {
                "nickname": outcome.conversation.nickname,
                "account": outcome.conversation.account,
                "faults": outcome.faults,
                "transcript": [{"from": line.direction, "text": line.text} for line in outcome.lines],
                "traces": outcome.traces,
            }
            for outcome in outcomes
        ],
        "judge": judge,
    }


def _short(text: str) -> str:
    one_line = " ".join(text.split())
    if len(one_line) <= _SHOWN_CHARACTERS:
        return one_line
    return f"{one_line[:_SHOWN_CHARACTERS]} … ({len(text.encode())} bytes)"
