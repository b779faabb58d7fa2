"""Whether a part of the stack takes work: one question per kind of part."""

import asyncio
from typing import Any

import asyncpg
import grpc
import grpc.aio
import httpx
from grpc_health.v1 import health_pb2, health_pb2_grpc
from kf_runtime.grpc import READY

_ASK_SECONDS = 2.0


async def answers_tcp(port: int) -> bool:
    """Something listens on the port."""
    try:
        async with asyncio.timeout(_ASK_SECONDS):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


async def answers_http(url: str) -> bool:
    """A GET answers 200."""
    try:
        async with httpx.AsyncClient(timeout=_ASK_SECONDS, trust_env=False) as client:
            return (await client.get(url)).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


async def answers_grpc(port: int) -> bool:
    """The standard health check says that the service is ready."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        try:
            reply = await stub.Check(health_pb2.HealthCheckRequest(service=READY), timeout=_ASK_SECONDS)
        except grpc.aio.AioRpcError:
            return False
        return bool(reply.status == health_pb2.HealthCheckResponse.SERVING)


async def answers_sql(url: str) -> bool:
    """PostgreSQL has started up (and recovered) so far that it takes a connection."""
    try:
        connection = await asyncpg.connect(url, timeout=_ASK_SECONDS)
    except (OSError, TimeoutError, asyncpg.PostgresError):
        return False
    await connection.close()
    return True
