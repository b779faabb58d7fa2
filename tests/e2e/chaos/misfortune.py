"""Carries the plan out on a running stack, and starts again whatever died, as a cluster would."""

import asyncio
import signal
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from time import monotonic

import asyncpg
import psutil
from kf_cli.stack import PartFailedError

from tests.e2e.chaos.plan import API_FAULTS, Blow, Kind, Profile
from tests.e2e.stack import Running


class Misfortune:
    """The blows of one run; `dealt` counts them, `died` what ended without a blow."""

    def __init__(self, run: Running, say: Callable[[str], None]) -> None:
        self.dealt: Counter[str] = Counter()
        self.died: list[str] = []
        self._run, self._say = run, say
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def arm(self, profile: Profile, seed: int) -> None:
        """Double callbacks and spoil calls of the API from now on."""
        faults = [
            {"kind": "notice_doubled", "api": "callback", "probability": profile.doubled_share},
            *(fault | {"probability": profile.fault_share / len(API_FAULTS)} for fault in API_FAULTS),
        ]
        for number, fault in enumerate(faults):
            armed = {"times": None, "seed": seed * 100 + number, **fault}
            await self._run.simulator.control("POST", "/control/faults", armed)

    async def deal(self, plan: Sequence[Blow]) -> None:
        """Every blow at its time; returns when the last victim is back."""
        began = monotonic()

        async def one(blow: Blow) -> None:
            await asyncio.sleep(max(0.0, began + blow.at - monotonic()))
            async with self._locks[blow.victim]:
                self._say(f"{monotonic() - began:6.1f} s  {blow.kind} {blow.victim} {blow.seconds:.1f} s")
                await self._strike(blow)
                self.dealt[blow.kind.value] += 1

        async with asyncio.TaskGroup() as group:
            for blow in plan:
                group.create_task(one(blow))

    async def deal_while(self, plan: Sequence[Blow], work: Coroutine[None, None, None]) -> None:
        """Deal every blow while some work goes on; returns when both are done."""
        async with asyncio.TaskGroup() as group:
            group.create_task(work)
            group.create_task(self.deal(plan))

    @asynccontextmanager
    async def reviving(self) -> AsyncIterator[None]:
        """Meanwhile whatever dies by itself is noted and started again."""

        async def revive() -> None:
            while True:
                error = await self._run.stack.wait_death()
                name = error.child.name
                self.died.append(f"{name} {error.what}")
                async with self._locks[name]:
                    await self._start(name)

        task = asyncio.create_task(revive())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _strike(self, blow: Blow) -> None:
        match blow.kind:
            case Kind.KILL:
                await self._run.stack.kill(blow.victim)
                await asyncio.sleep(blow.seconds)
                await self._start(blow.victim)
            case Kind.FREEZE:
                await self._freeze(blow.victim, blow.seconds)
            case Kind.CUT:
                await self._cut_connections()
            case Kind.VOID:
                await self._run.simulator.control("POST", "/control/access_tokens/void", {})

    async def _start(self, name: str) -> None:
        """Start a process until it stays; one that dies at its start is noted."""
        child = self._run.stack.children[name]
        while not child.running:
            try:
                await self._run.stack.start_one(name)
            except PartFailedError as error:
                self.died.append(f"{name} {error.what}")
                await asyncio.sleep(0.5)

    async def _freeze(self, name: str, seconds: float) -> None:
        """SIGSTOP a process with its own children, such as PostgreSQL's backends, and let it go on later."""
        pid = self._run.stack.children[name].pid
        if pid is None:
            return
        parent = psutil.Process(pid)
        frozen = [parent, *parent.children(recursive=True)]
        _signal(frozen, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            _signal(frozen, signal.SIGCONT)

    async def _cut_connections(self) -> None:
        """Drop every connection to PostgreSQL; when it is away, they are dropped already."""
        with suppress(OSError, asyncpg.PostgresError, TimeoutError):
            connection = await asyncpg.connect(self._run.stack.layout.database_url, timeout=5)
            try:
                await connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'",
                    timeout=5,
                )
            finally:
                await connection.close(timeout=5)


def _signal(processes: Sequence[psutil.Process], number: int) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)
