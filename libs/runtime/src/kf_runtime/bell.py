"""A wake-up call between tasks: rung by whoever has news, heard by the one loop that waits for it."""

import asyncio


class Bell:
    """Remembers one ring; rings while nobody waits are heard at the next wait."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wake the loop that waits, now or at its next wait."""
        self._rung.set()

    async def wait(self, stop: asyncio.Event, seconds: float) -> None:
        """Return at a ring, when `stop` is set, or after `seconds`."""
        waiting = {asyncio.create_task(self._rung.wait()), asyncio.create_task(stop.wait())}
        try:
            await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
        self._rung.clear()


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Return after `seconds`, or as soon as `stop` is set."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
