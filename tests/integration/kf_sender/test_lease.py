"""A lease ends an attempt; a probe and a repeat cost what any send costs."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from kf_runtime import postgres
from kf_sender.claimed import Claimed, Wait
from kf_sender.delivery import Courier, RefusalStands
from kf_sender.pacing import Pacing
from kf_sender.store import Store
from kf_sender.tables import SCHEMA
from kf_sender.verdict import Action, Verdict
from kf_wecom.client import WecomClient, fetch_token
from kf_wecom.token import LocalToken
from kf_wecom.transport import Transport
from kf_wecom.vault import MemoryVault

from tests.fakes.kf_desk import KfDesk
from tests.fakes.senders import FAST, Office, command
from tests.fakes.wecom_api import GETTOKEN, Raw


@pytest.fixture
def pacing() -> Pacing:
    return FAST


@pytest.fixture
async def store(hall: Office, pacing: Pacing) -> AsyncIterator[Store]:
    pool = await postgres.connect(hall.database_url, SCHEMA, max_size=4)
    yield Store(pool, pacing)
    await pool.close()


@pytest.fixture
async def courier(store: Store, desk: KfDesk, pacing: Pacing) -> AsyncIterator[Courier]:
    async with Transport(desk.base_url) as transport:
        tokens = LocalToken(lambda: fetch_token(transport, "ww1", "secret"))
        client = WecomClient(transport, tokens)
        yield Courier(store, RefusalStands(tokens), client, client, pacing)


@pytest.fixture
async def replicas(store: Store, desk: KfDesk, pacing: Pacing) -> AsyncIterator[list[Courier]]:
    """Two that share their access token, as over NATS."""
    async with Transport(desk.base_url) as transport:
        vault = MemoryVault()
        made = []
        for _ in range(2):
            tokens = LocalToken(lambda: fetch_token(transport, "ww1", "secret"), vault=vault)
            standing = RefusalStands(tokens)
            sends, states = WecomClient(transport, standing), WecomClient(transport, tokens)
            made.append(Courier(store, standing, sends, states, pacing))
        yield made


async def claimed(store: Store) -> Claimed:
    claim = await store.claim()
    assert isinstance(claim, Claimed)
    return claim


async def test_a_replica_paused_past_its_lease_sends_nothing(
    hall: Office, desk: KfDesk, store: Store, courier: Courier
) -> None:
    await hall.store(command("c1"))
    began = asyncio.get_running_loop().time() - FAST.lease
    await courier.deliver(await claimed(store), began)
    assert desk.calls == []
    assert (await hall.until("c1", "unknown"))["parts_sent"] == 0


async def test_an_attempt_ends_when_somebody_else_took_the_customer(
    hall: Office, desk: KfDesk, store: Store, courier: Courier
) -> None:
    desk.swallow("wmA", Raw(delay=60))
    await hall.store(command("c1"))
    late = await claimed(store)
    attempt = asyncio.create_task(courier.deliver(late, asyncio.get_running_loop().time()))
    await desk.until(shown=1)
    await hall.row("UPDATE customer_queue SET lease_until = now()")
    current = await claimed(store)
    async with asyncio.timeout(30):
        await attempt
    assert (await hall.row("SELECT status, attempts FROM part"))["attempts"] == 2
    assert (await hall.until("c1", "sending"))["parts_sent"] == 0
    await courier.deliver(current, asyncio.get_running_loop().time())
    assert (await hall.until("c1", "sent"))["errcode"] == 95099
    assert desk.texts("wmA") == ["answer c1"]


# A lease so long that a busy machine does not make its renewal late.
@pytest.mark.parametrize("pacing", [replace(FAST, lease=6.0)])
async def test_a_long_call_keeps_its_lease(
    hall: Office, desk: KfDesk, store: Store, courier: Courier, pacing: Pacing
) -> None:
    desk.swallow("wmA", Raw(b'{"errcode":0,"errmsg":"ok","msgid":"m"}', delay=pacing.lease * 1.5))
    await hall.store(command("c1"))
    attempt = asyncio.create_task(courier.deliver(await claimed(store), asyncio.get_running_loop().time()))
    while not attempt.done():
        assert isinstance(await store.claim(), Wait)
        await asyncio.sleep(0.2)
    await attempt
    assert (await hall.until("c1", "sent"))["errcode"] is None


async def test_a_refused_account_is_probed_by_one_customer_at_a_time(hall: Office, store: Store) -> None:
    await hall.store(*(command(f"c{n}", f"wm{n}") for n in range(3)))
    refused = Verdict(Action.SUSPEND, "not granted", 48007)
    first = await store.settle(await claimed(store), refused)
    assert first.alert_pause_seconds
    assert isinstance(await store.claim(), Wait)
    await hall.row("UPDATE account SET paused_until = now()")
    probe = await claimed(store)
    assert isinstance(await store.claim(), Wait)
    again = await store.settle(probe, refused)
    assert again.alert_pause_seconds is None
    await hall.row("UPDATE account SET paused_until = now()")
    healthy = Verdict(Action.DELIVERED, errcode=0, healthy=True)
    assert (await store.settle(await claimed(store), healthy)).account_resumed
    assert isinstance(await store.claim(), Claimed)
    assert isinstance(await store.claim(), Claimed)


async def test_a_token_that_died_is_not_taken_for_a_wrong_secret_by_a_replica_that_still_has_it(
    hall: Office, desk: KfDesk, store: Store, replicas: list[Courier]
) -> None:
    now = asyncio.get_running_loop().time
    for number, replica in enumerate(replicas):
        await hall.store(command(f"c{number}"))
        await replica.deliver(await claimed(store), now())
    desk.end_token("SecretToken1", 40001)
    await hall.store(command("c2"))
    for replica in replicas:
        await replica.deliver(await claimed(store), now())
    assert (await hall.until("c2", "sent"))["reason"] == ""
    assert not await hall.row("SELECT 1 FROM account WHERE failures > 0")
    assert desk.paths().count(GETTOKEN) == 2


async def test_the_repeat_after_a_dead_token_takes_a_slot_of_its_own(hall: Office, desk: KfDesk) -> None:
    desk.refuse("wmA", {"errcode": 42001, "errmsg": "expired"})
    hall.start(replace(FAST, slots=1))
    await hall.publish(command("c1"))
    async with asyncio.timeout(30):
        while not await hall.row("SELECT 1 FROM part WHERE errcode = 42001 AND status = 'pending'"):
            await asyncio.sleep(0.05)
    assert len(desk.calls) == 1
    await hall.row("DELETE FROM slot")
    await hall.until("c1", "sent")
    assert len(desk.calls) == 2
