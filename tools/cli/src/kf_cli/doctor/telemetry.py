"""Examines where the traces go."""

from typing import Any
from urllib.parse import urlsplit

import grpc
import grpc.aio
import httpx

from kf_cli.doctor import web
from kf_cli.doctor.catalogue import found
from kf_cli.doctor.examination import Check
from kf_cli.doctor.finding import Finding, fine, skipped
from kf_cli.doctor.system import System

_SECONDS = 3.0
_EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


async def traces(system: System) -> list[Finding]:
    """An empty export is taken, by the protocol that the services use."""
    endpoint = system.target.values.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")
    if not endpoint:
        hint = "未设置 OTEL_EXPORTER_OTLP_ENDPOINT：不导出链路 / not set: nothing is exported"
        return [skipped(hint)]
    protocol = system.target.values.get("OTEL_EXPORTER_OTLP_PROTOCOL") or "grpc"
    address = urlsplit(endpoint if "//" in endpoint else f"//{endpoint}").netloc
    state = await (_by_http(endpoint) if protocol.startswith("http") else _by_grpc(address))
    if state == "refused":
        return [found("telemetry.refused", address=address)]
    if state == "protocol":
        return [found("telemetry.protocol", address=address, protocol=protocol)]
    return [fine(f"{address} ({protocol})")]


async def _by_grpc(address: str) -> str:
    async with grpc.aio.insecure_channel(address, options=web.NO_PROXY) as channel:
        export: Any = channel.unary_unary(_EXPORT)
        try:
            await export(b"", timeout=_SECONDS)
        except grpc.aio.AioRpcError as error:
            return _fault(error)
    return ""


def _fault(error: grpc.aio.AioRpcError) -> str:
    words = (error.details() or "").lower()
    if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
        return "refused" if "refused" in words or "dns" in words or "unreachable" in words else "protocol"
    # A collector that wants a login or more data is there, and speaks the protocol.
    return "protocol" if error.code() in (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.UNKNOWN) else ""


async def _by_http(endpoint: str) -> str:
    headers = {"content-type": "application/x-protobuf"}
    try:
        async with web.client(endpoint, _SECONDS) as client:
            reply = await client.post(f"{endpoint.rstrip('/')}/v1/traces", content=b"", headers=headers)
    except (httpx.RemoteProtocolError, httpx.ReadError):
        return "protocol"
    except httpx.HTTPError:
        return "refused"
    return "protocol" if reply.status_code in (404, 405, 415) else ""


CHECKS = (Check("traces", "链路导出", "trace export", traces),)
