"""What the dialog service does before everything it needs is there."""

import asyncio
import signal
from pathlib import Path
from typing import Any

from grpc_health.v1 import health_pb2, health_pb2_grpc
from kf_cli.embedded import free_port
from kf_runtime import grpc as kf_grpc

from tests.fakes.dialog import Town


async def health(port: int, service: str) -> int:
    """The status of the health check, once the port is open."""
    async with asyncio.timeout(60), kf_grpc.channel(f"127.0.0.1:{port}") as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        reply = await stub.Check(health_pb2.HealthCheckRequest(service=service), wait_for_ready=True)
        return int(reply.status)


async def test_without_postgres_it_is_live_but_not_ready_and_sigterm_ends_it_with_0(
    town: Town, tmp_path: Path
) -> None:
    port = free_port()
    away = {"DATABASE_URL": f"postgresql://nobody@127.0.0.1:{free_port()}/nothing"}
    process = await town.process(tmp_path, KF_DIALOG_HEALTH_PORT=str(port), **away)
    try:
        assert await health(port, "") == health_pb2.HealthCheckResponse.SERVING
        assert await health(port, "ready") == health_pb2.HealthCheckResponse.NOT_SERVING
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 60) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
