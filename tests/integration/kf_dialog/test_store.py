"""Leases, fencing and due times, step by step on a real database."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from kf_contracts.events import MessageReceived, SendReply
from kf_dialog.conversation import Answer, Claim, Commit, Outcome, Turn, Work
from kf_dialog.store import Store, Timing

QUICK = Timing(join=10.0, lease=30.0)


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    store = await Store.open(database_url, QUICK)
    yield store
    await store.close()


def event(msgid: str, customer: str = "wm1") -> MessageReceived:
    body = {"msgtype": "text", "text": {"content": msgid}}
    ids = {"msgid": msgid, "open_kfid": "wk1", "external_userid": customer, "send_time": 1, "origin": 3}
    return MessageReceived(
        open_kfid="wk1",
        external_userid=customer,
        msgid=msgid,
        msgtype="text",
        origin=3,
        send_time=datetime.now(UTC),
        item={**ids, **body},
    )


async def say(store: Store, msgid: str, customer: str = "wm1", quiet: float = 0.0) -> bool:
    return await store.record(event(msgid, customer), {}, "new", "", quiet) is not None


async def claimed(store: Store) -> tuple[Claim, Work]:
    (claim,) = await store.claim(5)
    work = await store.load(claim, 5)
    assert work is not None
    return claim, work


async def commit(
    store: Store, claim: Claim, work: Work, turn_id: str = "t1", *, accept_newer: bool = False
) -> Commit:
    answer = Answer("问", "答", Outcome.ANSWERED)
    command = SendReply(
        command_id=f"{turn_id}-1",
        open_kfid=claim.open_kfid,
        external_userid=claim.external_userid,
        turn_id=turn_id,
        in_reply_to=tuple(q.msgid for q in work.questions),
        text="答",
    )
    return await store.commit(claim, Turn(turn_id, work, answer, {}, (command,)), accept_newer=accept_newer)


async def pending(store: Store) -> list[str]:
    async with store.outbox(99) as batch:
        return [command.command_id for command in batch.commands]


async def test_a_message_is_recorded_once(store: Store) -> None:
    assert await say(store, "a")
    assert not await say(store, "a")
    _, work = await claimed(store)
    assert [q.text for q in work.questions] == ["a"]


async def test_msgids_that_differ_only_in_case_are_two_messages(store: Store) -> None:
    assert await say(store, "4ByzBnF1qDNq")
    assert await say(store, "4bYZbNf1Qdnq")
    _, work = await claimed(store)
    assert [q.msgid for q in work.questions] == ["4ByzBnF1qDNq", "4bYZbNf1Qdnq"]


async def test_a_claimed_conversation_is_nobody_elses(store: Store) -> None:
    await say(store, "a")
    await say(store, "b", "wm2")
    both = await asyncio.gather(*(store.claim(1) for _ in range(4)))
    keys = [claim.key for claims in both for claim in claims]
    assert sorted(keys) == [("wk1", "wm1"), ("wk1", "wm2")]


async def test_a_turn_that_missed_a_newer_message_is_not_stored(store: Store) -> None:
    await say(store, "a")
    claim, work = await claimed(store)
    await say(store, "b")
    assert await commit(store, claim, work) is Commit.NEWER
    assert await pending(store) == []
    await store.settle(claim)
    claim, work = await claimed(store)
    assert await commit(store, claim, work) is Commit.DONE
    assert [q.text for q in work.questions] == ["a", "b"]


async def test_past_the_limit_the_newer_message_is_left_to_the_next_turn(store: Store) -> None:
    await say(store, "a")
    claim, work = await claimed(store)
    await say(store, "b")
    assert await commit(store, claim, work, accept_newer=True) is Commit.DONE
    _, work = await claimed(store)
    assert [q.text for q in work.questions] == ["b"]
    assert [(e.question, e.reply) for e in work.history] == [("问", "答")]


async def test_the_holder_of_an_older_token_cannot_commit_or_settle(database_url: str) -> None:
    store = await Store.open(database_url, Timing(join=10.0, lease=0.0))
    await say(store, "a")
    old, work = await claimed(store)
    await asyncio.sleep(0.01)
    new, _ = await claimed(store)
    assert new.token > old.token
    assert await commit(store, old, work) is Commit.LOST
    await store.settle(old)
    await store.postpone(old)
    assert await commit(store, new, work) is Commit.DONE
    assert await pending(store) == ["t1-1"]
    await store.close()


async def test_a_late_renewal_gives_no_lease_to_what_was_settled(store: Store) -> None:
    await say(store, "a")
    claim, work = await claimed(store)
    assert await store.renew([claim]) == {claim.key: work.revision}
    await commit(store, claim, work)
    assert await store.renew([claim]) == {}
    await say(store, "b")
    assert len(await store.claim(5)) == 1


async def test_a_recall_makes_the_turn_stale_and_an_answered_message_stays(store: Store) -> None:
    await say(store, "a")
    claim, work = await claimed(store)
    assert await store.recall("wk1", "wm1", "a")
    assert await commit(store, claim, work) is Commit.NEWER
    assert await commit(store, claim, work, accept_newer=True) is Commit.NEWER
    await store.settle(claim)
    assert await store.claim(5) == []
    await say(store, "b")
    await commit(store, *await claimed(store))
    assert not await store.recall("wk1", "wm1", "b")


async def test_a_burst_is_due_after_a_quiet_period_but_never_later_than_the_limit(database_url: str) -> None:
    store = await Store.open(database_url, Timing(join=7.0, lease=30.0))
    await say(store, "a", quiet=5.0)
    due = await store.next_due()
    assert due is not None
    assert 4.0 < due <= 5.0
    await asyncio.sleep(2.5)
    await say(store, "b", quiet=5.0)
    due = await store.next_due()
    assert due is not None
    assert due <= 4.6
    assert await store.claim(5) == []
    await store.close()


async def test_a_postponed_conversation_waits_and_then_is_due_again(store: Store) -> None:
    await say(store, "a")
    (claim,) = await store.claim(5)
    await store.postpone(claim)
    assert await store.claim(5) == []
    due = await store.next_due()
    assert due is not None
    assert 0 < due <= 1.0


async def test_two_relays_never_hold_a_batch_at_the_same_time(store: Store) -> None:
    await say(store, "a")
    await commit(store, *await claimed(store))
    async with store.outbox(5) as batch:
        second = asyncio.create_task(pending(store))
        await asyncio.sleep(0.3)
        assert not second.done()
        batch.published.append(batch.commands[0].id)
    assert await second == []


async def test_only_what_was_published_long_ago_is_pruned_and_no_more_than_asked(store: Store) -> None:
    for number in range(4):
        await say(store, f"m{number}")
        await commit(store, *await claimed(store), f"t{number}")
    async with store._pool.acquire() as connection:
        for turn_id, hours in (("t0", 7), ("t1", 8), ("t3", 1)):
            await connection.execute(
                "UPDATE outbox SET published_at = now() - make_interval(hours => $2) WHERE command_id = $1",
                *(f"{turn_id}-1", hours),
            )
        assert await store.prune_outbox(6 * 3600, 1) == 1
        assert await store.prune_outbox(6 * 3600, 9) == 1
        assert await store.prune_outbox(6 * 3600, 9) == 0
        left = await connection.fetch("SELECT command_id FROM outbox ORDER BY id")
    assert [row["command_id"] for row in left] == ["t2-1", "t3-1"]


async def test_a_failed_transaction_leaves_nothing_behind(store: Store) -> None:
    await say(store, "a")
    claim, work = await claimed(store)
    assert await commit(store, claim, work, "t1") is Commit.DONE
    await say(store, "b")
    claim, work = await claimed(store)
    with pytest.raises(Exception, match="turn_pkey"):
        await commit(store, claim, work, "t1")
    again = await store.load(claim, 5)
    assert again is not None
    assert [q.text for q in again.questions] == ["b"]


async def test_the_claim_uses_its_index(store: Store) -> None:
    await say(store, "a")
    async with store._pool.acquire() as connection:
        await connection.execute("SET enable_seqscan = off")
        plan = await connection.fetch(
            "EXPLAIN SELECT 1 FROM conversation WHERE due_at <= now() ORDER BY due_at LIMIT 5"
        )
        await connection.execute("RESET enable_seqscan")
    assert "conversation_due" in str(plan)
