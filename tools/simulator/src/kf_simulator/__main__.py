"""`python -m kf_simulator`: settings, simulation, server; SIGTERM and SIGINT end it with 0."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from kf_simulator.app import create_app
from kf_simulator.settings import Settings, load
from kf_simulator.simulation import Simulation


class _Server(uvicorn.Server):
    """uvicorn, except that a signal ends the program with 0 and does not wait for watching requests."""

    def __init__(self, config: uvicorn.Config, sim: Simulation) -> None:
        super().__init__(config)
        self._sim = sim

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        yield

    def _stop(self) -> None:
        self.should_exit = True
        self._sim.hurry()


def main() -> None:
    """Run until a signal."""
    settings = load()
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # Its INFO line shows the callback's address with the signature in it.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    _run(settings)


def _run(settings: Settings) -> None:
    sim = Simulation(settings)
    config = uvicorn.Config(
        create_app(sim),
        host=settings.kf_simulator_host,
        port=settings.kf_simulator_port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=3,
    )
    asyncio.run(_Server(config, sim).serve())


if __name__ == "__main__":
    main()
