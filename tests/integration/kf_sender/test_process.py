"""`python -m kf_sender` as a process: settings, readiness, drain, kill -9."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from kf_cli.embedded import free_port
from kf_runtime import grpc as kf_grpc

from tests.fakes.kf_desk import KfDesk
from tests.fakes.senders import Office, command
from tests.fakes.wecom_api import Raw


async def start(**settings: str) -> asyncio.subprocess.Process:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "kf_sender",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**kept, **settings},
        cwd="/",
    )  # fmt: skip


@asynccontextmanager
async def sender(hall: Office, port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await start(
        WECOM_CORP_ID="ww0123456789abcdef",
        WECOM_KF_SECRET="test-secret",
        WECOM_API_BASE=hall.api_base,
        DATABASE_URL=hall.database_url,
        NATS_URL=hall.nats_url,
        KF_SENDER_HEALTH_PORT=str(port),
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def until_ready(port: int) -> None:
    # Not a plain channel: that one tries a port that was closed again after up to two minutes.
    async with kf_grpc.channel(f"127.0.0.1:{port}") as channel, asyncio.timeout(40):
        stub: Any = health_pb2_grpc.HealthStub(channel)
        while True:
            try:
                answer = await stub.Check(health_pb2.HealthCheckRequest(service="ready"))
            except grpc.aio.AioRpcError:
                await asyncio.sleep(0.1)
                continue
            if answer.status == health_pb2.HealthCheckResponse.SERVING:
                return
            await asyncio.sleep(0.1)


async def test_missing_settings_are_all_named_and_end_the_process_with_2() -> None:
    process = await start(KF_SENDER_RATE_PER_MINUTE="many")
    _, err = await asyncio.wait_for(process.communicate(), 40)
    assert process.returncode == 2
    for name in ("WECOM_CORP_ID", "WECOM_KF_SECRET", "DATABASE_URL", "KF_SENDER_RATE_PER_MINUTE"):
        assert name in err.decode()


async def test_sigterm_finishes_the_send_in_hand_and_exits_0(hall: Office, desk: KfDesk) -> None:
    desk.swallow("wmA", Raw(b'{"errcode":0,"errmsg":"ok","msgid":"m"}', delay=1.5))
    async with sender(hall, port := free_port()) as process:
        await until_ready(port)
        await hall.publish(command("c1", text="秘密的话"))
        await desk.until(shown=1)
        process.send_signal(signal.SIGTERM)
        out, err = await asyncio.wait_for(process.communicate(), 40)
    assert process.returncode == 0, err.decode()[-2000:]
    assert (await hall.until("c1", "sent"))["parts_sent"] == 1
    for private in ("秘密", "wmA", "SecretToken", "test-secret"):
        assert private not in out.decode() + err.decode()


async def test_kill_9_in_the_middle_of_a_send_doubles_and_loses_nothing(hall: Office, desk: KfDesk) -> None:
    desk.swallow("wmA", Raw(delay=60))
    async with sender(hall, port := free_port()) as process:
        await until_ready(port)
        await hall.publish(command("c1"), command("c2"))
        await desk.until(shown=1)
        process.kill()
        await process.communicate()
    async with sender(hall, free_port()):
        await hall.until("c2", "sent", seconds=60)
    assert desk.texts("wmA") == ["answer c1", "answer c2"]
