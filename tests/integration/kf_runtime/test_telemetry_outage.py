"""Telemetry against receivers that are away, silent or refuse: no wait, no growth, a quick end."""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import pytest
from kf_cli import embedded

# 50,000 spans are minutes of a busy dialog; unbounded they would take some 80 MB.
SERVICE = """
import time
from kf_runtime import telemetry
from opentelemetry import metrics, trace
import psutil
told = telemetry.setup("test")
tracer, counter = trace.get_tracer("t"), metrics.get_meter("t").create_counter("kf.turns")
def work(times):
    for number in range(times):
        with tracer.start_as_current_span("turn", attributes={"kf.msgid": f"m{number}"}):
            counter.add(1)
work(20_000)
before = psutil.Process().memory_info().rss
began = time.monotonic()
work(30_000)
took = time.monotonic() - began
grown = psutil.Process().memory_info().rss - before
began = time.monotonic()
told.shutdown()
print(took, grown // 2**20, time.monotonic() - began, told._shipper.held, told._shipper.dropped)
"""


@contextmanager
def receiver(kind: str) -> Iterator[int]:
    """A port where nobody listens, where somebody listens and says nothing, or where all is refused."""
    if kind == "away":
        yield embedded.free_port()
    elif kind == "silent":
        with socket.create_server(("127.0.0.1", 0)) as listener:
            yield listener.getsockname()[1]
    else:
        # A server without the services that are asked for: UNIMPLEMENTED.
        server = grpc.server(ThreadPoolExecutor(1))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield port
        server.stop(None).wait()


@pytest.mark.parametrize(
    ("kind", "protocol"),
    [("away", "grpc"), ("silent", "grpc"), ("refusing", "grpc"), ("silent", "http/protobuf")],
)
async def test_a_receiver_in_trouble_costs_bounded_memory_and_no_wait(kind: str, protocol: str) -> None:
    with receiver(kind) as port:
        began = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            *("env", f"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:{port}"),
            *(f"OTEL_EXPORTER_OTLP_PROTOCOL={protocol}", "OTEL_EXPORTER_OTLP_TIMEOUT=1"),
            *("OTEL_BSP_SCHEDULE_DELAY=200", "OTEL_METRIC_EXPORT_INTERVAL=500"),
            *(sys.executable, "-c", SERVICE),
            stdout=subprocess.PIPE,
        )
        out, _ = await asyncio.wait_for(process.communicate(), 100)
    took, grown, ended_in, held, dropped = map(float, out.split()[-5:])
    print(f"{kind} {protocol}: 30,000 spans in {took:.1f} s, {grown:.0f} MB more, end {ended_in:.1f} s")
    assert process.returncode == 0
    assert held <= 16_384
    assert held + dropped == 50_000
    assert grown < 30
    assert time.monotonic() - began < 90
