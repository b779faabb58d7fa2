"""Faults of settings, this machine and the services on it."""

import socket
from collections import namedtuple
from collections.abc import AsyncIterator

from kf_cli.embedded import free_port

from tests.faults.peers import always, http_peer
from tests.faults.world import Settings, World, injects, overlay

overlay("setting-missing", WECOM_KF_SECRET="")
overlay("aes-key-short", WECOM_ENCODING_AES_KEY="A" * 42)
overlay("token-malformed", WECOM_TOKEN="to ken!")
overlay("database-url-unescaped", DATABASE_URL="postgresql://kf:pa#ss/word@127.0.0.1:5432/kefu")
overlay("number-malformed", KF_SENDER_RATE_PER_MINUTE="many")
overlay("log-level-unknown", LOG_LEVEL="TRACE")
overlay("setting-misspelt", KF_GATEWAY_POLL_SECOND="30", KF_GATEWAY_POLL_SECONDS="")


@injects("port-taken")
async def port_taken(world: World) -> AsyncIterator[Settings]:
    async with http_peer(always(200, "another program")) as url:
        yield {"PORT": url.rpartition(":")[2]}


@injects("grpc-port-taken")
async def grpc_port_taken(world: World) -> AsyncIterator[Settings]:
    async with http_peer(always(200, "another program")) as url:
        yield {"KF_DIALOG_HEALTH_PORT": url.rpartition(":")[2]}


@injects("gateway-down")
async def gateway_down(world: World) -> AsyncIterator[Settings]:
    yield {"PORT": str(free_port())}


@injects("service-killed")
async def service_killed(world: World) -> AsyncIterator[Settings]:
    await world.run.stack.kill("sender")
    yield {}
    await world.run.stack.start_one("sender")


@injects("disk-full")
async def disk_full(world: World) -> AsyncIterator[Settings]:
    usage = namedtuple("usage", "total used free")
    world.patch.setattr("kf_cli.doctor.machine.shutil.disk_usage", lambda _: usage(10**12, 10**12, 10**6))
    yield {}


@injects("log-folder-unwritable")
async def log_folder_unwritable(world: World) -> AsyncIterator[Settings]:
    file = world.folder / "a-file"
    file.write_text("not a folder", encoding="utf-8")
    yield {"KF_LOG_DIR": str(file / "logs")}


@injects("traces-down")
async def traces_down(world: World) -> AsyncIterator[Settings]:
    yield {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port()}"}


@injects("traces-wrong-protocol")
async def traces_wrong_protocol(world: World) -> AsyncIterator[Settings]:
    port = world.run.stack.layout.ports.kf_traces_otlp_http_port
    yield {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}"}


def closed() -> str:
    """host:port where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"
