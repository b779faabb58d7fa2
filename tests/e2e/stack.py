"""A whole stack of real processes inside a test: any number of replicas, killed and restarted by name.

async with running_stack(tmp_path, replicas={"sender": 2}) as run:
    chat = await run.simulator.meet(run.account("shop"), "小林")
    await run.simulator.write(chat, "保修多久？")
    await run.stack.kill("sender")           # kill -9; also "nats", "postgres", "gateway-2" ...
    await run.stack.start_one("sender")      # and back again, waiting until it is ready
    assert "2 年" in (await run.reply_to(chat))[0]
    assert (await run.simulator.judge())["ok"]
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from kf_cli.datadir import DataDir
from kf_cli.layout import isolated
from kf_cli.run import load_sample
from kf_cli.simulator import Chat, Line, Simulator
from kf_cli.stack import Stack
from kf_cli.trace import Traces


@dataclass(frozen=True)
class Running:
    """A started stack, its customers' side and its traces."""

    stack: Stack
    simulator: Simulator
    traces: Traces

    def account(self, collection: str) -> str:
        """open_kfid of the account that answers from a collection of the sample (shop or saas)."""
        return next(kfid for kfid, name in self.stack.collections.items() if name == collection)

    async def until(
        self, chat: Chat, enough: Callable[[Sequence[Line]], bool], seconds: float = 60.0
    ) -> list[Line]:
        """The transcript as soon as it is `enough`; AssertionError with what there was when time is up."""
        deadline = monotonic() + seconds
        lines: list[Line] = []
        while not enough(lines):
            assert monotonic() < deadline, f"not enough after {seconds} s: {lines}"
            lines += await self.simulator.transcript(chat, lines[-1].number if lines else -1, wait=True)
        return lines

    async def reply_to(self, chat: Chat, seconds: float = 60.0) -> list[str]:
        """Our texts since the customer's last message, as soon as there is one."""
        lines = await self.until(chat, lambda found: bool(_since_customer(found)), seconds)
        return _since_customer(lines)


def _since_customer(lines: Sequence[Line]) -> list[str]:
    texts: list[str] = []
    for line in lines:
        if line.direction == "customer":
            texts = []
        elif line.direction == "app":
            texts.append(line.text)
    return texts


@asynccontextmanager
async def running_stack(
    folder: Path,
    *,
    replicas: Mapping[str, int] | None = None,
    settings: Mapping[str, str] | None = None,
    sample: bool = True,
) -> AsyncIterator[Running]:
    """Start everything on free ports with its data in `folder`; stop it cleanly at the end.

    replicas: processes of each service, 1 by default. settings: environment of every program, such as
    {"KF_SENDER_RATE_PER_MINUTE": "600"}. sample: import the sample knowledge base. The output of all
    children is in folder/children.log. The simulator keeps to WeCom's limit of 20 messages a minute unless
    KF_SIMULATOR_SEND_LIMIT_PER_MINUTE says otherwise.
    """
    with DataDir(folder / "data") as data, (folder / "children.log").open("a", encoding="utf-8") as log:
        layout = isolated(data, settings or {}, replicas or {})
        async with Stack(layout, lambda name, line: print(f"{name:<12} {line}", file=log)) as stack:
            if sample:
                await load_sample(layout)
            async with Simulator(layout.simulator_url) as simulator, Traces(layout.traces_url) as traces:
                yield Running(stack, simulator, traces)


async def eventually(holds: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait until something holds; AssertionError when time is up."""
    deadline = monotonic() + seconds
    while not holds():
        assert monotonic() < deadline, f"still not so after {seconds} s"
        await asyncio.sleep(0.1)
