"""Commands reach customers once and in order, with any number of replicas."""

from collections.abc import AsyncIterator

import pytest

from tests.fakes.kf_desk import KfDesk, kf_desk
from tests.fakes.senders import Office, command, office


@pytest.fixture
async def desk() -> AsyncIterator[KfDesk]:
    async with kf_desk() as desk:
        yield desk


@pytest.fixture
async def hall(nats_url: str, database_url: str, desk: KfDesk) -> AsyncIterator[Office]:
    async with office(nats_url, database_url, desk.base_url) as made:
        yield made


async def test_a_command_is_sent_and_its_way_is_published(hall: Office, desk: KfDesk) -> None:
    hall.start()
    await hall.publish(command("c1", text="您好"))
    events = await hall.until_delivered("c1", "sent")
    assert desk.texts("wmA") == ["您好"]
    assert [event.status for event in events] == ["queued", "sending", "sent"]
    assert (events[-1].parts_sent, events[-1].parts_total, events[-1].turn_id) == (1, 1, "turn-c1")


async def test_a_redelivered_command_is_sent_once(hall: Office, desk: KfDesk) -> None:
    hall.start()
    await hall.publish(command("c1"), msg_id="first")
    await hall.publish(command("c1"), msg_id="second")
    await hall.publish(command("c2"))
    await hall.until("c2", "sent")
    assert desk.texts("wmA") == ["answer c1", "answer c2"]


async def test_three_replicas_keep_the_order_of_each_customer(hall: Office, desk: KfDesk) -> None:
    desk.delay = 0.02
    for _ in range(3):
        hall.start()
    customers = ["wmA", "wmB", "wmC", "wmD"]
    for number in range(8):
        await hall.publish(*(command(f"{who}-{number}", who, f"{number}") for who in customers))
    await desk.until(shown=32)
    assert {who: desk.texts(who) for who in customers} == {who: list("01234567") for who in customers}
    assert len({shown.msgid for shown in desk.shown}) == len(desk.calls) == 32
