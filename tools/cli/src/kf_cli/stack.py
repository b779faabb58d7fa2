"""A local stack as processes: starts the parts in order, watches, kills and restarts any by name, stops all.

`kf run`, `kf demo` and the end-to-end tests all run on this.
"""

import asyncio
from collections.abc import Callable, Iterable
from types import TracebackType

from kf_cli import embedded, readiness
from kf_cli.children import Child, OnLine
from kf_cli.config import Part
from kf_cli.layout import Layout, kind, program, simulated_collections, write_accounts

_READY_SECONDS = 120.0
_POLL_SECONDS = 0.1
_STOP_ORDER = ("gateway", "dialog", "sender", "knowledge", "simulator", "traces", "nats", "postgres")


class PartFailedError(Exception):
    """A part died or did not become ready; the message names it and holds its last lines."""

    def __init__(self, child: Child, what: str) -> None:
        lines = "\n".join(f"    {line}" for line in child.tail)
        self.child, self.what = child, what
        super().__init__(f"{child.name} {what}. Its last lines:\n{lines or '    (none)'}")


class Stack:
    """All processes of one layout. As a context manager: started on entry, stopped on exit.

    `children` holds them by name (`nats`, `postgres`, `simulator`, `traces`, `gateway`, `sender-2` ...).
    """

    def __init__(
        self,
        layout: Layout,
        on_line: OnLine,
        on_ready: Callable[[str], None] = lambda _: None,
        keep_open: tuple[int, ...] = (),
    ) -> None:
        self.layout = layout
        self.children: dict[str, Child] = {}
        self.collections: dict[str, str] = {}
        """open_kfid of each simulated account → its collection."""
        self._on_line, self._on_ready, self._keep_open = on_line, on_ready, keep_open
        self._watching: set[asyncio.Task[None]] = set()
        self._died: asyncio.Queue[Child] = asyncio.Queue()

    async def start(self) -> None:
        """Start everything and wait until all of it is ready.

        Raises:
            PartFailedError: a part died or stayed unready for two minutes; the others are still running.
            EmbeddedError: an embedded server is not installed or refused its data.
        """
        if "postgres" in self.layout.infrastructure():
            await asyncio.to_thread(embedded.init_postgres, self.layout.data / "postgres")
        await self._start_all(self.layout.infrastructure())
        if Part.WECOM not in self.layout.real:
            self.collections = await simulated_collections(self.layout)
            write_accounts(self.layout, self.collections)
        await self._start_all(self.layout.services())

    async def start_one(self, name: str) -> None:
        """Start one process (again) and wait until it is ready; raises as `start`."""
        if kind(name) == "postgres":
            await asyncio.to_thread(embedded.init_postgres, self.layout.data / "postgres")
        child = self.children.get(name)
        if child is None:
            child = Child(program(self.layout, name, self.collections), self._on_line, self._keep_open)
            self.children[name] = child
        await child.start()
        task = asyncio.create_task(self._watch(child))
        self._watching.add(task)
        task.add_done_callback(self._watching.discard)
        await self.wait_ready(name)
        self._on_ready(name)

    async def wait_ready(self, name: str) -> None:
        """Wait until a running process takes work; raises as `start`."""
        child = self.children[name]
        try:
            async with asyncio.timeout(_READY_SECONDS):
                while not await self.is_ready(name):
                    if not child.running:
                        await child.wait()
                        raise PartFailedError(child, f"ended with status {child.returncode}")
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            raise PartFailedError(child, f"was not ready after {_READY_SECONDS:.0f} s") from None

    async def is_ready(self, name: str) -> bool:
        """Whether a process takes work right now."""
        layout, port = self.layout, self.layout.port(name)
        match kind(name):
            case "nats":
                return await readiness.answers_tcp(port)
            case "postgres":
                return await readiness.answers_sql(layout.database_url)
            case "simulator" | "traces":
                return await readiness.answers_http(f"http://127.0.0.1:{port}/health")
            case "gateway":
                host = layout.gateway_url.rpartition(":")[0]
                return await readiness.answers_http(f"{host}:{port}/ready")
            case _:
                return await readiness.answers_grpc(port)

    async def kill(self, name: str) -> None:
        """kill -9 one process and leave it dead."""
        await self.children[name].kill()

    async def restart(self, name: str) -> None:
        """Stop one process cleanly, start it again and wait until it is ready."""
        await self.children[name].stop()
        await self.start_one(name)

    async def wait_death(self) -> PartFailedError:
        """Wait until a process ends that nobody stopped; says which and what its last words were."""
        child = await self._died.get()
        return PartFailedError(child, f"ended with status {child.returncode}")

    async def stop(self) -> None:
        """Stop all: services before what they lean on, the processes of one kind together."""
        for service in _STOP_ORDER:
            await asyncio.gather(*(child.stop() for child in self._of(service)))
        await asyncio.gather(*self._watching)

    async def kill_all(self) -> None:
        """kill -9 everything at once."""
        await asyncio.gather(*(child.kill() for child in self.children.values()))

    async def __aenter__(self) -> "Stack":
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _start_all(self, names: Iterable[str]) -> None:
        tasks = [asyncio.create_task(self.start_one(name)) for name in names]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self, child: Child) -> None:
        await child.wait()
        if child.expected_to_run and not child.running:
            child.expected_to_run = False
            self._died.put_nowait(child)

    def _of(self, service: str) -> list[Child]:
        return [child for name, child in self.children.items() if kind(name) == service]
