"""Exactly one answer: redelivery, replicas, crashes and restarts of what dialog stands on."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
from kf_cli import embedded
from kf_dialog.store import Store

from tests.fakes.dialog import Town


@asynccontextmanager
async def running(town: Town, folder: Path, **changes: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A replica as a process; killed at the end if it still runs."""
    process = await town.process(folder, **changes)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_redelivered_message_is_answered_once(town: Town) -> None:
    async with town.replica():
        await town.say("wm1", "几点开门", msgid="a")
        await town.replied(1)
        await town.say("wm1", "几点开门", msgid="a", dedup="again")
        await town.say("wm1", "几点关门", msgid="b")
        replies = await town.replied(2)
    assert [reply.in_reply_to for reply in replies] == [("a",), ("b",)]


async def test_the_same_text_twice_is_answered_twice(town: Town) -> None:
    async with town.replica():
        for number in (1, 2):
            await town.say("wm1", "几点开门")
            await town.replied(number)


async def test_two_replicas_never_answer_twice(town: Town) -> None:
    async with town.replica(), town.replica():
        msgids = [await town.say(f"wm{number % 7}", f"问题{number}") for number in range(28)]
        async with asyncio.timeout(60):
            while sum(len(reply.in_reply_to) for reply in await town.replies()) < len(msgids):
                await asyncio.sleep(0.1)
    answered = [msgid for reply in await town.replies() for msgid in reply.in_reply_to]
    assert sorted(answered) == sorted(msgids)


async def test_a_replica_that_hears_of_a_newer_message_only_from_the_other_joins_it(town: Town) -> None:
    town.model.delay = lambda prompt: 0.0 if "二" in prompt[-1]["content"] else 30.0
    async with town.replica(KF_DIALOG_TURN_WORKERS="1"), town.replica(KF_DIALOG_TURN_WORKERS="1"):
        for customer in ("wm1", "wm2"):
            await town.say(customer, "一")
        await town.asked(2)
        for customer in ("wm1", "wm2"):
            await town.say(customer, "二")
        replies = await town.replied(2)
    assert {reply.text for reply in replies} == {"答复：一\n二"}


async def test_killed_while_the_model_thinks_the_question_is_answered_once(
    town: Town, tmp_path: Path
) -> None:
    town.model.delay = lambda _: 60.0
    async with running(town, tmp_path) as process:
        msgid = await town.say("wm1", "几点开门")
        await town.asked(1)
        process.kill()
        await process.wait()
        town.model.delay = lambda _: 0.0
    async with town.replica():
        (reply,) = await town.replied(1)
    assert reply.in_reply_to == (msgid,)
    assert len(await town.rows("SELECT 1 FROM turn")) == 1


async def test_killed_between_commit_and_publish_the_reply_goes_out_once_and_the_model_is_not_asked_again(
    town: Town, tmp_path: Path
) -> None:
    async with running(town, tmp_path) as process:
        async with outbox_blocked(town):
            msgid = await town.say("wm1", "几点开门")
            async with asyncio.timeout(45):
                while not await stored_turns(town):
                    await asyncio.sleep(0.1)
            process.kill()
            await process.wait()
        assert await town.replies() == []
    async with town.replica():
        (reply,) = await town.replied(1)
        await town.say("wm2", "另一位")
        await town.replied(2)
    assert reply.in_reply_to == (msgid,)
    assert town.model.questions() == ["几点开门", "另一位"]


@asynccontextmanager
async def outbox_blocked(town: Town) -> AsyncIterator[None]:
    """Hold the relay's lock, as a replica does in the middle of a batch."""
    connection = await asyncpg.connect(town.database_url)
    try:
        async with connection.transaction():
            await connection.fetch("SELECT pg_advisory_xact_lock(hashtext('kf_dialog.outbox'))")
            yield
    finally:
        await connection.close()


async def stored_turns(town: Town) -> int:
    """Turns in the database; none while the service has not made its tables yet."""
    (row,) = await town.rows("SELECT to_regclass('dialog.turn') IS NOT NULL AS there")
    return len(await town.rows("SELECT 1 FROM turn")) if row["there"] else 0


async def test_published_but_not_marked_is_published_under_the_same_id(town: Town) -> None:
    async with town.replica():
        await town.say("wm1", "几点开门")
        await town.replied(1)
        await town.rows("UPDATE outbox SET published_at = NULL")
        async with asyncio.timeout(30):
            while await town.rows("SELECT 1 FROM outbox WHERE published_at IS NULL"):
                await asyncio.sleep(0.1)
    assert len(await town.replies()) == 1


async def test_what_was_published_hours_ago_is_deleted(town: Town) -> None:
    async with town.replica():
        await town.say("wm1", "几点开门")
        await town.replied(1)
    await town.rows("UPDATE outbox SET published_at = now() - interval '7 hours'")
    async with town.replica(), asyncio.timeout(30):
        while await town.rows("SELECT 1 FROM outbox"):
            await asyncio.sleep(0.05)


async def test_nats_killed_in_the_middle_loses_nothing(town: Town, nats_server: embedded.Child) -> None:
    town.model.delay = lambda _: 1.0
    async with town.replica():
        first = await town.say("wm1", "第一个问题")
        await town.asked(1)
        nats_server.kill()
        await asyncio.sleep(1.5)
        await asyncio.to_thread(nats_server.start)
        async with asyncio.timeout(30):
            while not town.client.is_connected:
                await asyncio.sleep(0.1)
        second = await town.say("wm2", "第二个问题")
        replies = await town.replied(2)
    assert sorted(reply.in_reply_to for reply in replies) == [(first,), (second,)]


@pytest.fixture
def own_postgres(tmp_path: Path) -> embedded.Child:
    embedded.init_postgres(tmp_path / "pg")
    port = embedded.free_port()
    command = embedded.postgres_command(tmp_path / "pg", port)
    return embedded.Child("postgres", command, port, tmp_path / "pg.log")


async def test_postgres_restarted_in_the_middle_loses_nothing(
    nats_url: str, own_postgres: embedded.Child
) -> None:
    url = embedded.database_url(own_postgres.port)
    with own_postgres:
        async with Town.open(nats_url, url) as town:
            town.model.delay = lambda _: 1.0
            async with town.replica():
                first = await town.say("wm1", "第一个问题")
                await town.asked(1)
                await asyncio.to_thread(own_postgres.stop)
                second = await town.say("wm2", "第二个问题")
                await asyncio.sleep(1.0)
                await asyncio.to_thread(own_postgres.start)
                replies = await town.replied(2)
    assert sorted(reply.in_reply_to for reply in replies) == [(first,), (second,)]


async def test_sigterm_finishes_the_turn_in_hand_and_exits_with_0(town: Town, tmp_path: Path) -> None:
    town.model.delay = lambda _: 1.5
    async with running(town, tmp_path) as process:
        await town.say("wm1", "几点开门")
        await town.asked(1)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 30) == 0
        assert len(await town.replies()) == 1


async def test_a_turn_that_outlasts_the_drain_is_given_back(town: Town, tmp_path: Path) -> None:
    town.model.delay = lambda _: 60.0
    changes = {"KF_DIALOG_DRAIN_SECONDS": "0.2", "KF_DIALOG_LEASE_SECONDS": "300"}
    async with running(town, tmp_path, **changes) as process:
        await town.say("wm1", "几点开门")
        await town.asked(1)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 30) == 0
    (row,) = await town.rows("SELECT lease_until, due_at FROM conversation")
    assert row["lease_until"] is None
    assert row["due_at"] is not None


async def test_when_a_bug_ends_the_renewal_of_leases_the_service_gives_back_its_turns_and_ends(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise ValueError("bug")

    monkeypatch.setattr(Store, "renew", broken)
    town.model.delay = lambda _: 60.0

    async def served() -> None:
        async with town.replica():
            await town.say("wm1", "几点开门")
            await town.asked(1)
            async with asyncio.timeout(30):
                while not await town.rows("SELECT 1 FROM conversation WHERE lease_until IS NULL"):
                    await asyncio.sleep(0.05)

    with pytest.raises(ValueError, match="bug"):
        await served()
    assert len(town.model.prompts) == 1


async def test_every_fault_of_the_settings_is_told_at_once(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "kf_dialog"),
        env={"PATH": os.environ["PATH"], "KF_DIALOG_COLLECTIONS": "wk1:shop", "KF_DIALOG_MERGE_MS": "soon"},
        cwd=tmp_path,
        stderr=asyncio.subprocess.PIPE,
    )
    _, output = await process.communicate()
    assert process.returncode == 2
    for name in ("DATABASE_URL", "DEEPSEEK_API_KEY", "KF_DIALOG_COLLECTIONS", "KF_DIALOG_MERGE_MS"):
        assert f"- {name} " in output.decode()


async def test_replicas_killed_again_and_again_answer_everything_once_and_in_order(
    town: Town, tmp_path: Path
) -> None:
    town.model.delay = lambda _: 0.4
    said: dict[str, list[str]] = {}
    async with AsyncExitStack() as stack:
        replicas = [await stack.enter_async_context(running(town, tmp_path)) for _ in range(2)]
        for number in range(30):
            customer = f"wm{number % 6}"
            said.setdefault(customer, []).append(await town.say(customer, f"问题{number}"))
            await asyncio.sleep(0.25)
            if number % 8 == 7:
                victim = replicas.pop(0)
                victim.kill()
                await victim.wait()
                replicas.append(await stack.enter_async_context(running(town, tmp_path)))
        async with asyncio.timeout(60):
            while sum(len(reply.in_reply_to) for reply in await town.replies()) < 30:
                await asyncio.sleep(0.2)
    for customer, msgids in said.items():
        replies = [reply for reply in await town.replies() if reply.external_userid == customer]
        assert [msgid for reply in replies for msgid in reply.in_reply_to] == msgids
