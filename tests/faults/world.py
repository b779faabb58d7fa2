"""A whole healthy installation that one fault at a time is injected into, and the register of injections.

An injection is an async context manager: it breaks one thing, yields the settings that the doctor is to see
differently, and mends what it broke.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from kf_cli import embedded
from kf_cli.doctor.checks import ALL
from kf_cli.doctor.examination import Report, examine
from kf_cli.doctor.system import open_system
from kf_cli.doctor.target import Target, running_target
from kf_cli.knowledge_base import connect
from kf_cli.sources import Source

from tests.e2e.stack import Running, running_stack

FAST = {
    "KF_GATEWAY_POLL_SECONDS": "1",
    "KF_DIALOG_MERGE_MS": "100",
    "KF_SENDER_RATE_PER_MINUTE": "600",
    "KF_SIMULATOR_SEND_LIMIT_PER_MINUTE": "0",
}
Settings = Mapping[str, str]


@dataclass
class World:
    """What injections work with; `patch` is undone after each fault."""

    run: Running
    target: Target
    folder: Path
    patch: pytest.MonkeyPatch

    async def examine(self, changes: Settings) -> Report:
        """The doctor's report on this installation, with some settings read differently."""
        async with open_system(Target({**self.target.values, **changes})) as system:
            return await examine(system, ALL)

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        """The simulator's control API."""
        return await self.run.simulator.control(method, path, body)

    async def sql(self, statement: str, *values: Any) -> Any:
        """One statement on the installation's own database."""
        connection = await asyncpg.connect(self.target.get("DATABASE_URL"))
        try:
            return await connection.fetchval(statement, *values)
        finally:
            await connection.close()

    async def new_database(self, *statements: str, options: str = "") -> str:
        """The URL of a fresh database on the same server, after these statements."""
        name = f"fault_{uuid4().hex[:10]}"
        await self.sql(f'CREATE DATABASE "{name}" {options}')
        url = embedded.database_url(self.run.stack.layout.ports.kf_postgres_port, name)
        for statement in statements:
            connection = await asyncpg.connect(url)
            try:
                await connection.execute(statement.replace("{database}", f'"{name}"'))
            finally:
                await connection.close()
        return url

    def account(self, collection: str = "shop") -> str:
        """open_kfid of an account of the sample."""
        return self.run.account(collection)


Injection = Callable[[World], AbstractAsyncContextManager[Settings]]
INJECTIONS: dict[str, Injection] = {}


def injects(name: str) -> Callable[[Callable[[World], AsyncIterator[Settings]]], Injection]:
    """Register an injection under the name of its row in docs/fault-matrix.toml."""

    def register(function: Callable[[World], AsyncIterator[Settings]]) -> Injection:
        assert name not in INJECTIONS, name
        INJECTIONS[name] = asynccontextmanager(function)
        return INJECTIONS[name]

    return register


def overlay(name: str, **changes: str) -> None:
    """Register a fault that is no more than some settings read differently."""

    @injects(name)
    async def change(world: World) -> AsyncIterator[Settings]:
        yield changes


@asynccontextmanager
async def healthy_world(folder: Path) -> AsyncIterator[World]:
    """Everything that `kf run` starts, with one short document for each account."""
    async with running_stack(folder, settings=FAST, sample=False) as run:
        document = folder / "answers.md"
        document.write_text("# 保修\n\n所有产品保修两年。\n", encoding="utf-8")
        async with connect(f"127.0.0.1:{run.stack.layout.port('knowledge')}") as knowledge:
            for collection in set(run.stack.collections.values()):
                await knowledge.ingest(collection, Source(document, "answers.md"))
        target = await running_target(run.stack.layout)
        yield World(run, target, folder, pytest.MonkeyPatch())
