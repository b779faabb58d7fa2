"""One supervised process: its output, its ends, and that it never outlives the one who started it."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep

import psutil
from kf_cli.children import Child, Program

STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
time.sleep(60)
"""
# A process whose own child ends a moment after it, as PostgreSQL's backends do.
WITH_BACKEND = """
import subprocess, sys, time
backend = "import sys, time; print(__import__('os').getpid(), flush=True); sys.stdin.read(); time.sleep(1.5)"
held = subprocess.Popen([sys.executable, "-c", backend], stdin=subprocess.PIPE)
time.sleep(60)
"""


def child(tmp_path: Path, code: str, *, stop_seconds: float = 10.0) -> tuple[Child, list[str]]:
    lines: list[str] = []
    program = Program(
        "dummy", [sys.executable, "-c", code], dict(os.environ), tmp_path, stop_seconds=stop_seconds
    )
    return Child(program, lambda _, line: lines.append(line)), lines


async def until(lines: list[str], wanted: str) -> None:
    async with asyncio.timeout(20):
        while wanted not in lines:
            await asyncio.sleep(0.02)


async def test_output_of_both_streams_is_read_line_by_line_and_kept(tmp_path: Path) -> None:
    one, lines = child(tmp_path, "import sys; print('a\\n\\nb'); print('c', file=sys.stderr); sys.exit(3)")
    await one.start()
    assert await one.wait() == 3
    assert sorted(lines) == ["a", "b", "c"]
    assert sorted(one.tail) == ["a", "b", "c"]
    assert one.returncode == 3


async def test_a_line_too_long_for_memory_does_not_stop_the_reading(tmp_path: Path) -> None:
    one, lines = child(tmp_path, "print('x' * 3_000_000); print('after')")
    await one.start()
    assert await one.wait() == 0
    assert lines[-1] == "after"


async def test_stop_asks_first_and_kills_what_does_not_listen(tmp_path: Path) -> None:
    polite, _ = child(tmp_path, "import time; time.sleep(60)")
    stubborn, lines = child(tmp_path, STUBBORN, stop_seconds=0.5)
    await polite.start()
    await stubborn.start()
    await until(lines, "up")
    await polite.stop()
    await stubborn.stop()
    assert polite.returncode == -signal.SIGTERM
    assert stubborn.returncode == -signal.SIGKILL
    await stubborn.stop()


async def test_a_killed_child_starts_again(tmp_path: Path) -> None:
    one, lines = child(tmp_path, STUBBORN)
    for run in (1, 2):
        await one.start()
        async with asyncio.timeout(20):
            while lines.count("up") < run:
                await asyncio.sleep(0.02)
        pid = one.pid
        assert pid is not None
        await one.kill()
        assert one.returncode == -signal.SIGKILL
        assert not psutil.pid_exists(pid)


async def test_kill_waits_for_the_grandchildren(tmp_path: Path) -> None:
    one, lines = child(tmp_path, WITH_BACKEND)
    await one.start()
    async with asyncio.timeout(20):
        while not lines:
            await asyncio.sleep(0.02)
    await one.kill()
    grandchild = int(lines[0])
    assert not psutil.pid_exists(grandchild) or psutil.Process(grandchild).status() == psutil.STATUS_ZOMBIE


def test_children_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    code = (
        "import asyncio, os, sys\n"
        "from pathlib import Path\n"
        "from kf_cli.children import Child, Program\n"
        "async def main():\n"
        f"    program = Program('dummy', [sys.executable, '-c', {STUBBORN!r}], dict(os.environ), Path('.'))\n"
        "    one = Child(program, lambda *_: print(one.pid, flush=True))\n"
        "    await one.start()\n"
        "    await one.wait()\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=tmp_path
    ) as parent:
        assert parent.stdout is not None
        left = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    deadline = monotonic() + 20
    while left.is_running() and left.status() != psutil.STATUS_ZOMBIE:
        assert monotonic() < deadline, "the child outlived its parent"
        sleep(0.05)
