"""What the product needs when nobody writes, and how soon a second start answers the first question.

    python -m benchmarks.rest [--seconds 60] [--starts 3] [--json FILE]

`kf run` as an operator starts it. Memory is the proportional set size: pages that processes share are counted
once. A start counts from the command to the answer of a customer's first question.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import httpx
import psutil
from kf_cli.ports import Ports

from benchmarks.measured import Figure
from benchmarks.result import Result, Row, run
from tests.e2e.test_run import KfRun

QUESTION, WORDS = "请问扫地机器人 X1 的官方售价多少钱？", "1599"
_ANSWER_SECONDS = 120.0


def first_answer(running: KfRun) -> None:
    """Ask as a customer once it says that it is ready, until the answer is there."""
    running.wait_output("Kefu is ready")
    deadline = time.monotonic() + _ANSWER_SECONDS
    with httpx.Client(base_url=running.simulator, timeout=5, trust_env=False) as http:
        account = http.get("/control/accounts").raise_for_status().json()[0]["open_kfid"]
        made = http.post("/control/customers", json={"nickname": "第一位"}).json()
        path = f"/control/chats/{account}/{made['external_userid']}"
        http.post(f"{path}/messages", json={"text": QUESTION}).raise_for_status()
        while time.monotonic() < deadline:
            lines = http.get(f"{path}/transcript").json()["entries"]
            if any(WORDS in str(line["body"]) for line in lines if line["direction"] == "app"):
                return
            time.sleep(0.05)
    raise AssertionError("no answer")


def started(running: KfRun) -> float:
    """Seconds from the command to the first answer."""
    began = time.monotonic()
    running.launch()
    first_answer(running)
    return time.monotonic() - began


def resting(running: KfRun, seconds: float) -> list[Row]:
    """Memory in MiB and CPU in percent of a core of every process, once it is quiet."""
    time.sleep(10.0)
    groups: dict[str, list[psutil.Process]] = {}
    for process in running.offspring():
        groups.setdefault(_name(process), []).append(process)
    before = {name: _cpu(processes) for name, processes in groups.items()}
    time.sleep(seconds)
    rows = []
    for name, processes in sorted(groups.items()):
        memory = sum(process.memory_full_info().pss for process in processes) / 2**20
        busy = 100 * (_cpu(processes) - before[name]) / seconds
        rows.append(Row(f"at rest, {name}: memory", "MiB", Figure.one(memory)))
        rows.append(Row(f"at rest, {name}: CPU", "% of a core", Figure.one(busy), digits=1))
    return rows


def _name(process: psutil.Process) -> str:
    words = process.cmdline()
    if "-m" in words:
        return words[words.index("-m") + 1]
    return "PostgreSQL" if process.name() == "postgres" else process.name()


def _cpu(processes: list[psutil.Process]) -> float:
    return float(sum(times.user + times.system for times in (one.cpu_times() for one in processes)))


def measure(seconds: float, starts: int) -> Result:
    """One first start, then so many again, then rest."""
    with tempfile.TemporaryDirectory() as folder:
        running = KfRun(Path(folder), Ports.free())
        took = []
        try:
            for number in range(starts + 1):
                took.append(started(running))
                if number < starts:
                    running.leave()
            rows = resting(running, seconds)
        finally:
            running.leave()
    again = Figure.of(took[1:])
    first = Figure.one(took[0])
    return Result(
        "rest",
        [
            Row("first start to first answer (venv there)", "s", first, digits=1),
            Row("second start to first answer", "s", again, "≤ 15", met=again.median <= 15, digits=1),
            *rows,
        ],
    )


if __name__ == "__main__":
    run(measure, __doc__ or "", seconds=60.0, starts=3)
