"""Prepares the database: checks server, locale and pgvector, migrates, ties the store to one model."""

from typing import Any

import asyncpg
from kf_runtime import postgres
from kf_runtime.diagnoses import diagnosed
from kf_runtime.postgres import DatabaseError
from pgvector.asyncpg import register_vector

from kf_knowledge.store import SCHEMA

# 0.8.2 and older overflow a buffer in parallel index builds, 0.8.3 can corrupt an HNSW index on vacuum.
OLDEST_PGVECTOR = (0, 8, 4)
OLDEST_POSTGRES = 140000


async def open_pool(dsn: str, model: str, dimension: int) -> postgres.Pool:
    """A pool whose connections speak pgvector's types, on a database made ready for vectors of this model.

    Raises:
        DatabaseError: what is wrong with the database and how to mend it.
    """
    # Types can be registered once the extension is there: a first pool, without them, sees to that.
    async with await postgres.connect(dsn, SCHEMA, max_size=1) as plain:
        await prepare(plain, model, dimension)
    return await postgres.connect(dsn, SCHEMA, init=_speak_vectors, reset=_keep_settings)


async def _speak_vectors(connection: Any) -> None:
    await register_vector(connection)
    # Settings of a library that is not loaded yet are not checked.
    await connection.execute("SELECT '[1]'::vector")
    # Without it the index's first candidates are filtered by collection, and few or none are left.
    await connection.execute("SET hnsw.iterative_scan = strict_order; SET hnsw.ef_search = 100")
    # A search takes milliseconds: compiling it or starting workers for it takes longer.
    await connection.execute("SET jit = off; SET max_parallel_workers_per_gather = 0")


async def _keep_settings(_connection: Any) -> None:
    """Nothing else outlives a transaction: the pool's default reset would double the round trips."""


async def prepare(pool: postgres.Pool, model: str, dimension: int) -> None:
    """Makes the database ready for vectors of this model; any number of replicas may do it at once.

    Raises:
        DatabaseError: what is wrong with the database and how to mend it.
    """
    queries = postgres.load_queries("kf_knowledge")
    await _require_extension(pool, queries)
    await postgres.migrate(pool, SCHEMA, postgres.load_migrations("kf_knowledge"))
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("LOCK TABLE embedding_model IN EXCLUSIVE MODE")
        await _claim_model(connection, queries, model, dimension)


async def _require_extension(pool: Any, queries: Any) -> None:
    facts = await pool.fetchrow(queries.server_facts)
    check_server(facts["server_version"], lowers_unicode=facts["lowers_unicode"])
    if facts["installed"] is None:
        await _create_extension(pool, queries, facts["available"])
        facts = await pool.fetchrow(queries.server_facts)
    check_pgvector(facts["installed"], visible=facts["visible"])


async def _create_extension(pool: postgres.Pool, queries: Any, available: str | None) -> None:
    if available is None:
        raise DatabaseError(diagnosed("pgvector.missing", major="NN"))
    try:
        await pool.execute(queries.create_extension)
    except asyncpg.UniqueViolationError:
        # Another replica was faster; CREATE EXTENSION IF NOT EXISTS is not atomic.
        return
    except asyncpg.InsufficientPrivilegeError:
        raise DatabaseError(diagnosed("pgvector.not_created", database="DATABASE_URL")) from None


async def _claim_model(connection: Any, queries: Any, model: str, dimension: int) -> None:
    stored = await connection.fetchrow(queries.embedding_model)
    if stored and (stored["name"], stored["dimension"]) == (model, dimension):
        return
    if stored and stored["in_use"]:
        raise DatabaseError(
            f"The stored passages were embedded by {stored['name']} ({stored['dimension']} dimensions), this "
            f"service uses {model} ({dimension} dimensions): set EMBEDDING_MODEL and EMBEDDING_BASE_URL "
            "back, or delete the documents, restart and import them anew. / "
            "向量模型与已入库内容不一致：请改回原模型，或删除文档后重新导入。"
        )
    await connection.execute(queries.set_embedding_model, model, dimension)
    await connection.execute(
        "DROP INDEX IF EXISTS passage_vector_hnsw; CREATE INDEX passage_vector_hnsw ON passage_vector "
        f"USING hnsw ((embedding::halfvec({dimension})) halfvec_cosine_ops)"
    )


def check_server(version: int, *, lowers_unicode: bool) -> None:
    """Raises DatabaseError for a server that is too old or a locale that breaks text."""
    if version < OLDEST_POSTGRES:
        raise DatabaseError(diagnosed("postgres.old", version=version // 10000))
    if not lowers_unicode:
        raise DatabaseError(diagnosed("postgres.locale"))


def check_pgvector(installed: str | None, *, visible: bool) -> None:
    """Raises DatabaseError unless a safe pgvector is installed and its types are visible."""
    version = tuple(int(part) for part in (installed or "0").split(".") if part.isdigit())
    if version < OLDEST_PGVECTOR:
        raise DatabaseError(diagnosed("pgvector.old", version=installed))
    if not visible:
        raise DatabaseError(diagnosed("pgvector.schema", schema="?"))
