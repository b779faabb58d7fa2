"""The embedded PostgreSQL starts again after whatever a crash left behind."""

import asyncio
import os
from pathlib import Path

import pytest
from kf_cli import embedded, readiness


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("cluster") / "postgres"
    embedded.init_postgres(data)
    return data


async def answers(data: Path, log: Path) -> bool:
    port = embedded.free_port()
    with embedded.Child("postgres", embedded.postgres_command(data, port, durable=False), port, log):
        async with asyncio.timeout(30):
            # After a crash the port answers while the server still recovers.
            while not await readiness.answers_sql(embedded.database_url(port)):
                await asyncio.sleep(0.1)
    return True


async def test_a_pid_file_of_somebody_else_does_not_stop_it(cluster: Path, tmp_path: Path) -> None:
    # What is left after kill -9 and a reboot: the number belongs to another program now, to this one.
    (cluster / "postmaster.pid").write_text(f"{os.getpid()}\n{cluster}\n1\n5432\n", encoding="utf-8")
    embedded.init_postgres(cluster)
    assert await answers(cluster, tmp_path / "log")


async def test_a_broken_pid_file_does_not_stop_it(cluster: Path, tmp_path: Path) -> None:
    (cluster / "postmaster.pid").write_text("", encoding="utf-8")
    embedded.init_postgres(cluster)
    assert await answers(cluster, tmp_path / "log")


async def test_it_starts_after_kill_9(cluster: Path, tmp_path: Path) -> None:
    port = embedded.free_port()
    server = embedded.Child("postgres", embedded.postgres_command(cluster, port), port, tmp_path / "log")
    server.start()
    server.kill()
    embedded.init_postgres(cluster)
    assert await answers(cluster, tmp_path / "log")


def test_what_a_killed_initdb_left_is_no_cluster(tmp_path: Path) -> None:
    unfinished = tmp_path / "postgres.new"
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("18\n", encoding="utf-8")
    embedded.init_postgres(tmp_path / "postgres")
    assert (tmp_path / "postgres" / "global" / "pg_control").exists()
    assert not unfinished.exists()


def test_errors_are_logged_without_the_rows_that_caused_them() -> None:
    command = embedded.postgres_command(Path("/data"), 1)
    assert "--log_error_verbosity=terse" in command
    assert "--log_min_error_statement=panic" in command
