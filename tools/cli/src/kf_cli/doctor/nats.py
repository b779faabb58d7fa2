"""Examines NATS: reachable, JetStream, streams as they should be, consumers that keep up, dead letters."""

import asyncio
import json
import socket
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from kf_contracts import streams as contract
from kf_contracts.events import DeadLetter, PayloadError
from nats.aio.client import Client
from nats.errors import AuthorizationError
from nats.errors import Error as NatsError
from nats.js.api import StreamConfig
from nats.js.errors import NotFoundError, ServiceUnavailableError

from kf_cli.doctor import web
from kf_cli.doctor.catalogue import found
from kf_cli.doctor.examination import Check
from kf_cli.doctor.finding import Finding, fine, skipped
from kf_cli.doctor.system import System

CONSUMERS = {
    (contract.KF_NOTICE, "puller"): "gateway",
    (contract.KF_INBOUND, "dialog"): "dialog",
    (contract.KF_INBOUND, "sender"): "sender",
    (contract.KF_OUTBOUND, "sender"): "sender",
    (contract.KF_DELIVERY, "dialog"): "dialog",
    (contract.KF_OUTBOUND, "sender-urgent"): "sender",
}
"""Who reads what; a test compares this with the services."""
_CONNECT_SECONDS = 4.0
_LAG_SECONDS = 60.0
_FULL_SHARE = 0.9
_COMPARED = ("subjects", "retention", "max_age", "duplicate_window", "max_msgs_per_subject")


async def connect(system: System) -> list[Finding]:
    """A connection with the user and password of NATS_URL."""
    servers = [server.strip() for server in system.get("NATS_URL").split(",")]
    first = _parts(servers[0])
    address = f"{first.hostname}:{first.port or 4222}"
    closed = await _closed(first.hostname or "", first.port or 4222)
    if closed and len(servers) == 1:
        return [closed]
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            client = await _connected(servers)
    except (TimeoutError, NatsError, OSError) as error:
        refused = isinstance(error, AuthorizationError) or "authorization" in str(error).lower()
        return [found("nats.auth") if refused else closed or found("nats.timeout", address=address)]
    system.stack.push_async_callback(client.close)
    system.keep(client)
    return [fine(f"nats-server {client.connected_server_version}, {address}")]


async def _connected(servers: list[str]) -> Client:
    # nats-py prints what goes wrong by itself; here it is told once, with the mend.
    async def quiet(_: Exception) -> None:
        return

    client = Client()
    try:
        await client.connect(
            servers, name="kf-doctor", allow_reconnect=False, connect_timeout=3, error_cb=quiet
        )
    except BaseException:
        # What was opened half-way is not closed by itself.
        with suppress(NatsError, OSError):
            await client.close()
        raise
    return client


def _parts(server: str) -> Any:
    return urlsplit(server if "://" in server else f"nats://{server}")


async def _closed(host: str, port: int) -> Finding | None:
    """Why nothing can be there; the client says the same for a name, a port and a silent peer."""
    try:
        async with asyncio.timeout(2):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return found("nats.timeout", address=f"{host}:{port}")
    except socket.gaierror:
        return found("nats.dns", host=host)
    except OSError:
        return found("nats.refused", address=f"{host}:{port}")
    writer.close()
    return None


async def jetstream(system: System) -> list[Finding]:
    """JetStream is on and has room; what it says of its writes, where it can be asked."""
    try:
        account = await system.nats.jetstream().account_info()
    except (ServiceUnavailableError, NatsError) as error:
        if isinstance(error, TimeoutError):
            return [found("nats.timeout", address="JetStream")]
        return [found("nats.jetstream_off")]
    limit = account.limits.max_storage
    if limit > 0 and account.storage > _FULL_SHARE * limit:
        return [found("nats.full", used=f"{account.storage / limit:.0%}")]
    return [fine(f"{account.streams} streams, {account.storage / 2**20:.0f} MiB")]


async def streams(system: System) -> list[Finding]:
    """Every stream and bucket is there with the settings of the contract."""
    js = system.nats.jetstream()
    replicas = int(system.get("KF_NATS_REPLICAS"))
    findings = []
    for wanted in contract.stream_configs(replicas):
        try:
            there = (await js.stream_info(str(wanted.name))).config
        except NotFoundError:
            findings.append(found("stream.missing", stream=wanted.name))
            continue
        changed = [name for name in _COMPARED if not _same(wanted, there, name)]
        if changed:
            findings.append(found("stream.changed", stream=wanted.name, what=", ".join(changed)))
    for bucket in contract.bucket_configs(replicas):
        try:
            await js.stream_info(f"KV_{bucket.bucket}")
        except NotFoundError:
            findings.append(found("stream.missing", stream=f"KV_{bucket.bucket}"))
    return findings or [fine("5 个流、3 个 KV 桶 / 5 streams, 3 buckets")]


def _same(wanted: StreamConfig, there: StreamConfig, name: str) -> bool:
    left, right = getattr(wanted, name), getattr(there, name)
    if isinstance(left, list):
        return set(left) == set(right or ())
    # The server answers 0 or -1 for "no limit".
    return left == right or {left, right} <= {None, 0, -1}


async def consumers(system: System) -> list[Finding]:
    """Each service's consumer is there and no message waits for it long."""
    findings = []
    for (stream, durable), service in CONSUMERS.items():
        facts = {"stream": stream, "consumer": durable, "service": service}
        try:
            info = await system.nats.jetstream().consumer_info(stream, durable)
        except NotFoundError:
            findings.append(found("consumer.missing", **facts))
            continue
        pending, delivered = info.num_pending or 0, info.delivered.stream_seq if info.delivered else 0
        waits = await _oldest(system, stream, info.config.filter_subject or ">", delivered)
        if pending and waits > _LAG_SECONDS:
            findings.append(found("consumer.lag", **facts, pending=pending, age=f"{waits:.0f}"))
    return findings or [fine("全部在读取 / all keep up")]


async def _oldest(system: System, stream: str, subject: str, delivered: int) -> float:
    """Seconds since the oldest message that was not delivered yet arrived; 0 for none."""
    try:
        message = await system.nats.jetstream().get_msg(stream, delivered + 1, next=True, subject=subject)
    except NatsError:
        return 0.0
    if message.time is None:
        return 0.0
    return (datetime.now(UTC) - message.time).total_seconds()


async def _told(system: System, stream: str) -> dict[str, Any]:
    """What the server tells of a stream: the client leaves the times out."""
    reply = await system.nats.request(f"$JS.API.STREAM.INFO.{stream}", b"", timeout=3)
    told: dict[str, Any] = json.loads(reply.data)
    return told


async def stream_state(system: System, stream: str) -> dict[str, Any]:
    """The `state` of a stream: messages, last_seq, last_ts ..."""
    state: dict[str, Any] = (await _told(system, stream)).get("state", {})
    return state


async def stream_age(system: System, stream: str) -> float:
    """Seconds since a stream was made."""
    made = moment(str((await _told(system, stream)).get("created", "")))
    return (datetime.now(UTC) - made).total_seconds()


def moment(told: str) -> datetime:
    """A time of the server, to the second: nanoseconds are more than datetime reads."""
    return datetime.fromisoformat(told[:19]).replace(tzinfo=UTC)


async def dead_letters(system: System) -> list[Finding]:
    """Nothing waits on KF_DEAD; else how many, and why the newest was given up."""
    state = await stream_state(system, contract.KF_DEAD)
    count = int(state.get("messages", 0))
    if not count:
        return [fine("没有 / none")]
    message = await system.nats.jetstream().get_msg(contract.KF_DEAD, int(state["last_seq"]))
    try:
        letter = DeadLetter.decode(message.data or b"")
    except PayloadError:
        return [found("dead_letters", count=count, reason="unreadable")]
    return [found("dead_letters", count=count, reason=f"{letter.service}: {letter.reason}")]


async def sync_policy(system: System) -> list[Finding]:
    """Whether a single server writes every message through: only its monitoring port tells."""
    url = system.target.values.get("KF_NATS_MONITOR_URL", "")
    if not url:
        return [skipped("未设置 KF_NATS_MONITOR_URL / KF_NATS_MONITOR_URL is not set (http://host:8222)")]

    async with web.client(url, 3) as client:
        told = (await client.get(f"{url.rstrip('/')}/jsz")).json()
    config = told.get("config", {})
    if not config.get("sync_always") and "meta_cluster" not in told:
        return [found("nats.sync")]
    return [fine("sync_interval: always")]


CHECKS = (
    Check("nats", "NATS", "NATS", connect, settings=("NATS_URL",)),
    Check("jetstream", "JetStream", "JetStream", jetstream, needs=("nats",)),
    Check("sync_policy", "落盘策略", "write-through", sync_policy, needs=("jetstream",)),
    Check("streams", "消息流", "streams", streams, needs=("jetstream",)),
    Check("consumers", "消费者", "consumers", consumers, needs=("streams",)),
    Check("dead_letters", "死信", "dead letters", dead_letters, needs=("streams",)),
)
