"""Measures what tracing costs: CPU of all services per customer message, with and without, in one run.

    python -m benchmarks.tracing [--blocks 20] [--customers 40] [--rate 10] [--metrics]

Stacks that differ in nothing but OTEL_* run beside each other. Block by block the same customers write the
same questions to each in turn, and the CPU time of its gateway, dialog, knowledge and sender is read before
and after; the reported cost is the mean of the differences between neighbouring blocks, with its standard
error, so that what the machine does meanwhile falls on all alike. The dashboard's own time is not counted.
"""

import argparse
import asyncio
import statistics
import tempfile
from collections import defaultdict
from contextlib import AsyncExitStack
from pathlib import Path
from time import monotonic

import psutil
from kf_cli.layout import SERVICES, kind
from kf_cli.simulator import Chat

from tests.e2e.stack import Running, running_stack
from tests.e2e.test_crashes import QUESTIONS

RATE = {
    "KF_SENDER_RATE_PER_MINUTE": "9000",
    "KF_SIMULATOR_SEND_LIMIT_PER_MINUTE": "0",
    "KF_SIMULATOR_LIMIT_SCALE": "100",
}
ANSWER_SECONDS = 120.0
EXPORT_SECONDS = 5
"""How long spans wait for others, as in the cluster; `make run` waits half a second."""
OFF = {"OTEL_SDK_DISABLED": "true", "KF_SPANS_DIR": ""}
ON = {"OTEL_BSP_SCHEDULE_DELAY": str(EXPORT_SECONDS * 1000)}
TRACES = {**ON, "OTEL_METRICS_EXPORTER": "none"}

Cpu = dict[str, float]


def cpu(run: Running) -> Cpu:
    """CPU seconds so far of each service, all its processes together."""
    spent: Cpu = defaultdict(float)
    for name, child in run.stack.children.items():
        if kind(name) in SERVICES and child.pid:
            times = psutil.Process(child.pid).cpu_times()
            spent[kind(name)] += times.user + times.system
    return spent


async def sent(run: Running) -> int:
    """send_msg calls that WeCom took so far."""
    calls: dict[str, int] = (await run.simulator.judge())["calls"].get("send_msg", {})
    return calls.get("0", 0)


async def block(run: Running, chats: list[Chat], question: str, rate: float) -> Cpu:
    """Every customer asks once, at the rate; CPU milliseconds per message by service."""
    before, goal = cpu(run), await sent(run) + len(chats)
    for chat in chats:
        await run.simulator.write(chat, question)
        await asyncio.sleep(1 / rate)
    deadline = monotonic() + ANSWER_SECONDS
    while await sent(run) < goal and monotonic() < deadline:  # noqa: ASYNC110 - others do it
        await asyncio.sleep(0.1)
    assert await sent(run) >= goal, f"not all were answered within {ANSWER_SECONDS} s"
    await asyncio.sleep(EXPORT_SECONDS + 1)
    after = cpu(run)
    return {service: (after[service] - before[service]) * 1000 / len(chats) for service in SERVICES}


def told(name: str, on: list[Cpu], off: list[Cpu]) -> None:
    """Print the mean difference by service and over all, and its standard error."""
    extra = [sum(a.values()) - sum(b.values()) for a, b in zip(on, off, strict=True)]
    error = statistics.stdev(extra) / len(extra) ** 0.5
    whole = statistics.mean(sum(b.values()) for b in off)
    print(f"{name}: {statistics.mean(extra):.2f} ± {error:.2f} ms CPU per message, beside {whole:.1f} ms")
    for service in SERVICES:
        differences = [a[service] - b[service] for a, b in zip(on, off, strict=True)]
        print(f"    {service:10} {statistics.mean(differences):6.2f} ms")


async def measure(given: argparse.Namespace, folder: Path) -> None:
    """Run the stacks beside each other and print what was found."""
    modes = {"off": OFF, "tracing": TRACES, **({"tracing and metrics": ON} if given.metrics else {})}
    found: dict[str, list[Cpu]] = {name: [] for name in modes}
    async with AsyncExitStack() as stacks:
        runs: dict[str, Running] = {}
        chats: dict[str, list[Chat]] = {}
        for number, (name, settings) in enumerate(modes.items()):
            own = folder / str(number)
            own.mkdir()
            run = await stacks.enter_async_context(running_stack(own, settings={**RATE, **settings}))
            account = run.account("shop")
            runs[name] = run
            chats[name] = [await run.simulator.meet(account, f"顾客{n}") for n in range(given.customers)]
        questions = list(QUESTIONS)
        for number in range(given.blocks + 1):
            for name, run in runs.items():
                spent = await block(run, chats[name], questions[number % len(questions)], given.rate)
                # The first block warms up.
                if number:
                    found[name].append(spent)
                print(f"block {number:3} {name:20} {sum(spent.values()):6.2f} ms", flush=True)
    for name in list(modes)[1:]:
        told(name, found[name], found["off"])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--blocks", type=int, default=20)
    parser.add_argument("--customers", type=int, default=60)
    parser.add_argument("--rate", type=float, default=10.0)
    parser.add_argument("--metrics", action="store_true", help="a third stack that exports metrics too")
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(parser.parse_args(), Path(folder)))


if __name__ == "__main__":
    main()
