"""PostgreSQL as every service uses it: a pool bound to a schema, SQL from files, forward-only migrations."""

import asyncio
import hashlib
import re
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from time import monotonic
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import asyncpg
import structlog

from kf_runtime import query_spans
from kf_runtime.diagnoses import Diagnosis, diagnosed
from kf_runtime.telemetry import VERSION

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]
else:
    Pool = asyncpg.Pool

log = structlog.get_logger()

# The server is away, restarting or cutting connections: the same statement may succeed in a moment.
TRANSIENT: tuple[type[Exception], ...] = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    # What asyncpg says when the server's farewell arrives in the middle of a statement.
    asyncpg.InternalClientError,
    asyncpg.exceptions.OperatorInterventionError,
    asyncpg.exceptions.CannotConnectNowError,
    # Full disk, no memory, too many connections.
    asyncpg.exceptions.InsufficientResourcesError,
    # What a primary says right after it became a replica.
    asyncpg.exceptions.ReadOnlySQLTransactionError,
    asyncpg.exceptions.LockNotAvailableError,
    asyncpg.exceptions.SerializationError,
    asyncpg.exceptions.DeadlockDetectedError,
)

_MIGRATION_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
# A migration that takes away what the version before it uses; all others only add (expand, then contract).
_CONTRACT = re.compile(r"\d{4}_contract_")
_QUERY_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)
# Any number will do as long as all services use the same one: migrations of two schemas may share extensions.
_LOCK = 0x6B656675
_LOCK_SECONDS = 600.0


class DatabaseError(Exception):
    """The database cannot be used as it is; the message says what is wrong and how to mend it.

    `diagnosis` is the catalogue's entry, where there is one.
    """

    def __init__(self, what: str | Diagnosis) -> None:
        super().__init__(str(what))
        self.diagnosis = what if isinstance(what, Diagnosis) else None


@dataclass(frozen=True)
class Migration:
    """One numbered SQL file; its checksum guards against edits after it was applied."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text, hexadecimal."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def load_migrations(package: str) -> list[Migration]:
    """The files `migrations/NNNN_name.sql` inside a package, in order, numbered 1, 2, 3 without a gap."""
    found = []
    for entry in (resources.files(package) / "migrations").iterdir():
        match = _MIGRATION_NAME.fullmatch(entry.name)
        if match:
            found.append(Migration(int(match[1]), entry.name, entry.read_text(encoding="utf-8")))
    found.sort(key=lambda m: m.version)
    if [m.version for m in found] != list(range(1, len(found) + 1)):
        raise DatabaseError(f"{package}: migrations must be numbered 1, 2, 3 ... without a gap")
    return found


def load_queries(package: str, file: str = "queries.sql") -> SimpleNamespace:
    """The statements of one SQL file as attributes; each begins with a line `-- name: its_name`."""
    text = (resources.files(package) / file).read_text(encoding="utf-8")
    parts = _QUERY_NAME.split(text)[1:]
    queries = {name: sql.strip() for name, sql in zip(parts[::2], parts[1::2], strict=True)}
    query_spans.register(queries)
    return SimpleNamespace(**queries)


async def connect(
    dsn: str,
    schema: str,
    *,
    min_size: int = 1,
    max_size: int = 10,
    wait_seconds: float = 30.0,
    init: Callable[[Any], Awaitable[None]] | None = None,
    **options: Any,
) -> Pool:
    """A pool whose connections see `schema` first, then public; waits for a server that is still starting.

    `init` prepares each new connection (codecs); `options` go to asyncpg.create_pool. Statements end after
    30 s on the server. Each statement inside a traced piece of work is a span.

    Raises:
        DatabaseError: refused, wrong password, unknown database or not reachable in time, with the remedy.
    """

    async def prepare(connection: Any) -> None:
        connection.add_query_logger(query_spans.record)
        if init:
            await init(connection)

    deadline = monotonic() + wait_seconds
    while True:
        try:
            return await _open(dsn, schema, min_size, max_size, {**options, "init": prepare})
        except (OSError, TimeoutError, asyncpg.exceptions.CannotConnectNowError) as error:
            if monotonic() > deadline:
                name = "postgres.dns" if isinstance(error, socket.gaierror) else "postgres.refused"
                raise DatabaseError(diagnosed(name, address=_address(dsn), host=_address(dsn))) from None
            log.info("postgres.waiting", error=type(error).__name__)
            await asyncio.sleep(0.25)
        except (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError):
            raise DatabaseError(diagnosed("postgres.password")) from None
        except asyncpg.InvalidCatalogNameError:
            database = urlsplit(dsn).path.lstrip("/")
            raise DatabaseError(diagnosed("postgres.unknown_database", database=database)) from None


def _address(dsn: str) -> str:
    """host:port, without user and password."""
    return urlsplit(dsn).netloc.rpartition("@")[2] or "localhost"


async def _open(dsn: str, schema: str, min_size: int, max_size: int, options: Mapping[str, Any]) -> Pool:
    return await asyncpg.create_pool(
        dsn,
        min_size=min_size,
        max_size=max_size,
        timeout=5,
        server_settings={
            "search_path": f"{schema},public",
            "application_name": f"kf-{schema}/{VERSION}",
            "statement_timeout": "30000",
            "idle_in_transaction_session_timeout": "60000",
        },
        **options,
    )


async def migrate(pool: Pool, schema: str, migrations: list[Migration]) -> int:
    """Apply what is missing, each file in its own transaction, one process at a time; returns how many.

    A database that is ahead of this program is fine (a rolling update, a rollback) unless one of the files
    that it has more is a `NNNN_contract_name.sql`.

    Raises:
        DatabaseError: an applied file was edited, or a newer one took away what this program needs.
    """
    async with pool.acquire() as connection:
        # Somebody else's migration may take longer than the server allows a statement of ours.
        await connection.execute("SET statement_timeout = 0")
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK, timeout=_LOCK_SECONDS)
        try:
            return await _apply(connection, schema, migrations)
        finally:
            await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK)
            await connection.execute("RESET statement_timeout")


async def _apply(connection: Any, schema: str, migrations: list[Migration]) -> int:
    await connection.execute(
        f'CREATE SCHEMA IF NOT EXISTS "{schema}"; CREATE TABLE IF NOT EXISTS "{schema}".migration '
        "(version int PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, "
        "applied_at timestamptz NOT NULL DEFAULT now())"
    )
    rows = await connection.fetch(f'SELECT version, name, checksum FROM "{schema}".migration')  # noqa: S608
    applied = {row["version"]: (row["name"], row["checksum"]) for row in rows}
    _check(schema, migrations, applied)
    missing = [m for m in migrations if m.version not in applied]
    for migration in missing:
        async with connection.transaction():
            await connection.execute("SET LOCAL statement_timeout = 0")
            await connection.execute(migration.sql)
            await connection.execute(
                f'INSERT INTO "{schema}".migration (version, name, checksum) VALUES ($1, $2, $3)',  # noqa: S608
                migration.version,
                migration.name,
                migration.checksum,
            )
        log.info("postgres.migrated", schema=schema, migration=migration.name)
    return len(missing)


def _check(schema: str, migrations: list[Migration], applied: Mapping[int, tuple[str, str]]) -> None:
    known = {m.version: m for m in migrations}
    newer = [name for version, (name, _) in applied.items() if version not in known]
    breaking = [name for name in newer if _CONTRACT.match(name)]
    if breaking:
        raise DatabaseError(
            f"schema {schema} has {max(breaking)}, this program knows {len(known)} migrations: "
            "run a newer image. / 数据库版本高于程序，请使用更新的镜像。"
        )
    if newer:
        # The old version during a rolling update, or after a rollback: newer files only added something.
        log.warning("postgres.schema_newer", schema=schema, migration=max(newer))
    for version, (name, checksum) in applied.items():
        if version in known and known[version].checksum != checksum:
            raise DatabaseError(f"{name} was edited after it was applied: restore it, add a new file.")
