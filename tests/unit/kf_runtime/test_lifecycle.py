import asyncio
import socket

import pytest
from kf_runtime import lifecycle
from kf_runtime import logging as kf_logging
from kf_runtime.diagnoses import diagnosed
from kf_runtime.grpc import Server
from kf_runtime.postgres import DatabaseError


async def until(stop: asyncio.Event) -> None:
    await stop.wait()


async def test_tasks_run_until_stop_and_finish_their_work() -> None:
    stop, finished = asyncio.Event(), []

    async def work() -> None:
        await stop.wait()
        await asyncio.sleep(0.01)
        finished.append("drained")

    asyncio.get_running_loop().call_later(0.05, stop.set)
    await lifecycle.supervise(stop, {"work": work()}, drain_seconds=5)
    assert finished == ["drained"]


async def test_a_task_that_fails_takes_the_process_down() -> None:
    stop = asyncio.Event()

    async def fail() -> None:
        raise ValueError("broken loop")

    with pytest.raises(ValueError, match="broken loop"):
        await lifecycle.supervise(stop, {"fail": fail(), "other": until(stop)}, drain_seconds=5)


async def test_a_task_that_just_ends_takes_the_process_down() -> None:
    stop = asyncio.Event()

    async def end() -> None:
        return

    with pytest.raises(RuntimeError, match="task end ended by itself"):
        await lifecycle.supervise(stop, {"end": end(), "other": until(stop)}, drain_seconds=5)


async def test_a_task_that_does_not_drain_is_cut_off() -> None:
    stop = asyncio.Event()
    stop.set()
    with pytest.raises(TimeoutError):
        await lifecycle.supervise(stop, {"stuck": until(asyncio.Event())}, drain_seconds=0.1)


def test_a_service_that_dies_says_where_but_quotes_no_row(capsys: pytest.CaptureFixture[str]) -> None:
    phone = "13800138000"

    async def work() -> None:
        raise ValueError(f"DETAIL: Key (external_userid)=({phone}) already exists")

    kf_logging.setup("test")
    with pytest.raises(SystemExit) as left:
        lifecycle.run(work(), "dialog")
    printed = capsys.readouterr()
    assert left.value.code == 1
    assert "service.died" in printed.out
    assert "ValueError" in printed.out
    assert phone not in printed.out + printed.err


def test_a_database_fault_is_one_readable_block_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    async def start() -> None:
        raise DatabaseError(diagnosed("postgres.password"))

    with pytest.raises(SystemExit) as left:
        lifecycle.run(start(), "dialog")
    assert left.value.code == 2
    block = capsys.readouterr().err
    assert block.startswith("kf-dialog: cannot start / 服务无法启动\n")
    assert "用户名或密码错误" in block
    assert "kf doctor --only postgres" in block


def test_a_port_of_somebody_else_is_one_readable_block_and_status_2(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def start(port: int) -> None:
        server = Server("127.0.0.1", port)
        try:
            await server.start()
        finally:
            await server.stop(0)

    with socket.create_server(("127.0.0.1", 0)) as holder, pytest.raises(SystemExit) as left:
        lifecycle.run(start(holder.getsockname()[1]), "sender")
    assert left.value.code == 2
    block = capsys.readouterr().err
    assert "KF_SENDER_HEALTH_PORT" in block
    assert "Traceback" not in block
