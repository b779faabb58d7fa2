"""One supervised child process: started on a leash, its output read line by line, stopped or killed."""

import asyncio
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

OnLine = Callable[[str, str], None]
"""Called with the child's name and one line of its output."""

_LEASH = Path(__file__).with_name("leash.py")
_TAIL_LINES = 30
_LONGEST_LINE = 1 << 20


@dataclass(frozen=True)
class Program:
    """What to run; `stop_signal` asks it to end cleanly, `orphan_signal` reaches it when we die."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    folder: Path
    stop_signal: signal.Signals = signal.SIGTERM
    orphan_signal: signal.Signals = signal.SIGKILL
    stop_seconds: float = 35.0
    """Longer than any service drains."""


class Child:
    """A program that runs, ran or will run; start it again as often as you like."""

    def __init__(self, program: Program, on_line: OnLine, keep_open: Sequence[int] = ()) -> None:
        self.program = program
        self.expected_to_run = False
        self._on_line, self._keep_open = on_line, tuple(keep_open)
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """Unique in its stack, for example `sender` or `sender-2`."""
        return self.program.name

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process and self.running else None

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.returncode is None

    @property
    def returncode(self) -> int | None:
        """Exit status of the last run, negative for a signal; None while it runs or never ran."""
        return self._process.returncode if self._process else None

    @property
    def tail(self) -> list[str]:
        """The last lines of output, over restarts."""
        return list(self._tail)

    async def start(self) -> None:
        """Start the process; whether it is ready is for others to find out."""
        leash = [sys.executable, "-I", "-S", str(_LEASH), str(int(self.program.orphan_signal))]
        self._process = await asyncio.create_subprocess_exec(
            *leash,
            str(os.getpid()),
            *self.program.command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=_LONGEST_LINE,
            env=dict(self.program.env),
            cwd=self.program.folder,
            pass_fds=self._keep_open,
            # Ctrl-C in the terminal must reach us alone: we stop the children in order.
            start_new_session=True,
        )
        self.expected_to_run = True
        self._reading = asyncio.create_task(self._read(self._process))

    async def wait(self) -> int:
        """Wait for the end and for the last line of output; returns the exit status."""
        process, reading = self._process, self._reading
        if process is None or reading is None:
            raise RuntimeError(f"{self.name} was never started")
        status = await process.wait()
        # A grandchild may hold the pipe open after its parent's death.
        await asyncio.wait([reading], timeout=1.0)
        reading.cancel()
        return status

    async def stop(self) -> None:
        """Ask for a clean end, kill after `stop_seconds`; harmless when it does not run."""
        self.expected_to_run = False
        if not self.running:
            return
        self._signal(self.program.stop_signal)
        try:
            async with asyncio.timeout(self.program.stop_seconds):
                await self.wait()
        except TimeoutError:
            await self.kill()

    async def kill(self) -> None:
        """kill -9, as a crash would, and wait until its own children are gone too."""
        self.expected_to_run = False
        if not self.running:
            return
        offspring = self._offspring()
        self._signal(signal.SIGKILL)
        await self.wait()
        # PostgreSQL's backends hold its shared memory until they notice that their parent died.
        await asyncio.to_thread(psutil.wait_procs, offspring, 10.0)

    def freeze(self) -> None:
        """Stop the process in its tracks (SIGSTOP), as an overloaded machine would."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen process go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process and self.running:
            self._process.send_signal(number)

    def _offspring(self) -> list[psutil.Process]:
        try:
            return psutil.Process(self.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None  # noqa: S101  the pipe is asked for in start()
        while True:
            try:
                raw = await process.stdout.readline()
            except ValueError:
                # Longer than any log line: the reader dropped it and goes on behind it.
                continue
            if not raw:
                return
            line = raw.decode("utf-8", errors="replace").rstrip()
            if line:
                self._tail.append(line)
                self._on_line(self.name, line)
