"""`kf run`: the whole product on this machine, from the first check of a port to the last clean stop."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

import httpx
from kf_runtime.settings import stop as stop_with_faults
from rich.console import Console

from kf_cli import config, logview
from kf_cli.config import Part, RunSettings
from kf_cli.datadir import DataDir, DataDirError
from kf_cli.embedded import EmbeddedError
from kf_cli.knowledge_base import KnowledgeError, connect
from kf_cli.layout import Layout
from kf_cli.ports import Ports, conflicts
from kf_cli.sources import sample_sources
from kf_cli.stack import PartFailedError, Stack
from kf_cli.trace import TraceError

EXPLAINED = (PartFailedError, EmbeddedError, KnowledgeError, TraceError, httpx.HTTPError)
"""Errors whose sentence tells the operator enough."""

_DEATH_SECONDS = 1.0
_SIMULATED = (Part.WECOM, Part.MODEL)


def run(console: Console) -> int:
    """Run until Ctrl-C or SIGTERM; returns the exit status: 0 after a clean stop, 1 when a part failed.

    Leaves with status 2 when a setting, a port or the data folder must be mended first.
    """
    settings, ports = config.load(), config.read(Ports)
    try:
        with DataDir(settings.kf_data_dir) as data:
            layout = make_layout(settings, ports, data)
            faults = conflicts(layout.listeners())
            if faults:
                stop_with_faults(config.HEADLINE, faults)
            return asyncio.run(_serve(layout, data.lock_fd, console))
    except DataDirError as error:
        stop_with_faults(config.HEADLINE, [str(error)])


def make_layout(settings: RunSettings, ports: Ports, data: DataDir) -> Layout:
    """The stack that the settings describe."""
    return Layout(
        data=data.path,
        logs=settings.kf_log_dir.absolute(),
        ports=ports,
        credentials=data.credentials(),
        outer=config.outer_environment(),
        real=settings.real,
        host=settings.host,
    )


async def _serve(layout: Layout, lock_fd: int, console: Console) -> int:
    log = logview.MergedLog(console)
    began = monotonic()

    def on_ready(name: str) -> None:
        console.print(f"  [green]ready[/] {name:<12} [dim]{monotonic() - began:4.1f} s[/]")

    stack = Stack(layout, log.add, on_ready, (lock_fd,))
    async with interruptible(stack) as interrupted:
        work, death = (
            asyncio.create_task(_start(stack, console, log)),
            asyncio.create_task(stack.wait_death()),
        )
        try:
            await asyncio.wait({work, interrupted, death}, return_when=asyncio.FIRST_COMPLETED)
            if work.done() and not work.exception():
                await asyncio.wait({interrupted, death}, return_when=asyncio.FIRST_COMPLETED)
            error = await failure(work, death)
        finally:
            log.is_open = True
            console.print("\nStopping ... [dim](once more Ctrl-C kills)[/]")
            await stack.stop()
    if error:
        console.print(f"\n[bold red]Failed:[/] {explained(error)}", soft_wrap=True)
    console.print("Stopped.")
    return 1 if error else 0


async def failure(work: "asyncio.Task[Any]", death: "asyncio.Task[PartFailedError]") -> Exception | None:
    """Why it cannot go on, or None; ends both tasks.

    Raises:
        Exception: `work` failed by a bug, not for a reason that its own sentence explains.
    """
    if work.done() and work.exception():
        # What dies breaks the work of others first; its last words explain more than theirs.
        await asyncio.wait({death}, timeout=_DEATH_SECONDS)
    for task in (work, death):
        task.cancel()
    ended: tuple[Any, Any] = await asyncio.gather(work, death, return_exceptions=True)
    result, died = ended
    if isinstance(died, PartFailedError):
        return died
    if isinstance(result, EXPLAINED):
        return result
    if isinstance(result, Exception):
        raise result
    return None


def explained(error: Exception) -> str:
    """An error as rich markup; the last lines of a part as readable as the log."""
    if isinstance(error, PartFailedError):
        name = error.child.name
        lines = "\n".join(logview.render(name, line) or logview.plain(line) for line in error.child.tail)
        return f"{name} {error.what}. Its last lines:\n{lines}"
    return logview.plain(error)


async def _start(stack: Stack, console: Console, log: logview.MergedLog) -> None:
    """Start, load the sample, show the addresses."""
    with console.status("Starting ..."):
        await stack.start()
    if Part.WECOM not in stack.layout.real:
        with console.status("Loading the sample knowledge base ..."):
            changed = await load_sample(stack.layout)
        console.print(f"  [green]ready[/] sample knowledge base [dim]({changed} documents new)[/]")
    console.print(_summary(stack.layout), soft_wrap=True)
    log.is_open = True


@asynccontextmanager
async def interruptible(stack: Stack) -> AsyncIterator["asyncio.Task[bool]"]:
    """A task that ends with the first SIGINT or SIGTERM; the second one kills every process at once."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    killing: list[asyncio.Task[None]] = []

    def interrupt() -> None:
        if stop.is_set():
            killing.append(loop.create_task(stack.kill_all()))
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupt)
    waiting = asyncio.create_task(stop.wait())
    try:
        yield waiting
    finally:
        waiting.cancel()
        await asyncio.gather(waiting, *killing, return_exceptions=True)
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


async def load_sample(layout: Layout, on_document: Callable[[str], None] = lambda _: None) -> int:
    """Import the sample knowledge base; returns how many documents were new or changed.

    Raises:
        KnowledgeError: the service refused a document or does not answer.
    """
    changed = 0
    async with connect(f"127.0.0.1:{layout.port('knowledge')}") as knowledge:
        for collection, source in sample_sources():
            changed += (await knowledge.ingest(collection, source)).changed
            on_document(f"{collection}/{source.name}")
    return changed


def _summary(layout: Layout) -> str:
    rows = []
    if Part.WECOM not in layout.real:
        rows.append(("Chat page / 聊天页面", layout.simulator_url))
    if Part.TRACES not in layout.real:
        rows.append(("Traces / 链路追踪", layout.traces_url))
    rows.append(("Callback URL / 回调地址", layout.callback_url))
    rows.append(("Health / 健康检查", f"{layout.gateway_url}/health  {layout.gateway_url}/ready"))
    addresses = "\n".join(f"  {logview.padded(name, 24)} [bold]{url}[/]" for name, url in rows)
    return f"\n[bold green]Kefu is ready.[/]\n\n{addresses}\n\n{_parts(layout)}\n"


def _parts(layout: Layout) -> str:
    lines = []
    for part in Part:
        how = "real" if part in layout.real else "simulated" if part in _SIMULATED else "embedded"
        lines.append(f"{part} {how}")
    hints = [f"  [dim]{' · '.join(lines)}[/]", f"  [dim]Data in {layout.data}, log files in {layout.logs}[/]"]
    if Part.WECOM in layout.real:
        hints.append("  Import your own documents: kf kb import COLLECTION FOLDER")
        if Part.MODEL not in layout.real:
            hints.append("  [yellow]Real customers, simulated model: set DEEPSEEK_API_KEY.[/]")
    return "\n".join([*hints, "  [dim]Ctrl-C stops.[/]"])
