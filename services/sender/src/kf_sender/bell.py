"""Waiting for news inside one process, without missing the request to stop."""

import asyncio


async def first_of(wake: asyncio.Event, stop: asyncio.Event, seconds: float) -> None:
    """Return when either event is set or the time is over."""
    waiting = {asyncio.create_task(wake.wait()), asyncio.create_task(stop.wait())}
    try:
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
