"""Examines this machine and the four services on it: ports, readiness, versions, disk, log files."""

import asyncio
import os
import shutil
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import httpx
from grpc_health.v1 import health_pb2, health_pb2_grpc
from kf_runtime.grpc import READY

from kf_cli.doctor import web
from kf_cli.doctor.catalogue import found
from kf_cli.doctor.examination import Check
from kf_cli.doctor.finding import Finding, Level, fine, skipped
from kf_cli.doctor.system import System
from kf_cli.doctor.target import ADDRESS_SETTINGS
from kf_cli.ports import holder

_ASK_SECONDS = 3.0
_FULL_BYTES, _LOW_BYTES = 200 * 2**20, 2 * 2**30
_PORT_SETTINGS = {
    "gateway": "PORT",
    "dialog": "KF_DIALOG_HEALTH_PORT",
    "sender": "KF_SENDER_HEALTH_PORT",
    "knowledge": "KF_KNOWLEDGE_PORT",
}


async def gateway(system: System) -> list[Finding]:
    """The gateway answers over HTTP and is ready."""
    return [await _gateway(system)]


async def services(system: System) -> list[Finding]:
    """dialog, sender and knowledge answer the gRPC health check and are ready."""
    findings = await asyncio.gather(*(_grpc(system, name) for name in ("dialog", "sender", "knowledge")))
    wrong = [finding for finding in findings if finding.level is not Level.OK]
    return wrong or [fine("dialog, sender, knowledge 就绪 / ready")]


async def _gateway(system: System) -> Finding:
    address = system.target.address("gateway")
    try:
        async with web.client(f"http://{address}", _ASK_SECONDS) as client:
            ready = await client.get(f"http://{address}/ready")
            health = await client.get(f"http://{address}/health")
    except httpx.TransportError as error:
        # Somebody listens but does not speak HTTP: that is not the gateway.
        is_closed = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
        return _down(system, "gateway") if is_closed else _taken(system, "gateway")
    if not _is_ours(health):
        return _taken(system, "gateway")
    system.facts["gateway version"] = str(health.json().get("version", ""))
    if ready.status_code == httpx.codes.OK:
        return fine(f"{address} 就绪 / ready")
    return found("service.not_ready", service="gateway")


def _is_ours(health: httpx.Response) -> bool:
    try:
        return health.status_code == httpx.codes.OK and health.json().get("status") == "ok"
    except (ValueError, AttributeError):
        return False


async def _grpc(system: System, service: str) -> Finding:
    address = system.target.address(service)
    async with grpc.aio.insecure_channel(address, options=web.NO_PROXY) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        try:
            reply = await stub.Check(health_pb2.HealthCheckRequest(service=READY), timeout=_ASK_SECONDS)
        except grpc.aio.AioRpcError as error:
            refused = "onnection refused" in (error.details() or "") or "DNS" in (error.details() or "")
            listens = not refused and await _listens(address)
            return _taken(system, service) if listens else _down(system, service)
    if reply.status == health_pb2.HealthCheckResponse.SERVING:
        return fine()
    return found("service.not_ready", service=service)


async def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(1):
            _, writer = await asyncio.open_connection(host, int(port))
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


def _down(system: System, service: str) -> Finding:
    address = system.target.address(service)
    return found("service.down", service=service, address=address, setting=ADDRESS_SETTINGS[service])


def _taken(system: System, service: str) -> Finding:
    port = int(system.target.address(service).rpartition(":")[2])
    who = "another program" if system.target.is_remote else holder(port)
    return found("port.taken", port=port, holder=who, setting=_PORT_SETTINGS[service])


async def disk(system: System) -> list[Finding]:
    """Room where the data and the logs are kept; a remote installation's disk cannot be seen from here."""
    if system.target.is_remote:
        return [skipped("服务不在本机 / the services are on other machines")]
    free = {path: shutil.disk_usage(path).free for path in _folders(system)}
    findings = []
    for path, left in free.items():
        facts = {"path": str(path), "free": f"{left / 2**30:.1f} GiB"}
        if left < _FULL_BYTES:
            findings.append(found("disk.full", **facts))
        elif left < _LOW_BYTES:
            findings.append(found("disk.low", **facts))
    return findings or [fine(f"{min(free.values()) / 2**30:.0f} GiB 可用 / free")]


def _folders(system: System) -> set[Path]:
    wanted = [Path(system.target.values.get("KF_DATA_DIR") or ".kefu"), Path(system.get("KF_LOG_DIR") or ".")]
    return {next(p for p in (path.absolute(), *path.absolute().parents) if p.is_dir()) for path in wanted}


async def logs(system: System) -> list[Finding]:
    """Where logs go, and whether they can be written there."""
    level = "DEBUG" if system.get("DEBUG").lower() in ("1", "true", "yes", "on") else system.get("LOG_LEVEL")
    folder = system.get("KF_LOG_DIR")
    if not folder:
        return [fine(f"{level}，标准输出 / to standard output; KF_LOG_DIR keeps files, DEBUG=true says more")]
    if not _writable(Path(folder)):
        return [found("logs.unwritable", path=folder)]
    return [fine(f"{level}, {folder}/app_YYYYMMDD.log")]


def _writable(folder: Path) -> bool:
    """Whether the folder takes files, or can be made."""
    path = folder.absolute()
    existing = next(place for place in (path, *path.parents) if place.exists())
    return existing.is_dir() and os.access(existing, os.W_OK)


CHECKS = (
    Check("disk", "磁盘", "disk", disk),
    Check("logs", "日志", "logs", logs),
    Check("gateway", "gateway 服务", "gateway", gateway, settings=("PORT", "HOST")),
    Check("services", "其他服务", "the other services", services),
)
