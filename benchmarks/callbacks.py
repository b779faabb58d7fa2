"""Callbacks that one core takes: durable and traced, durable, an echo, and FastAPI with wechatpy in memory.

    python -m benchmarks.callbacks [--rounds 12] [--json FILE]

Five servers run side by side, each its own process; round by round each gets the same burst of genuine
callbacks over kept connections, and its CPU time is read before and after. nats-server (which syncs every
message to disk) and the trace receiver are processes of their own and not counted: they have a core each.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlencode

import psutil
from kf_cli import embedded
from kf_wecom.crypto import CallbackCrypto

from benchmarks.crypto import CORP, INNER, KEY, TOKEN, envelope
from benchmarks.measured import Figure, interleaved, ratio
from benchmarks.result import Result, Row, run

CALLS, CONNECTIONS = 600, 16
TRACED, UNTRACED = "kefu, durable, traced", "kefu, durable, untraced"
MEMORY, ECHO = "FastAPI + wechatpy, in memory", "bare ASGI echo"


def requests(count: int) -> list[bytes]:
    """Genuine callbacks, no two alike, as bytes on the wire."""
    crypto, made = CallbackCrypto(TOKEN, KEY, CORP), []
    for _ in range(count):
        encrypted, stamp = crypto.encrypt(INNER), str(int(time.time()))
        signature = crypto.signature(stamp, "1372623149", encrypted)
        query = urlencode({"msg_signature": signature, "timestamp": stamp, "nonce": "1372623149"})
        body = envelope(encrypted)
        head = f"POST /wecom/callback?{query} HTTP/1.1\r\nhost: x\r\ncontent-type: text/xml\r\n"
        made.append(f"{head}content-length: {len(body)}\r\n\r\n{body}".encode())
    return made


async def burst(port: int) -> None:
    """Send a burst over several connections; AssertionError unless each is answered 200 `success`."""
    waiting = requests(CALLS)

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while waiting:
            writer.write(waiting.pop())
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            assert await reader.readexactly(7) == b"success"
        writer.close()

    await asyncio.gather(*(one() for _ in range(CONNECTIONS)))


def per_core_second(server: embedded.Child) -> Callable[[], float]:
    """Callbacks by second of CPU of a server's process."""
    assert server.process is not None
    process = psutil.Process(server.process.pid)

    def measure() -> float:
        before = process.cpu_times()
        asyncio.run(burst(server.port))
        # What is exported a moment later belongs to the burst.
        time.sleep(1.0)
        after = process.cpu_times()
        return CALLS / (after.user + after.system - before.user - before.system)

    return measure


def _start(stack: ExitStack, folder: Path, name: str, command: list[str], **settings: str) -> embedded.Child:
    port = embedded.free_port()
    whole = ["env", *(f"{key}={value}" for key, value in settings.items()), *command]
    child = embedded.Child(name, [part.format(port=port) for part in whole], port, folder / f"{name}.log")
    return stack.enter_context(child)


def servers(stack: ExitStack, folder: Path) -> dict[str, embedded.Child]:
    """All that is compared, running."""
    nats_port = embedded.free_port()
    command = embedded.nats_command(folder / "nats", nats_port, sync_always=True)
    stack.enter_context(embedded.Child("nats", command, nats_port, folder / "nats.log"))
    otlp = embedded.free_port()
    traces = {
        "KF_TRACES_PORT": "{port}",
        "KF_TRACES_OTLP_GRPC_PORT": str(otlp),
        "KF_TRACES_OTLP_HTTP_PORT": str(embedded.free_port()),
        "KF_TRACES_DATA_DIR": str(folder / "traces"),
    }
    _start(stack, folder, "traces", [sys.executable, "-m", "kf_traces"], **traces)
    shared = {"NATS_URL": f"nats://127.0.0.1:{nats_port}", "KF_SPANS_DIR": str(folder / "spans")}
    exporting = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{otlp}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        "OTEL_BSP_SCHEDULE_DELAY": "500",
    }
    wanted = {
        TRACED: ("kefu", exporting),
        UNTRACED: ("kefu", {}),
        MEMORY: ("in-memory", {}),
        ECHO: ("echo", {}),
    }
    module = [sys.executable, "-m", "benchmarks.callback_server"]
    return {
        name: _start(stack, folder, name, [*module, kind, "{port}"], **shared, **settings)
        for name, (kind, settings) in wanted.items()
    }


def measure(rounds: int) -> Result:
    """One run."""
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [os.getcwd(), os.environ.get("PYTHONPATH", "")]))
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        running = servers(stack, Path(folder))
        found = interleaved({name: per_core_second(child) for name, child in running.items()}, rounds)
    to_untraced, to_memory = ratio(found[TRACED], found[UNTRACED]), ratio(found[TRACED], found[MEMORY])
    rows = [Row(f"callbacks, {name}", "per second of a core", Figure.of(found[name])) for name in found]
    return Result(
        "callbacks",
        [
            *rows,
            Row("traced ÷ untraced", "×", to_untraced, "≥ 0.6", met=to_untraced.median >= 0.6, digits=2),
            Row("traced ÷ in memory", "×", to_memory, "> 1", met=to_memory.median > 1, digits=2),
            Row("traced ÷ echo", "×", ratio(found[TRACED], found[ECHO]), digits=2),
        ],
    )


if __name__ == "__main__":
    run(measure, __doc__ or "", rounds=12)
