"""The gateway as its own process, against the simulator and a real nats-server."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from kf_cli import embedded

from tests.fakes.gateway import Replica, replica, until
from tests.fakes.simulator import CORP_ID, SECRET, running_simulator

TOKEN, AES_KEY = "simtoken01", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
STOP_SECONDS = 60


class Gateway:
    """`python -m kf_gateway`; its output goes to a file."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder, self.port = folder, embedded.free_port()
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self.environment = {**kept, "HOST": "127.0.0.1", "PORT": str(self.port), **environment}
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> subprocess.Popen[bytes]:
        with (self.folder / "gateway.log").open("ab") as out:
            command = [sys.executable, "-m", "kf_gateway"]
            self.processes.append(
                subprocess.Popen(command, env=self.environment, cwd=self.folder, stdout=out, stderr=out)
            )
        return self.processes[-1]

    def log(self) -> str:
        return (self.folder / "gateway.log").read_text(encoding="utf-8")

    async def status(self, path: str) -> int:
        try:
            async with httpx.AsyncClient(timeout=10) as http:
                return (await http.get(f"http://127.0.0.1:{self.port}{path}")).status_code
        except httpx.HTTPError:
            return 0

    async def is_ready(self) -> bool:
        return await self.status("/ready") == 200


def configured(nats_url: str, api: str) -> dict[str, str]:
    return {
        "WECOM_CORP_ID": CORP_ID,
        "WECOM_KF_SECRET": SECRET,
        "WECOM_TOKEN": TOKEN,
        "WECOM_ENCODING_AES_KEY": AES_KEY,
        "WECOM_API_BASE": api,
        "NATS_URL": nats_url,
    }


@pytest.fixture
def started() -> Iterator[list[Gateway]]:
    """Gateways that end with the test."""
    gateways: list[Gateway] = []
    yield gateways
    for process in (process for gateway in gateways for process in gateway.processes):
        process.kill()
        process.wait()


async def wait(process: subprocess.Popen[bytes]) -> int:
    return await asyncio.to_thread(process.wait, STOP_SECONDS)


async def count(reader: Replica, messages: int) -> bool:
    return bool((await reader.js.stream_info("KF_INBOUND")).state.messages >= messages)


async def test_messages_travel_from_the_callback_to_the_stream(
    tmp_path: Path, nats_url: str, started: list[Gateway]
) -> None:
    async with running_simulator() as sim, replica(nats_url, sim.url) as reader:
        gateway = Gateway(tmp_path, **configured(nats_url, sim.url))
        started.append(gateway)
        process = gateway.start()
        await until(gateway.is_ready)
        url = f"http://127.0.0.1:{gateway.port}/wecom/callback"
        await sim.control("PUT", "/control/callback", url=url)
        assert (await sim.control("POST", "/control/callback/verify"))["ok"]
        chats = [await sim.chat(0), await sim.chat(0), await sim.chat(1)]
        sent = [(await chat.write(f"question {i}"))["msgid"] for i in range(4) for chat in chats]
        await until(lambda: count(reader, len(sent)))
        assert sorted(await reader.msgids()) == sorted(sent)
        assert (await sim.judge())["broken"] == {}
        process.send_signal(signal.SIGTERM)
        assert await wait(process) == 0
        assert "question" not in gateway.log()
        assert SECRET not in gateway.log()


async def test_after_kill_9_nothing_is_lost_and_nothing_twice(
    tmp_path: Path, nats_url: str, started: list[Gateway]
) -> None:
    async with running_simulator() as sim, replica(nats_url, sim.url) as reader:
        gateway = Gateway(tmp_path, **configured(nats_url, sim.url))
        started.append(gateway)
        process = gateway.start()
        await until(gateway.is_ready)
        callback = f"http://127.0.0.1:{gateway.port}/wecom/callback"
        await sim.control("PUT", "/control/callback", url=callback, retry_seconds=0.2)
        chat = await sim.chat()
        sent = [(await chat.write(f"{i}"))["msgid"] for i in range(20)]
        await until(lambda: count(reader, 1))
        process.kill()
        await wait(process)
        sent += [(await chat.write(f"late {i}"))["msgid"] for i in range(5)]
        gateway.start()
        await until(gateway.is_ready)
        sent.append((await chat.write("last"))["msgid"])
        await until(lambda: count(reader, len(sent)), 60)
        assert await reader.msgids() == sent


async def test_without_nats_it_lives_and_waits(tmp_path: Path, started: list[Gateway]) -> None:
    port = embedded.free_port()
    gateway = Gateway(tmp_path, **configured(f"nats://127.0.0.1:{port}", "http://127.0.0.1:9"))
    started.append(gateway)
    process = gateway.start()
    await until(lambda: _status(gateway, "/health", 200))
    assert await gateway.status("/ready") == 503
    command = embedded.nats_command(tmp_path / "nats", port, sync_always=False)
    with embedded.Child("nats-server", command, port, tmp_path / "nats.log"):
        await until(gateway.is_ready)
        process.send_signal(signal.SIGTERM)
        assert await wait(process) == 0


async def test_sigterm_while_waiting_for_nats_exits_0(tmp_path: Path, started: list[Gateway]) -> None:
    nowhere = f"nats://127.0.0.1:{embedded.free_port()}"
    gateway = Gateway(tmp_path, **configured(nowhere, "http://127.0.0.1:9"))
    started.append(gateway)
    process = gateway.start()
    await until(lambda: _status(gateway, "/health", 200))
    process.send_signal(signal.SIGTERM)
    assert await wait(process) == 0


async def _status(gateway: Gateway, path: str, status: int) -> bool:
    return await gateway.status(path) == status


async def test_missing_settings_are_all_listed(tmp_path: Path, started: list[Gateway]) -> None:
    gateway = Gateway(tmp_path, WECOM_ENCODING_AES_KEY="short-secret")
    started.append(gateway)
    assert await wait(gateway.start()) == 2
    for name in ("WECOM_CORP_ID", "WECOM_KF_SECRET", "WECOM_TOKEN", "WECOM_ENCODING_AES_KEY"):
        assert name in gateway.log()
    assert "short-secret" not in gateway.log()
    assert "Traceback" not in gateway.log()


async def test_a_taken_port_is_one_readable_error(tmp_path: Path, started: list[Gateway]) -> None:
    nowhere = f"nats://127.0.0.1:{embedded.free_port()}"
    gateway = Gateway(tmp_path, **configured(nowhere, "http://127.0.0.1:9"))
    started.append(gateway)
    with socket.create_server(("127.0.0.1", gateway.port)):
        assert await wait(gateway.start()) == 2
    assert f"port {gateway.port} is taken" in gateway.log()
    assert "Traceback" not in gateway.log()
