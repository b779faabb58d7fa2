import asyncio
from pathlib import Path

import pytest
from kf_cli import embedded
from kf_runtime import postgres
from kf_runtime.postgres import DatabaseError, Migration

ONE = Migration(1, "0001_one.sql", "CREATE TABLE thing (id int)")
TWO = Migration(2, "0002_two.sql", "INSERT INTO thing VALUES (1)")


async def test_migrations_are_applied_once_however_many_start_together(database_url: str) -> None:
    pools = [await postgres.connect(database_url, "demo") for _ in range(4)]
    applied = await asyncio.gather(*(postgres.migrate(pool, "demo", [ONE, TWO]) for pool in pools))
    assert sorted(applied) == [0, 0, 0, 2]
    assert await pools[0].fetchval("SELECT count(*) FROM demo.thing") == 1
    for pool in pools:
        await pool.close()


async def test_a_failed_migration_leaves_nothing_behind(database_url: str) -> None:
    pool = await postgres.connect(database_url, "demo")
    broken = Migration(2, "0002_two.sql", "CREATE TABLE other (id int); SELECT broken")
    with pytest.raises(Exception, match="broken"):
        await postgres.migrate(pool, "demo", [ONE, broken])
    assert await postgres.migrate(pool, "demo", [ONE, TWO]) == 1
    await pool.close()


async def test_an_edited_migration_is_refused(database_url: str) -> None:
    pool = await postgres.connect(database_url, "demo")
    await postgres.migrate(pool, "demo", [ONE])
    with pytest.raises(DatabaseError, match="edited after it was applied"):
        await postgres.migrate(pool, "demo", [Migration(1, "0001_one.sql", "CREATE TABLE thing (id bigint)")])
    await pool.close()


async def test_the_version_before_runs_on_a_schema_that_only_grew(database_url: str) -> None:
    pool = await postgres.connect(database_url, "demo")
    await postgres.migrate(pool, "demo", [ONE, TWO])
    assert await postgres.migrate(pool, "demo", [ONE]) == 0
    await pool.close()


async def test_a_schema_that_lost_what_the_program_needs_is_refused(database_url: str) -> None:
    pool = await postgres.connect(database_url, "demo")
    contract = Migration(2, "0002_contract_thing.sql", "DROP TABLE thing")
    await postgres.migrate(pool, "demo", [ONE, contract])
    with pytest.raises(DatabaseError, match="newer image"):
        await postgres.migrate(pool, "demo", [ONE])
    await pool.close()


async def test_an_unknown_database_is_named_with_its_remedy(postgres_server: embedded.Child) -> None:
    with pytest.raises(DatabaseError, match="does not exist"):
        await postgres.connect(embedded.database_url(postgres_server.port, "nowhere"), "demo")


async def test_a_server_that_is_not_there_is_named_with_its_remedy() -> None:
    url = embedded.database_url(embedded.free_port())
    with pytest.raises(DatabaseError, match="refuses the connection"):
        await postgres.connect(url, "demo", wait_seconds=0.5)


async def test_a_server_that_is_still_starting_is_waited_for(tmp_path: Path) -> None:
    await asyncio.to_thread(embedded.init_postgres, tmp_path / "data")
    port = embedded.free_port()
    server = embedded.Child(
        "postgres", embedded.postgres_command(tmp_path / "data", port, durable=False), port, tmp_path / "log"
    )
    waiting = asyncio.create_task(postgres.connect(embedded.database_url(port), "demo"))
    try:
        await asyncio.to_thread(server.start)
        pool = await waiting
        assert await pool.fetchval("SELECT current_setting('search_path')") == "demo,public"
        await pool.close()
    finally:
        await asyncio.to_thread(server.stop)
