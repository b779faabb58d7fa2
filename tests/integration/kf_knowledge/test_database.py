"""The database is made ready, or refused with the remedy."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import asyncpg
import numpy as np
import pytest
from kf_knowledge import database
from kf_knowledge.bm25 import packed
from kf_knowledge.database import check_pgvector, check_server
from kf_knowledge.store import SCHEMA
from kf_runtime import postgres
from kf_runtime.postgres import DatabaseError
from pgvector import HalfVector


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[postgres.Pool]:
    """A pool on an empty database."""
    opened = await postgres.connect(database_url, SCHEMA)
    yield opened
    await opened.close()


async def test_several_replicas_prepare_an_empty_database_at_once(pool: postgres.Pool) -> None:
    """The extension, the migrations and the index are made once; nobody fails."""
    await asyncio.gather(*(database.prepare(pool, "model", 384) for _ in range(4)))
    assert await pool.fetchval("SELECT count(*) FROM pg_indexes WHERE indexname = 'passage_vector_hnsw'") == 1


async def test_open_pool_speaks_pgvector_on_an_empty_database(database_url: str) -> None:
    """The extension is made before the connections that need its types."""
    pool = await database.open_pool(database_url, "model", 3)
    vector = np.array([1, 2, 3], np.float32)
    assert await pool.fetchval("SELECT $1::halfvec", vector) == HalfVector(vector)
    for _ in range(2):
        assert await pool.fetchval("SHOW hnsw.iterative_scan") == "strict_order"
    await pool.close()


async def test_older_schema_keeps_its_passages_and_frequencies(pool: postgres.Pool) -> None:
    """Migration 2 makes of stored tsvectors what ingestion would have made of the text."""
    await pool.execute("CREATE EXTENSION vector")
    migrations = postgres.load_migrations("kf_knowledge")
    await postgres.migrate(pool, SCHEMA, migrations[:1])
    await pool.execute(
        "INSERT INTO collection (name) VALUES ('c');"
        "INSERT INTO document VALUES (gen_random_uuid(), 1, 's', 't', 1, '', 1);"
        "INSERT INTO passage SELECT gen_random_uuid(), 1, id, 0, '{}', '', 'text', "
        "$$'a' '保修':1 'x:y':1,2 'z':3$$, 4 FROM document"
    )
    await postgres.migrate(pool, SCHEMA, migrations[:2])
    row = await pool.fetchrow("SELECT lexemes::text, hashes, counts, lexeme_count FROM passage_terms")
    expected = packed(Counter({"a": 1, "x:y": 2, "z": 1, "保修": 1}))
    assert tuple(row or ()) == ("'1:a' '1:x:y' '1:z' '1:保修'", *expected, 4)


async def test_empty_store_takes_another_model(pool: postgres.Pool) -> None:
    await database.prepare(pool, "small", 384)
    await database.prepare(pool, "large", 1_024)
    row = await pool.fetchrow("SELECT name, dimension FROM embedding_model")
    assert tuple(row or ()) == ("large", 1_024)
    assert "halfvec(1024)" in await pool.fetchval(
        "SELECT indexdef FROM pg_indexes WHERE indexname = 'passage_vector_hnsw'"
    )


@pytest.mark.parametrize(("model", "dimension"), [("large", 1_024), ("other", 384), ("small", 512)])
async def test_other_model_is_refused_while_passages_are_stored(
    pool: postgres.Pool, model: str, dimension: int
) -> None:
    await database.prepare(pool, "small", 384)
    await pool.execute(
        "INSERT INTO collection (name) VALUES ('c');"
        "INSERT INTO document VALUES (gen_random_uuid(), 1, 's');"
        "INSERT INTO passage SELECT id, 1, id, 0, '{}', '', 'text', id, 1 FROM document"
    )
    with pytest.raises(DatabaseError, match=r"small \(384 dimensions\).*EMBEDDING_MODEL"):
        await database.prepare(pool, model, dimension)
    await database.prepare(pool, "small", 384)


async def test_user_who_may_not_create_the_extension_is_told_what_to_ask_for(
    database_url: str, pool: postgres.Pool
) -> None:
    name = database_url.rsplit("/", 1)[1].split("?")[0]
    role = f"plain_{name}"
    await pool.execute(f'CREATE ROLE "{role}" LOGIN')
    plain = await asyncpg.create_pool(database_url, user=role, min_size=1, max_size=1)
    with pytest.raises(DatabaseError, match="CREATE EXTENSION vector"):
        await database.prepare(plain, "small", 384)
    await plain.close()


async def test_extension_in_a_hidden_schema_is_named(pool: postgres.Pool) -> None:
    await pool.execute("CREATE SCHEMA hidden; CREATE EXTENSION vector WITH SCHEMA hidden")
    with pytest.raises(DatabaseError, match="ALTER EXTENSION vector SET SCHEMA public"):
        await database.prepare(pool, "small", 384)


async def test_database_with_locale_c_is_refused(database_url: str, pool: postgres.Pool) -> None:
    """lower() leaves Ä alone there."""
    name = database_url.rsplit("/", 1)[1].split("?")[0]
    await pool.execute(f'CREATE DATABASE "{name}_c" TEMPLATE template0 LOCALE_PROVIDER libc LOCALE "C"')
    broken = await asyncpg.create_pool(database_url, database=f"{name}_c", min_size=1, max_size=1)
    with pytest.raises(DatabaseError, match=r"C\.UTF-8"):
        await database.prepare(broken, "small", 384)
    await broken.close()


@pytest.mark.parametrize("version", ["0.5.1", "0.8.0", "0.8.3"])
def test_unsafe_pgvector_is_refused(version: str) -> None:
    with pytest.raises(DatabaseError, match=r"0\.8\.4"):
        check_pgvector(version, visible=True)


@pytest.mark.parametrize("version", ["0.8.4", "0.8.6", "0.10.0", "1.0"])
def test_safe_pgvector_is_taken(version: str) -> None:
    check_pgvector(version, visible=True)


def test_old_server_is_refused() -> None:
    with pytest.raises(DatabaseError, match="PostgreSQL 13 is too old"):
        check_server(130_012, lowers_unicode=True)
