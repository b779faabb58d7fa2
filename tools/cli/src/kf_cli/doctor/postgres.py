"""Examines PostgreSQL: reachable, recent, writable, pgvector, locale, and the schemas of the services."""

import asyncio
import importlib.util
import re
import socket
from urllib.parse import unquote, urlsplit

import asyncpg
from kf_runtime.postgres import Migration, load_migrations

from kf_cli.doctor.catalogue import found
from kf_cli.doctor.examination import Check
from kf_cli.doctor.finding import Finding, fine, skipped
from kf_cli.doctor.system import System

SCHEMAS = ("dialog", "knowledge", "sender")
# 0.8.2 and older overflow a buffer in parallel index builds, 0.8.3 can corrupt an HNSW index on vacuum.
OLDEST_PGVECTOR = (0, 8, 4)
_OLDEST_SERVER = 140_000
_CONNECT_SECONDS = 4.0
_FACTS = """
SELECT current_setting('server_version_num')::int AS version, current_setting('server_version') AS release,
    current_database() AS database, current_user AS role, pg_is_in_recovery() AS is_replica,
    current_setting('default_transaction_read_only') = 'on' AS read_only,
    has_database_privilege(current_database(), 'CREATE') AS may_create,
    lower('Ä') = 'ä' AS lowers_unicode
"""
_VECTOR = """
SELECT (SELECT extversion FROM pg_extension WHERE extname = 'vector') AS installed,
    (SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
        WHERE e.extname = 'vector') AS schema,
    EXISTS (SELECT FROM pg_available_extensions WHERE name = 'vector') AS available
"""


# The name that kf_runtime.postgres gives its connections.
_VERSIONS = r"""
SELECT split_part(substr(application_name, 4), '/', 1) AS service,
    array_agg(DISTINCT split_part(application_name, '/', 2)) AS versions
FROM pg_stat_activity WHERE datname = current_database() AND application_name ~ '^kf-[a-z]+/' GROUP BY 1
"""


async def connect(system: System) -> list[Finding]:
    """A connection as DATABASE_URL says."""
    dsn = system.get("DATABASE_URL")
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            pool = await asyncpg.create_pool(
                dsn, min_size=1, max_size=3, server_settings={"application_name": "kf-doctor"}
            )
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return [_refusal(error, dsn)]
    system.stack.push_async_callback(pool.close)
    system.keep(pool)
    row = await pool.fetchrow(_FACTS)
    assert row is not None  # noqa: S101  a query without FROM gives one row
    if row["version"] < _OLDEST_SERVER:
        return [found("postgres.old", version=row["release"])]
    return [fine(f"PostgreSQL {row['release'].split()[0]}, {_address(dsn)}")]


def _address(dsn: str) -> str:
    # urlsplit knows neither several hosts nor a port that is none.
    return urlsplit(dsn).netloc.rpartition("@")[2] or "localhost"


def _refusal(error: Exception, dsn: str) -> Finding:
    address = _address(dsn)
    match error:
        case socket.gaierror():
            return found("postgres.dns", host=address.rpartition(":")[0] or address)
        case TimeoutError():
            return found("postgres.timeout", address=address)
        case OSError():
            return found("postgres.refused", address=address)
        case asyncpg.InvalidPasswordError():
            return found("postgres.password")
        case asyncpg.InvalidAuthorizationSpecificationError():
            return found(
                "postgres.tls" if re.search("ssl|encrypt", str(error), re.I) else "postgres.password"
            )
        case asyncpg.InvalidCatalogNameError():
            return found("postgres.unknown_database", database=unquote(urlsplit(dsn).path.lstrip("/")))
        case asyncpg.TooManyConnectionsError():
            return found("postgres.busy")
        case asyncpg.CannotConnectNowError():
            return found("postgres.starting")
        case _:
            tls = re.search("ssl", str(error), re.I)
            return found("postgres.tls") if tls else found("postgres.timeout", address=address)


async def role(system: System) -> list[Finding]:
    """The user may write, and may make what is still missing."""
    row = await system.database.fetchrow(_FACTS)
    assert row is not None  # noqa: S101
    if row["is_replica"] or row["read_only"]:
        return [found("postgres.read_only")]
    missing = set(SCHEMAS) - await _schemas(system)
    if missing and not row["may_create"]:
        return [found("postgres.role", role=row["role"], database=row["database"])]
    return [fine(f"{row['role']} @ {row['database']}")]


async def _schemas(system: System) -> set[str]:
    rows = await system.database.fetch("SELECT nspname FROM pg_namespace WHERE nspname = ANY ($1)", SCHEMAS)
    return {row["nspname"] for row in rows}


async def locale(system: System) -> list[Finding]:
    """Letters beyond ASCII are letters: trigrams and lower() depend on it."""
    row = await system.database.fetchrow(_FACTS)
    assert row is not None  # noqa: S101
    return [fine("UTF-8")] if row["lowers_unicode"] else [found("postgres.locale")]


async def pgvector(system: System) -> list[Finding]:
    """The extension is there, is not one of those that corrupt indexes, and its types are found."""
    row = await system.database.fetchrow(_VECTOR)
    facts = await system.database.fetchrow(_FACTS)
    assert row is not None  # noqa: S101
    assert facts is not None  # noqa: S101
    if row["installed"] is None:
        if not row["available"]:
            return [found("pgvector.missing", major=facts["version"] // 10_000)]
        return [found("pgvector.not_created", database=facts["database"])]
    if tuple(int(part) for part in row["installed"].split(".") if part.isdigit()) < OLDEST_PGVECTOR:
        return [found("pgvector.old", version=row["installed"])]
    if row["schema"] != "public":
        return [found("pgvector.schema", schema=row["schema"])]
    return [fine(f"pgvector {row['installed']}")]


async def migrations(system: System) -> list[Finding]:
    """Every schema holds the migrations that the programs of this installation bring along."""
    findings, seen = [], []
    for schema in SCHEMAS:
        applied = await applied_migrations(system, schema)
        known = known_migrations(schema)
        if not applied or (known and len(known) > len(applied)):
            wanted = len(known) or "?"
            findings.append(found("migrations.behind", schema=schema, applied=len(applied), known=wanted))
            continue
        findings += _differences(schema, applied, known)
        seen.append(f"{schema} {len(applied)}")
    return findings or [fine(", ".join(seen))]


def known_migrations(schema: str) -> list[Migration]:
    """The files of the service where it is installed beside this command; none in the image of `kf`."""
    package = f"kf_{schema}"
    return load_migrations(package) if importlib.util.find_spec(package) else []


async def applied_migrations(system: System, schema: str) -> dict[int, tuple[str, str]]:
    """(name, checksum) by number; empty when the service has never run on this database."""
    if await system.database.fetchval("SELECT to_regclass($1)", f"{schema}.migration") is None:
        return {}
    rows = await system.database.fetch(f'SELECT version, name, checksum FROM "{schema}".migration')  # noqa: S608
    return {row["version"]: (row["name"], row["checksum"]) for row in rows}


def _differences(schema: str, applied: dict[int, tuple[str, str]], known: list[Migration]) -> list[Finding]:
    edited = [m.name for m in known if applied.get(m.version, ("", m.checksum))[1] != m.checksum]
    newer = sorted(name for version, (name, _) in applied.items() if known and version > len(known))
    return [
        *(found("migrations.edited", schema=schema, migration=name) for name in edited),
        *(found("migrations.ahead", schema=schema, migration=name) for name in newer[-1:]),
    ]


async def versions(system: System) -> list[Finding]:
    """All running replicas are of one version: those with a connection here say theirs, and the gateway."""
    rows = await system.database.fetch(_VERSIONS)
    seen = {row["service"]: set(row["versions"]) for row in rows}
    if system.facts.get("gateway version"):
        seen["gateway"] = {system.facts["gateway version"]}
    words = ", ".join(f"{service} {'+'.join(sorted(each))}" for service, each in sorted(seen.items()))
    if len(set().union(*seen.values())) > 1:
        return [found("versions.differ", versions=words)]
    return [fine(words)] if seen else [skipped("没有服务连接到数据库 / no service is connected")]


async def table_exists(system: System, *names: str) -> bool:
    """Whether all these tables are there: a service that never ran has none."""
    return all([await system.database.fetchval("SELECT to_regclass($1)", name) for name in names])


def not_yet(what: str) -> list[Finding]:
    """What a check says that reads a table which no service has made yet."""
    return [skipped(f"{what} 尚未运行过 / {what} has never run")]


CHECKS = (
    Check("postgres", "PostgreSQL", "PostgreSQL", connect, settings=("DATABASE_URL",)),
    Check("postgres_role", "数据库权限", "rights of the role", role, needs=("postgres",)),
    Check("locale", "数据库区域", "locale", locale, needs=("postgres",)),
    Check("pgvector", "pgvector", "pgvector", pgvector, needs=("postgres",)),
    Check("versions", "版本一致", "versions agree", versions, needs=("postgres", "gateway")),
    Check("migrations", "数据库结构", "migrations", migrations, needs=("postgres", "pgvector")),
)
