"""`kf run` end to end: starts, answers, stops cleanly, finds its data again, and says what is wrong."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import httpx
import psutil
import pytest
from kf_cli.config import clean_environment
from kf_cli.ports import Ports

pytestmark = pytest.mark.timeout(300)


class KfRun:
    """One `kf run` as a child process; a second one may be started on the same ports and data."""

    def __init__(self, folder: Path, ports: Ports) -> None:
        self.folder, self.ports = folder, ports
        numbers = {name.upper(): str(number) for name, number in ports.model_dump().items()}
        self.env = {**clean_environment(), **numbers}
        self.simulator = f"http://127.0.0.1:{ports.kf_simulator_port}"
        self.process: subprocess.Popen[bytes] | None = None

    def launch(self) -> "KfRun":
        with (self.folder / "out.log").open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "kf_cli", "run"],
                cwd=self.folder,
                env=self.env,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        return self

    def start(self) -> "KfRun":
        self.launch()
        self.wait_output("Kefu is ready")
        return self

    @property
    def output(self) -> str:
        return (self.folder / "out.log").read_text(encoding="utf-8")

    def wait_output(self, text: str, seconds: float = 150.0) -> None:
        deadline = monotonic() + seconds
        while text not in self.output:
            assert self.process is not None
            assert self.process.poll() is None, self.output
            assert monotonic() < deadline, self.output
            sleep(0.1)

    def offspring(self) -> list[psutil.Process]:
        assert self.process is not None
        return psutil.Process(self.process.pid).children(recursive=True)

    def child(self, module: str) -> psutil.Process:
        return next(p for p in self.offspring() if module in p.cmdline())

    def leave(self, number: signal.Signals = signal.SIGINT, seconds: float = 60.0) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(seconds)


@pytest.fixture
def kf_run(tmp_path: Path) -> Iterator[KfRun]:
    run = KfRun(tmp_path, Ports.free())
    yield run
    if run.process and run.process.poll() is None:
        left = run.offspring()
        run.process.kill()
        run.process.wait()
        psutil.wait_procs(left, 20)


def ask(run: KfRun, open_kfid: str, customer: str, text: str, expected: str) -> None:
    """Write as a customer and wait until an answer holds `expected`."""
    path = f"{run.simulator}/control/chats/{open_kfid}/{customer}"
    httpx.post(f"{path}/messages", json={"text": text}).raise_for_status()
    wait_until(lambda: any(expected in reply for reply in replies(run, open_kfid, customer)), 60)


def replies(run: KfRun, open_kfid: str, customer: str) -> list[str]:
    path = f"{run.simulator}/control/chats/{open_kfid}/{customer}/transcript"
    entries: list[dict[str, Any]] = httpx.get(path).json()["entries"]
    return [entry["body"].get("content", "") for entry in entries if entry["direction"] == "app"]


def wait_until(holds: Callable[[], bool], seconds: float) -> None:
    deadline = monotonic() + seconds
    while not holds():
        assert monotonic() < deadline, f"still not so after {seconds} s"
        sleep(0.2)


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def test_starts_answers_stops_and_finds_its_data_again(kf_run: KfRun) -> None:
    kf_run.start()
    assert httpx.get(kf_run.simulator).status_code == 200
    assert httpx.get(f"http://127.0.0.1:{kf_run.ports.port}/ready").status_code == 200
    assert httpx.get(f"http://127.0.0.1:{kf_run.ports.kf_traces_port}").status_code == 200
    shop = httpx.get(f"{kf_run.simulator}/control/accounts").json()[0]["open_kfid"]
    customer = httpx.post(f"{kf_run.simulator}/control/customers", json={"nickname": "小林"}).json()
    who = customer["external_userid"]
    ask(kf_run, shop, who, "扫地机器人 X2 Pro 多少钱？", "2999")
    children = kf_run.offspring()

    assert kf_run.leave(signal.SIGINT) == 0
    assert alive(children) == []
    assert "Traceback" not in kf_run.output
    assert list((kf_run.folder / "logs").glob("app_*.log"))

    kf_run.start()
    assert "0 documents new" in kf_run.output
    assert "2999" in replies(kf_run, shop, who)[0]
    # Only a conversation that was found again tells what "that one" is.
    ask(kf_run, shop, who, "那个保修多久？", "2 年")
    children = kf_run.offspring()
    assert kf_run.leave(signal.SIGTERM) == 0
    assert alive(children) == []


def test_a_child_that_dies_is_reported_and_stops_the_rest(kf_run: KfRun) -> None:
    kf_run.start()
    second = subprocess.run(
        [sys.executable, "-m", "kf_cli", "run"],
        cwd=kf_run.folder,
        env=kf_run.env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 2
    assert kf_run.process is not None
    assert f"pid {kf_run.process.pid}" in second.stderr

    children = kf_run.offspring()
    kf_run.child("kf_sender").kill()
    assert kf_run.process.wait(60) == 1
    assert alive(children) == []
    report = kf_run.output.partition("Failed:")[2]
    assert "sender ended with status -9" in report
    assert "service.readiness" in report


def test_kill_9_leaves_no_orphans_and_the_next_start_works(kf_run: KfRun) -> None:
    kf_run.start()
    children = kf_run.offspring()
    assert len(children) >= 8
    kf_run.leave(signal.SIGKILL)
    wait_until(lambda: not alive(children), 20)

    kf_run.start()
    # A part that hangs does not keep the second Ctrl-C waiting.
    kf_run.child("kf_dialog").suspend()
    assert kf_run.process is not None
    kf_run.process.send_signal(signal.SIGINT)
    kf_run.wait_output("Stopping")
    assert kf_run.leave(signal.SIGINT, 20) == 0


def test_taken_ports_are_all_reported_before_anything_starts(kf_run: KfRun) -> None:
    with (
        socket.create_server(("127.0.0.1", kf_run.ports.port)),
        socket.create_server(("127.0.0.1", kf_run.ports.kf_nats_port)),
    ):
        kf_run.launch()
        assert kf_run.process is not None
        assert kf_run.process.wait(60) == 2
    for number, setting in (
        (kf_run.ports.port, "PORT"),
        (kf_run.ports.kf_nats_port, "KF_NATS_PORT"),
    ):
        assert f"Port {number} is taken by" in kf_run.output
        assert f"set {setting} to another port" in kf_run.output
    assert f"(pid {os.getpid()})" in kf_run.output
    assert not (kf_run.folder / ".kefu" / "postgres").exists()


def test_half_a_wecom_configuration_is_refused(kf_run: KfRun) -> None:
    kf_run.env["WECOM_CORP_ID"] = "ww0123456789abcdef"
    kf_run.launch()
    assert kf_run.process is not None
    assert kf_run.process.wait(60) == 2
    for name in ("WECOM_KF_SECRET", "WECOM_TOKEN", "WECOM_ENCODING_AES_KEY"):
        assert name in kf_run.output
