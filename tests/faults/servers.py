"""Faults of NATS and PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import asyncpg
import nats as nats_client
from kf_cli import embedded
from kf_cli.doctor import nats as doctor_nats
from kf_cli.doctor import postgres as doctor_postgres
from kf_contracts import streams
from kf_contracts.events import DeadLetter
from kf_runtime import nats as kf_nats
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig

from tests.faults.local import closed
from tests.faults.peers import silent_peer
from tests.faults.world import Settings, World, injects

NOWHERE = "nowhere.invalid"


@asynccontextmanager
async def other_nats(world: World, configuration: str = "", *options: str) -> AsyncIterator[str]:
    """Another nats-server, with its own configuration; yields its URL."""
    port = embedded.free_port()
    folder = world.folder / f"nats-{port}"
    command = embedded.nats_command(folder, port, sync_always=False)
    if configuration:
        (folder / "nats.conf").write_text(configuration, encoding="utf-8")
    with embedded.Child("nats-server", [*command, *options], port, folder / "log"):
        yield f"nats://127.0.0.1:{port}"


@asynccontextmanager
async def jetstream(url: str) -> AsyncIterator[JetStreamContext]:
    client = await nats_client.connect(url)
    try:
        yield client.jetstream()
    finally:
        await client.close()


async def make_consumers(js: JetStreamContext) -> None:
    filters = {"sender-urgent": "kf.outbound.urgent.*"}
    for stream, durable in doctor_nats.CONSUMERS:
        await js.add_consumer(
            stream,
            ConsumerConfig(
                durable_name=durable,
                filter_subject=filters.get(durable) or f"kf.{stream.removeprefix('KF_').lower()}.*",
            ),
        )


@injects("nats-refused")
async def nats_refused(world: World) -> AsyncIterator[Settings]:
    yield {"NATS_URL": f"nats://{closed()}"}


@injects("nats-unknown-host")
async def nats_unknown_host(world: World) -> AsyncIterator[Settings]:
    yield {"NATS_URL": f"nats://{NOWHERE}:4222"}


@injects("nats-silent")
async def nats_silent(world: World) -> AsyncIterator[Settings]:
    world.patch.setattr(doctor_nats, "_CONNECT_SECONDS", 1.0)
    with silent_peer() as port:
        yield {"NATS_URL": f"nats://127.0.0.1:{port}"}


@injects("nats-password")
async def nats_password(world: World) -> AsyncIterator[Settings]:
    async with other_nats(world, "", "--user", "kf", "--pass", "right") as url:
        yield {"NATS_URL": url.replace("nats://", "nats://kf:wrong@")}


@injects("jetstream-off")
async def jetstream_off(world: World) -> AsyncIterator[Settings]:
    async with other_nats(world, "max_payload: 1MB") as url:
        yield {"NATS_URL": url}


@injects("stream-missing")
async def stream_missing(world: World) -> AsyncIterator[Settings]:
    async with other_nats(world) as url, jetstream(url) as js:
        await kf_nats.ensure_streams(js, streams.stream_configs(1)[1:])
        await kf_nats.ensure_buckets(js, streams.bucket_configs(1))
        yield {"NATS_URL": url}


@injects("stream-changed")
async def stream_changed(world: World) -> AsyncIterator[Settings]:
    config = next(c for c in streams.stream_configs(1) if c.name == streams.KF_DEAD)
    async with jetstream(world.target.get("NATS_URL")) as js:
        await js.update_stream(replace(config, max_age=3600.0))
        yield {}
        await js.update_stream(config)


@injects("consumer-missing")
async def consumer_missing(world: World) -> AsyncIterator[Settings]:
    async with other_nats(world) as url, jetstream(url) as js:
        await kf_nats.ensure_streams(js, streams.stream_configs(1))
        await kf_nats.ensure_buckets(js, streams.bucket_configs(1))
        yield {"NATS_URL": url}


@injects("consumer-lag")
async def consumer_lag(world: World) -> AsyncIterator[Settings]:
    world.patch.setattr(doctor_nats, "_LAG_SECONDS", 0.0)
    async with other_nats(world) as url, jetstream(url) as js:
        await kf_nats.ensure_streams(js, streams.stream_configs(1))
        await kf_nats.ensure_buckets(js, streams.bucket_configs(1))
        await make_consumers(js)
        await js.publish("kf.outbound.wk1", b"{}")
        yield {"NATS_URL": url}


@injects("dead-letter")
async def dead_letter(world: World) -> AsyncIterator[Settings]:
    letter = DeadLetter(service="sender", subject="kf.outbound.wk1", reason="given up by the test")
    async with jetstream(world.target.get("NATS_URL")) as js:
        stored = await js.publish("kf.dead.sender", letter.encode())
        yield {}
        await js.delete_msg(streams.KF_DEAD, stored.seq)


@injects("nats-not-synced")
async def nats_not_synced(world: World) -> AsyncIterator[Settings]:
    monitor = embedded.free_port()
    async with other_nats(world, "", "--http_port", str(monitor)):
        yield {"KF_NATS_MONITOR_URL": f"http://127.0.0.1:{monitor}"}


@injects("database-refused")
async def database_refused(world: World) -> AsyncIterator[Settings]:
    yield {"DATABASE_URL": f"postgresql://app@{closed()}/postgres"}


@injects("database-unknown-host")
async def database_unknown_host(world: World) -> AsyncIterator[Settings]:
    yield {"DATABASE_URL": f"postgresql://app@{NOWHERE}:5432/postgres"}


@injects("database-silent")
async def database_silent(world: World) -> AsyncIterator[Settings]:
    world.patch.setattr(doctor_postgres, "_CONNECT_SECONDS", 1.0)
    with silent_peer() as port:
        yield {"DATABASE_URL": f"postgresql://app@127.0.0.1:{port}/postgres"}


def as_role(world: World, role: str, password: str = "") -> str:
    login = f"{role}:{password}@" if password else f"{role}@"
    return world.target.get("DATABASE_URL").replace("app@", login)


@injects("database-password")
async def database_password(world: World) -> AsyncIterator[Settings]:
    rules = world.run.stack.layout.data / "postgres" / "pg_hba.conf"
    before = rules.read_text(encoding="utf-8")
    await world.sql("CREATE ROLE locked LOGIN PASSWORD 'right'")
    rules.write_text(f"host all locked 127.0.0.1/32 scram-sha-256\n{before}", encoding="utf-8")
    await world.sql("SELECT pg_reload_conf()")
    await asyncio.sleep(0.2)
    yield {"DATABASE_URL": as_role(world, "locked", "wrong")}
    rules.write_text(before, encoding="utf-8")
    await world.sql("SELECT pg_reload_conf()")


@injects("database-unknown")
async def database_unknown(world: World) -> AsyncIterator[Settings]:
    yield {"DATABASE_URL": world.target.get("DATABASE_URL").replace("/postgres", "/kefu_prod")}


@injects("database-full")
async def database_full(world: World) -> AsyncIterator[Settings]:
    await world.sql("CREATE ROLE crowded LOGIN CONNECTION LIMIT 0")
    yield {"DATABASE_URL": as_role(world, "crowded")}


@injects("database-read-only")
async def database_read_only(world: World) -> AsyncIterator[Settings]:
    await world.sql("CREATE ROLE reader LOGIN SUPERUSER")
    await world.sql("ALTER ROLE reader SET default_transaction_read_only = on")
    yield {"DATABASE_URL": as_role(world, "reader")}


@injects("database-rights")
async def database_rights(world: World) -> AsyncIterator[Settings]:
    await world.sql("CREATE ROLE humble LOGIN")
    url = await world.new_database("CREATE EXTENSION vector")
    yield {"DATABASE_URL": url.replace("app@", "humble@")}


@injects("pgvector-missing")
async def pgvector_missing(world: World) -> AsyncIterator[Settings]:
    hide = "ALTER DATABASE {database} SET extension_control_path = '/nonexistent'"
    yield {"DATABASE_URL": await world.new_database(hide)}


@injects("pgvector-not-created")
async def pgvector_not_created(world: World) -> AsyncIterator[Settings]:
    yield {"DATABASE_URL": await world.new_database()}


@injects("pgvector-old")
async def pgvector_old(world: World) -> AsyncIterator[Settings]:
    age = "UPDATE pg_extension SET extversion = '0.7.4' WHERE extname = 'vector'"
    yield {"DATABASE_URL": await world.new_database("CREATE EXTENSION vector", age)}


@injects("pgvector-hidden")
async def pgvector_hidden(world: World) -> AsyncIterator[Settings]:
    hidden = "CREATE SCHEMA extras; CREATE EXTENSION vector SCHEMA extras"
    yield {"DATABASE_URL": await world.new_database(hidden)}


@injects("database-locale")
async def database_locale(world: World) -> AsyncIterator[Settings]:
    options = "TEMPLATE template0 LOCALE_PROVIDER libc LOCALE 'C'"
    yield {"DATABASE_URL": await world.new_database("CREATE EXTENSION vector", options=options)}


@injects("versions-differ")
async def versions_differ(world: World) -> AsyncIterator[Settings]:
    replica = await asyncpg.connect(
        world.target.get("DATABASE_URL"), server_settings={"application_name": "kf-sender/0.0.9"}
    )
    yield {}
    await replica.close()


@injects("migrations-behind")
async def migrations_behind(world: World) -> AsyncIterator[Settings]:
    yield {"DATABASE_URL": await world.new_database("CREATE EXTENSION vector")}


@injects("migration-edited")
async def migration_edited(world: World) -> AsyncIterator[Settings]:
    await world.sql("UPDATE dialog.migration SET checksum = 'x' || checksum WHERE version = 1")
    yield {}
    await world.sql("UPDATE dialog.migration SET checksum = substr(checksum, 2) WHERE version = 1")
