"""PostgreSQL's clock may be stepped either way: the limit holds at WeCom's door, and nobody waits for it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from kf_runtime import postgres
from kf_sender.claimed import Claimed, Wait
from kf_sender.pacing import Pacing
from kf_sender.store import Store
from kf_sender.tables import SCHEMA
from kf_sender.verdict import DELIVERED

from tests.fakes.kf_desk import KfDesk
from tests.fakes.senders import FAST, Office, command, step_clock

FIVE = replace(FAST, slots=5)
TIGHT = replace(FAST, slots=20, window=2.0, guard=0.05)
STEPS = pytest.mark.parametrize("step", ["1 hour", "-10 s"])


@asynccontextmanager
async def replica(hall: Office, pacing: Pacing = FIVE) -> AsyncIterator[Store]:
    pool = await postgres.connect(hall.database_url, SCHEMA, max_size=2)
    try:
        yield Store(pool, pacing)
    finally:
        await pool.close()


async def use_up(store: Store) -> list[Claimed]:
    """Every slot of the window."""
    granted = [claim for _ in range(FIVE.slots) if isinstance(claim := await store.claim(), Claimed)]
    assert len(granted) == FIVE.slots
    return granted


async def seconds_to_wait(store: Store) -> float:
    wait = await store.claim()
    assert isinstance(wait, Wait)
    return wait.seconds or 0.0


@STEPS
async def test_a_step_of_the_clock_neither_frees_a_slot_nor_keeps_one_longer(hall: Office, step: str) -> None:
    await hall.store(*(command(f"c{n}", f"wm{n}") for n in range(10)))
    async with replica(hall) as store:
        for claim in await use_up(store):
            await store.settle(claim, DELIVERED)
        assert 30 < await seconds_to_wait(store) <= 61
        await step_clock(hall, step)
        assert 30 < await seconds_to_wait(store) <= 61


@STEPS
async def test_what_one_replica_found_the_others_take_over(hall: Office, step: str) -> None:
    await hall.store(*(command(f"c{n}", f"wm{n}") for n in range(10)))
    async with replica(hall) as first, replica(hall) as second, replica(hall) as new:
        await use_up(first)
        await seconds_to_wait(second)
        await step_clock(hall, step)
        for store in (first, second, new, second, first):
            assert 30 < await seconds_to_wait(store) <= 63
        assert (await hall.row("SELECT mended FROM limiter"))["mended"] == 1


async def test_a_pause_that_wecom_asked_for_lasts_through_a_step(hall: Office) -> None:
    await hall.store(command("c1"))
    async with replica(hall) as store:
        await store.claim()
        await hall.row("UPDATE limiter SET paused_until = steady() + interval '50 s'")
        await hall.store(command("c2", "wmB"))
        await step_clock(hall, "1 hour")
        assert 30 < await seconds_to_wait(store) <= 52


async def test_a_clock_set_back_while_no_sender_ran_holds_nobody_longer_than_a_window(hall: Office) -> None:
    await hall.store(*(command(f"c{n}", f"wm{n}") for n in range(10)))
    async with replica(hall) as store:
        await use_up(store)
    await step_clock(hall, "-1 hour")
    async with replica(hall) as store:
        assert await seconds_to_wait(store) <= FIVE.lease + FIVE.window + 1


async def test_no_window_is_overrun_while_the_clock_jumps_about(hall: Office, desk: KfDesk) -> None:
    for _ in range(3):
        hall.start(TIGHT)
    await hall.publish(*(command(f"c{n}", f"wm{n % 25}") for n in range(60)))
    for number, step in enumerate(("1 hour", "-30 s", "2 hours", "0 s"), 1):
        await desk.until(shown=number * 12)
        await step_clock(hall, step)
    await desk.until(shown=60)
    times = [at for _, at in desk.calls]
    # A lease that was asked for between a step and its mending ends an attempt, and the msgid knows it.
    assert len(times) >= 60
    assert all(times[n + 20] - times[n] >= TIGHT.window for n in range(len(times) - 20))
    # Stepped four times: mended, and nobody waited for an hour.
    assert (await hall.row("SELECT mended FROM limiter"))["mended"] >= 3
