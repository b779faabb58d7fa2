"""What operators do when something did not arrive: look, run again, drop; on a real ledger and stream."""

from collections.abc import AsyncIterator

import pytest
from kf_cli.dead_letters import DeadLetterError, DeadLetters
from kf_cli.ledger import open_ledger
from kf_runtime.postgres import DatabaseError

from tests.fakes.kf_desk import SEND_MSG, KfDesk, kf_desk
from tests.fakes.senders import OPEN_KFID, Office, command, office


@pytest.fixture
async def desk() -> AsyncIterator[KfDesk]:
    async with kf_desk() as desk:
        yield desk


@pytest.fixture
async def hall(nats_url: str, database_url: str, desk: KfDesk) -> AsyncIterator[Office]:
    async with office(nats_url, database_url, desk.base_url) as made:
        yield made


async def test_a_refused_command_is_listed_replayed_once_and_gone(hall: Office, desk: KfDesk) -> None:
    desk.refuse("wmA", {"errcode": 40058, "errmsg": "invalid"})
    hall.start()
    await hall.publish(command("c1"))
    await hall.until_dead()
    async with DeadLetters(hall.nats_url) as letters:
        [found] = await letters.list()
        assert (found.letter.command_id, found.letter.errcode) == ("c1", 40058)
        await letters.replay(found.number, hall.database_url)
        assert await letters.list() == []
        with pytest.raises(DeadLetterError):
            await letters.replay(found.number, hall.database_url)
    await hall.until("c1", "sent")
    assert desk.texts("wmA") == ["answer c1"]


async def test_a_replay_after_a_failed_delivery_uses_a_new_msgid(hall: Office, desk: KfDesk) -> None:
    hall.start()
    await hall.hear("m1")
    await hall.publish(command("c1"))
    await hall.until("c1", "sent")
    failed = desk.shown[0].msgid
    await hall.hear("e1", event={"event_type": "msg_send_fail", "fail_msgid": failed, "fail_type": 13})
    await hall.until_dead()
    async with DeadLetters(hall.nats_url) as letters:
        [found] = await letters.list()
        await letters.replay(found.number, hall.database_url)
    await hall.until("c1", "sent")
    again = {
        asked.json["msgid"]
        for asked in desk.asked
        if asked.path == SEND_MSG and asked.json.get("text") == {"content": "answer c1"}
    }
    assert len(again) == 2


async def test_a_message_that_could_not_be_read_is_published_again(hall: Office) -> None:
    hall.start()
    await hall.client.jetstream().publish(f"kf.outbound.{OPEN_KFID}", b"no json")
    await hall.until_dead()
    async with DeadLetters(hall.nats_url) as letters:
        [found] = await letters.list()
        await letters.replay(found.number, hall.database_url)
    # It is no better than before, and ends where it was.
    await hall.until_dead()


async def test_a_letter_is_dropped_for_good(hall: Office) -> None:
    hall.start()
    await hall.publish(command("blank", text=" "))
    await hall.until_dead()
    async with DeadLetters(hall.nats_url) as letters:
        [found] = await letters.list()
        with pytest.raises(DeadLetterError, match="nothing to run again"):
            await letters.replay(found.number, hall.database_url)
        await letters.drop(found.number)
        assert await letters.list() == []
        with pytest.raises(DeadLetterError, match="no dead letter"):
            await letters.show(found.number)


async def test_the_queue_says_what_waits_and_why_without_naming_the_customer(
    hall: Office, desk: KfDesk
) -> None:
    desk.refuse("wmA", {"errcode": 95001, "errmsg": "send count limit"})
    hall.start()
    await hall.publish(command("c1"))
    await hall.until("c1", "held")
    async with open_ledger(hall.database_url) as ledger:
        found = await ledger.queue()
        assert (found.counts, found.circuits, found.pause_seconds) == ({"held": 1}, [], 0.0)
        assert ("95001" in found.waiting[0].reason, found.waiting[0].status) == (True, "held")
        assert "wmA" not in str(found.as_dict())
        assert (await ledger.queue("parked")).waiting == []


async def test_a_database_without_a_ledger_is_told_with_the_mend(database_url: str) -> None:
    with pytest.raises(DatabaseError, match="start the sender"):
        async with open_ledger(database_url):
            pass
