"""`kf doctor --fix`: mends what needs nobody's decision: extension, schemas, streams."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

import asyncpg
from kf_contracts import streams as contract
from kf_runtime import nats as kf_nats
from kf_runtime import postgres as kf_postgres
from kf_runtime.postgres import DatabaseError
from nats.errors import Error as NatsError

from kf_cli.doctor.finding import Finding
from kf_cli.doctor.postgres import known_migrations
from kf_cli.doctor.system import System

DONE = "✓"
"""How the line of something that was mended begins."""


async def mend(system: System, findings: Sequence[Finding]) -> list[str]:
    """Mend what is safe to mend among the findings; a line for each thing done or refused."""
    wanted = {finding.diagnosis for finding in findings}
    lines = []
    for diagnoses, what, work in _WORK:
        if not wanted & diagnoses:
            continue
        try:
            await work(system, findings)
        except (DatabaseError, NatsError, OSError, asyncpg.PostgresError, FileNotFoundError) as error:
            reason = (
                str(error) if isinstance(error, DatabaseError | FileNotFoundError) else type(error).__name__
            )
            lines.append(f"✗ {what}: {reason}")
        else:
            lines.append(f"{DONE} {what}")
    return lines


async def _make_extension(system: System, _: Sequence[Finding]) -> None:
    await system.database.execute("CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA public")


async def _migrate(system: System, findings: Sequence[Finding]) -> None:
    for finding in findings:
        schema = finding.facts.get("schema", "")
        if finding.diagnosis != "migrations.behind" or not schema:
            continue
        files = known_migrations(schema)
        if not files:
            raise FileNotFoundError(f"start the service {schema} once: its migrations are not in this image")
        pool = await kf_postgres.connect(system.get("DATABASE_URL"), schema, max_size=1, wait_seconds=3)
        async with pool:
            await kf_postgres.migrate(pool, schema, files)


async def _make_streams(system: System, _: Sequence[Finding]) -> None:
    js, replicas = system.nats.jetstream(), int(system.get("KF_NATS_REPLICAS"))
    await kf_nats.ensure_streams(js, contract.stream_configs(replicas))
    await kf_nats.ensure_buckets(js, contract.bucket_configs(replicas))


_Work = Callable[[System, Sequence[Finding]], Awaitable[None]]
_WORK: Sequence[tuple[frozenset[str], str, _Work]] = (
    (frozenset({"pgvector.not_created"}), "CREATE EXTENSION vector", _make_extension),
    (frozenset({"migrations.behind"}), "数据库迁移 / migrations", _migrate),
    (frozenset({"stream.missing", "stream.changed"}), "消息流 / streams and buckets", _make_streams),
)
MENDABLE: Mapping[str, str] = {name: what for names, what, _ in _WORK for name in names}
"""Diagnoses that `--fix` can mend, and what it does."""
