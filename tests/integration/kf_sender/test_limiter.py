"""The limit holds exactly at WeCom's door, whatever the replicas do."""

import asyncio
from dataclasses import replace
from itertools import pairwise

from kf_runtime import postgres
from kf_sender.claimed import Claimed, Wait
from kf_sender.pacing import Pacing
from kf_sender.store import Store
from kf_sender.tables import SCHEMA
from kf_sender.verdict import DELIVERED, SharedPause, Verdict

from tests.fakes.kf_desk import KfDesk
from tests.fakes.senders import FAST, Office, command, welcome

TIGHT = replace(FAST, slots=20, window=2.0, guard=0.05)


async def test_no_window_holds_more_calls_than_allowed_with_three_replicas(
    hall: Office, desk: KfDesk
) -> None:
    desk.delay = 0.05
    for _ in range(3):
        hall.start(TIGHT)
    await hall.publish(*(command(f"c{n}", f"wm{n % 25}") for n in range(75)))
    await desk.until(shown=75)
    times = [at for _, at in desk.calls]
    # On a busy machine a lease may end an attempt, which is then repeated.
    assert (len(desk.shown), len(times) >= 75) == (75, True)
    assert all(times[n + 20] - times[n] >= 2.0 for n in range(len(times) - 20))


async def test_a_crashed_replica_leaves_its_grants_counted(hall: Office, desk: KfDesk) -> None:
    desk.delay = 30
    # A lease so long that a busy machine does not make its renewal late.
    _, crashing = hall.start(replace(TIGHT, lease=6.0), kf_sender_workers=20)
    await hall.publish(*(command(f"c{n}", f"wm{n}") for n in range(30)))
    await desk.until(shown=20)
    crashing.cancel()
    desk.delay = 0
    hall.start(TIGHT)
    await desk.until(shown=30)
    times = [at for _, at in desk.calls]
    assert all(times[n + 20] - times[n] >= 2.0 for n in range(len(times) - 20))


async def open_store(hall: Office, pacing: Pacing) -> tuple[Store, postgres.Pool]:
    pool = await postgres.connect(hall.database_url, SCHEMA, max_size=8)
    return Store(pool, pacing), pool


async def test_claims_at_once_never_exceed_the_window(hall: Office) -> None:
    store, pool = await open_store(hall, replace(FAST, slots=7))
    await hall.store(*(command(f"c{n}", f"wm{n}") for n in range(20)))
    claims = await asyncio.gather(*(store.claim() for _ in range(20)))
    granted = [claim for claim in claims if isinstance(claim, Claimed)]
    assert len(granted) == len({claim.external_userid for claim in granted}) == 7
    assert all(claim.seconds and claim.seconds > 60 for claim in claims if isinstance(claim, Wait))
    await pool.close()


async def test_an_account_at_its_own_limit_lets_the_others_pass(hall: Office) -> None:
    store, pool = await open_store(hall, replace(FAST, account_slots=3))
    await hall.store(*(command(f"a{n}", f"wm{n}") for n in range(6)))
    await hall.store(*(command(f"b{n}", f"wm{n}", open_kfid="wkB") for n in range(2)))
    granted = [claim for _ in range(8) if isinstance(claim := await store.claim(), Claimed)]
    assert [claim.command_id for claim in granted] == ["a0", "a1", "a2", "b0", "b1"]
    await pool.close()


async def test_an_account_keeps_slots_for_its_welcomes_too(hall: Office) -> None:
    store, pool = await open_store(hall, replace(FAST, account_slots=20))
    await hall.store(*(command(f"a{n}", f"wm{n}") for n in range(25)))
    granted = [claim for _ in range(25) if isinstance(claim := await store.claim(), Claimed)]
    assert len(granted) == 18
    await hall.store(welcome("w1", "wmX"), welcome("w2", "wmY"), welcome("w3", "wmZ"))
    urgent = [await store.claim() for _ in range(3)]
    assert [isinstance(claim, Claimed) for claim in urgent] == [True, True, False]
    wait = urgent[2]
    assert isinstance(wait, Wait)
    assert wait.seconds
    assert 30 < wait.seconds <= 63
    await pool.close()


async def test_ordinary_sends_come_in_bursts_and_use_the_whole_window(hall: Office) -> None:
    store, pool = await open_store(hall, replace(FAST, slots=20, window=4.0, guard=0.0, burst=10))
    await hall.store(*(command(f"a{n}", f"wm{n}") for n in range(30)))
    granted = [claim for _ in range(12) if isinstance(claim := await store.claim(), Claimed)]
    assert len(granted) == 10
    wait = await store.claim()
    assert isinstance(wait, Wait)
    assert wait.seconds
    assert 0.5 < wait.seconds <= 2.0
    await pool.close()


async def test_a_slot_that_was_not_used_is_given_back(hall: Office) -> None:
    store, pool = await open_store(hall, replace(FAST, slots=1))
    await hall.store(command("c1"))
    claim = await store.claim()
    assert isinstance(claim, Claimed)
    assert isinstance(await store.claim(), Wait)
    retry = replace(DELIVERED, action="retry", counted=False)  # type: ignore[arg-type]
    await store.settle(claim, retry)
    again = await store.claim()
    assert isinstance(again, Claimed)
    assert (again.msgid, again.attempt) == (claim.msgid, 2)
    await pool.close()


async def test_a_used_slot_counts_for_a_whole_window_after_the_call(hall: Office) -> None:
    store, pool = await open_store(hall, replace(FAST, slots=1, lease=5.0))
    await hall.store(command("c1"), command("c2"))
    claim = await store.claim()
    assert isinstance(claim, Claimed)
    await store.settle(claim, DELIVERED)
    wait = await store.claim()
    assert isinstance(wait, Wait)
    assert wait.seconds
    assert 55 < wait.seconds <= 60.1
    await pool.close()


async def test_who_lost_the_customer_changes_nothing(hall: Office) -> None:
    store, pool = await open_store(hall, replace(FAST, lease=0.05))
    await hall.store(command("c1"))
    late = await store.claim()
    assert isinstance(late, Claimed)
    await asyncio.sleep(0.1)
    assert not await store.extend(late)
    current = await store.claim()
    assert isinstance(current, Claimed)
    assert current.was_under_way
    assert not (await store.settle(late, Verdict("fail"))).recorded  # type: ignore[arg-type]
    assert (await store.settle(current, DELIVERED)).recorded
    assert (await hall.until("c1", "sent"))["parts_sent"] == 1
    await pool.close()


async def test_the_limit_grows_back_after_a_shared_pause(hall: Office) -> None:
    store, pool = await open_store(hall, FAST)
    await store.pause_all(SharedPause(0.0, halve_slots=True))
    sql = "SELECT allowance(20, 10, now(), interval '100 s', now() + make_interval(secs => $1)) AS n"
    allowed = [(await hall.row(sql, seconds))["n"] for seconds in (-5.0, 0.0, 20.0, 50.0, 99.0, 100.0, 500.0)]
    assert allowed == [10, 10, 12, 15, 19, 20, 20]
    assert all(a <= b for a, b in pairwise(allowed))
    assert (await hall.row("SELECT slow_slots FROM limiter"))["slow_slots"] == FAST.slots // 2
    await pool.close()


async def test_too_many_at_once_halves_what_is_under_way(hall: Office) -> None:
    store, pool = await open_store(hall, FAST)
    await hall.store(*(command(f"c{n}", f"wm{n}") for n in range(10)))
    claims = [await store.claim() for _ in range(6)]
    assert all(isinstance(claim, Claimed) for claim in claims)
    await store.pause_all(SharedPause(0.0, halve_calls=True))
    assert isinstance(await store.claim(), Wait)
    for claim in claims[:4]:
        assert isinstance(claim, Claimed)
        await store.settle(claim, DELIVERED)
    assert isinstance(await store.claim(), Claimed)
    assert isinstance(await store.claim(), Wait)
    await pool.close()
