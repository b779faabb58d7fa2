"""How much the simulator carries on one core: customers write at a fixed rate, an app pulls and answers.

Run from the root: `.venv/bin/python -m benchmarks.simulator [--customers 1000] [--rate 200] [--seconds 30]`.
It prints one JSON line. `messages_per_core_second` is what one core carries: messages (each written over the
control API, announced by an encrypted notice, pulled and answered) by CPU seconds of the simulator's process,
which the load of the machine distorts less than the clock on the wall. The app and the customers run in
processes of their own, so that only the simulator is measured.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
from kf_cli import embedded

CREDENTIALS = {"corpid": "ww0123456789abcdef", "corpsecret": "simulator-secret"}
SENDERS, WRITERS = 4, 8


def percentile(values: list[float], share: float) -> float:
    """A percentile in milliseconds."""
    return round(1000 * sorted(values)[int(share * (len(values) - 1))], 1)


async def listen(port_sent: Any) -> None:
    """An app's callback URL that takes every notice; its process does nothing else."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
                await reader.readexactly(length)
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nsuccess")
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port_sent.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


class Connection:
    """One kept connection to the simulator: httpx would use more of the machine than the simulator does."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, port: int) -> Connection:
        """Connect."""
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The JSON of a reply; AssertionError when it is no success."""
        data = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(data)}\r\n"
        self._writer.write(head.encode() + b"content-type: application/json\r\n\r\n" + data)
        reply = await self._reader.readuntil(b"\r\n\r\n")
        assert reply.startswith(b"HTTP/1.1 2"), reply
        length = int(reply.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        return json.loads(await self._reader.readexactly(length))  # type: ignore[no-any-return]


async def answer(port: int, query: str, token: str, accounts: list[str]) -> None:
    """Pull each account five times a second and answer every customer's message once."""
    work: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    senders = [asyncio.create_task(send(port, query, work)) for _ in range(SENDERS)]
    cursors, connection = dict.fromkeys(accounts, ""), await Connection.open(port)
    while not any(sender.done() for sender in senders):
        for account in accounts:
            body = {"open_kfid": account, "token": token, "cursor": cursors[account]}
            page = await connection.post(f"/cgi-bin/kf/sync_msg?{query}", body)
            cursors[account] = page["next_cursor"]
            for item in page["msg_list"]:
                if item["origin"] == 3:
                    work.put_nowait(item)
        await asyncio.sleep(0.2)


async def send(port: int, query: str, work: asyncio.Queue[dict[str, Any]]) -> None:
    """Answer one message after the other."""
    connection = await Connection.open(port)
    while True:
        item = await work.get()
        body = {"touser": item["external_userid"], "open_kfid": item["open_kfid"], "msgtype": "text"}
        text = {"content": "您好，" + item["text"]["content"]}
        await connection.post(f"/cgi-bin/kf/send_msg?{query}", body | {"text": text})


def meet(url: str, accounts: list[str], customers: int) -> list[str]:
    """Make the customers; the path of each one's chat."""
    with httpx.Client(base_url=url, timeout=30) as http:
        made = [
            http.post("/control/customers", json={"nickname": f"顾客{n}"}).json() for n in range(customers)
        ]
    return [
        f"/control/chats/{accounts[number % len(accounts)]}/{customer['external_userid']}"
        for number, customer in enumerate(made)
    ]


async def write(port: int, people: list[str], rate: float, seconds: float) -> list[float]:
    """Customers write at the rate, each at one account; the seconds from when each was due to its reply."""
    due: asyncio.Queue[int | None] = asyncio.Queue()
    took: list[float] = []
    began = time.perf_counter()

    async def writer() -> None:
        connection = await Connection.open(port)
        while (number := await due.get()) is not None:
            await connection.post(f"{people[number % len(people)]}/messages", {"text": f"问题 {number}"})
            took.append(time.perf_counter() - began - number / rate)

    writers = [asyncio.create_task(writer()) for _ in range(WRITERS)]
    for number in range(int(rate * seconds)):
        await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
        due.put_nowait(number)
    for _ in writers:
        due.put_nowait(None)
    await asyncio.gather(*writers)
    return took


def _run_listener(port_sent: Any) -> None:
    asyncio.run(listen(port_sent))


def _run_answers(port: int, accounts: list[str]) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
        got = http.get("/cgi-bin/gettoken", params=CREDENTIALS).json()
        token = http.post("/control/callback/tokens").json()["token"]
    asyncio.run(answer(port, f"access_token={got['access_token']}", token, accounts))


def measure(customers: int, rate: float, seconds: float, folder: Path) -> dict[str, Any]:
    """One run against a fresh simulator that is bound to one core."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    helpers = [context.Process(target=_run_listener, args=(sender,), daemon=True)]
    helpers[0].start()
    callback = f"http://127.0.0.1:{receiver.recv()}/wecom/callback"
    port = embedded.free_port()
    url = f"http://127.0.0.1:{port}"
    settings = {
        "KF_SIMULATOR_PORT": port,
        "KF_SIMULATOR_CALLBACK_URL": callback,
        "KF_SIMULATOR_SEND_LIMIT_PER_MINUTE": 0,
        "KF_SIMULATOR_LIMIT_SCALE": 100,
    }
    command = ["env", *(f"{name}={value}" for name, value in settings.items())]
    with embedded.Child(
        "simulator", [*command, sys.executable, "-m", "kf_simulator"], port, folder / "log"
    ) as child:
        assert child.process is not None
        simulator = psutil.Process(child.process.pid)
        simulator.cpu_affinity([max(os.sched_getaffinity(0))])
        accounts = [one["open_kfid"] for one in httpx.get(f"{url}/control/accounts").json()]
        helpers.append(context.Process(target=_run_answers, args=(port, accounts), daemon=True))
        helpers[1].start()
        people = meet(url, accounts, customers)
        before, began = _cpu(simulator), time.perf_counter()
        took = asyncio.run(write(port, people, rate, seconds))
        written_in = time.perf_counter() - began
        _settle(url, len(took))
        judged = httpx.get(f"{url}/judge").json()
        used, elapsed = _cpu(simulator) - before, time.perf_counter() - began
        memory = simulator.memory_info().rss
        for helper in helpers:
            helper.terminate()
            helper.join()
    return {
        "customers": customers,
        "messages": len(took),
        "rate_per_second": round(len(took) / written_in, 1),
        "calls": {api: judged["calls"][api] for api in ("callback", "sync_msg", "send_msg")},
        "write_ms": {"p50": percentile(took, 0.5), "p99": percentile(took, 0.99)},
        "cores_used": round(used / elapsed, 2),
        "messages_per_core_second": round(len(took) / used),
        "memory_mb": memory // 2**20,
        "broken": judged["broken"],
    }


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _settle(url: str, written: int) -> None:
    """Wait until every message was notified and answered, at most a minute."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        calls = httpx.get(f"{url}/judge").json()["calls"]
        if min(sum(calls.get(api, {}).values()) for api in ("callback", "send_msg")) >= written:
            return
        time.sleep(0.2)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--seconds", type=float, default=30.0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(asked.customers, asked.rate, asked.seconds, Path(folder))
    print(json.dumps(result, ensure_ascii=False))


if __name__ == "__main__":
    main()
