"""A service's life: start, supervise its tasks, drain on SIGTERM, leave with a telling exit status."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NoReturn, TypeVar

import structlog

from kf_runtime import logging, telemetry
from kf_runtime.bell import pause
from kf_runtime.diagnoses import Diagnosis, diagnosed
from kf_runtime.grpc import PortTakenError, Server
from kf_runtime.postgres import DatabaseError
from kf_runtime.settings import ServiceSettings, load
from kf_runtime.settings import stop as stop_with_faults

log = structlog.get_logger()

Check = Callable[[], Awaitable[bool]]
_READY_SECONDS = 1.0
ServiceT = TypeVar("ServiceT", bound=ServiceSettings)


def stop_on_signals() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set; call it inside the running loop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    return stop


async def supervise(
    stop: asyncio.Event, tasks: dict[str, Coroutine[Any, Any, None]], drain_seconds: float
) -> None:
    """Run named tasks until all end after `stop`; one that ends early takes the process down with its error.

    A service that limps on without one of its loops looks healthy and answers nobody: better to be restarted.

    Raises:
        RuntimeError: a task ended before `stop` was set.
        TimeoutError: tasks were still running `drain_seconds` after `stop`.
    """
    running = {asyncio.create_task(coroutine, name=name) for name, coroutine in tasks.items()}
    stopping = asyncio.create_task(stop.wait())
    try:
        done, _ = await asyncio.wait({*running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        early = [task for task in done if task is not stopping]
        if early and not stop.is_set():
            early[0].result()
            raise RuntimeError(f"task {early[0].get_name()} ended by itself")
        log.info("service.draining")
        async with asyncio.timeout(drain_seconds):
            await asyncio.gather(*running)
    finally:
        for task in (*running, stopping):
            task.cancel()
        await asyncio.gather(*running, stopping, return_exceptions=True)


async def watch_ready(server: Server, checks: dict[str, Check], stop: asyncio.Event) -> None:
    """Keep the readiness of the health service equal to "every dependency answers"; log each change."""
    was: dict[str, bool] = {}
    while not stop.is_set():
        now = {name: await _answers(check) for name, check in checks.items()}
        if now != was:
            log.info("service.readiness", **now)
            await server.set_ready(ready=all(now.values()))
            was = now
        await pause(stop, _READY_SECONDS)
    await server.set_ready(ready=False)


async def _answers(check: Check) -> bool:
    try:
        async with asyncio.timeout(2.0):
            return await check()
    except Exception as error:  # noqa: BLE001
        # Whatever a dependency raises means the same here: it does not answer.
        log.debug("service.check_failed", error=type(error).__name__)
        return False


def start(
    settings: type[ServiceT], name: str, serve: Callable[[ServiceT], Coroutine[Any, Any, None]]
) -> None:
    """Entry point of a service: read its settings, set up logs and telemetry, serve to the end."""
    config = load(settings)
    logging.setup(name, level=config.log_level, debug=config.debug, log_dir=config.kf_log_dir)
    provider = telemetry.setup(name)
    try:
        run(serve(config), name)
    finally:
        provider.shutdown()


def cannot_start(name: str, fault: Diagnosis | str) -> NoReturn:
    """One readable block in both languages, then status 2: only people can mend this."""
    lines = [fault] if isinstance(fault, str) else ["\n    ".join(fault.lines())]
    stop_with_faults(f"kf-{name}: cannot start / 服务无法启动", lines)


def port_taken(port: int, setting: str) -> Diagnosis:
    """What to say of a port that is somebody else's; who it is only the doctor finds out."""
    return diagnosed("port.taken", port=port, holder="另一个程序 (another program)", setting=setting)


def run(main: Coroutine[Any, Any, None], name: str) -> None:
    """Run a service to its end: 0 after a drain, 2 for faults that people must mend, 1 for the rest."""
    try:
        asyncio.run(main)
    except DatabaseError as error:
        cannot_start(name, error.diagnosis or str(error))
    except PortTakenError as error:
        cannot_start(name, port_taken(error.port, f"KF_{name.upper()}_PORT, KF_{name.upper()}_HEALTH_PORT"))
    except Exception:
        # Not left to the interpreter: it prints the error's own words, and PostgreSQL's quote whole rows.
        log.exception("service.died")
        raise SystemExit(1) from None
