"""What every test has: no traffic off this machine, a fresh nats-server, a fresh database."""

import asyncio
import ipaddress
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from kf_cli import embedded, readiness


@pytest.fixture(autouse=True, scope="session")
def _loopback_only() -> Iterator[None]:
    """Fail any test that opens a connection to another machine."""
    real = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            host = str(address[0]).split("%")[0]
            if host != "localhost" and not ipaddress.ip_address(host).is_loopback:
                raise AssertionError(f"a test tried to reach {host}: tests talk to loopback only")
        real(self, address)

    socket.socket.connect = connect  # type: ignore[method-assign, assignment]
    yield
    socket.socket.connect = real  # type: ignore[method-assign]


@pytest.fixture
def nats_server(tmp_path: Path) -> Iterator[embedded.Child]:
    """A nats-server with empty streams; a test may kill and start it again."""
    port = embedded.free_port()
    command = embedded.nats_command(tmp_path / "nats", port, sync_always=False)
    with embedded.Child("nats-server", command, port, tmp_path / "nats.log") as server:
        yield server


@pytest.fixture
def nats_url(nats_server: embedded.Child) -> str:
    return f"nats://127.0.0.1:{nats_server.port}"


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[embedded.Child]:
    """One PostgreSQL with pgvector for the whole session; databases are made per test."""
    folder = tmp_path_factory.mktemp("postgres")
    embedded.init_postgres(folder / "data")
    port = embedded.free_port()
    command = embedded.postgres_command(folder / "data", port, durable=False)
    with embedded.Child("postgres", command, port, folder / "postgres.log") as server:
        yield server


@pytest.fixture
async def database_url(postgres_server: embedded.Child) -> str:
    """A new, empty database of this test's own."""
    name = f"test_{uuid4().hex[:12]}"
    server = embedded.database_url(postgres_server.port)
    async with asyncio.timeout(30):
        # The port answers a moment before the server does.
        while not await readiness.answers_sql(server):
            await asyncio.sleep(0.05)
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(f'CREATE DATABASE "{name}"')
    finally:
        await connection.close()
    return embedded.database_url(postgres_server.port, name)
