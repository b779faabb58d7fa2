"""Five messages for each message of the customer: planned, counted, the rest held and offered."""

from datetime import UTC, datetime, timedelta

from kf_sender.plan import OFFER

from tests.fakes.kf_desk import KfDesk
from tests.fakes.senders import Office, command

LONG = "".join(f"这是第{number:04}句完整的话。" for number in range(420))


async def test_a_long_answer_stops_at_its_budget_and_goes_on_when_asked(hall: Office, desk: KfDesk) -> None:
    hall.start()
    await hall.hear("m1")
    await hall.heard("m1")
    await hall.publish(command("c1", text=LONG))
    row = await hall.until("c1", "held")
    first = desk.texts("wmA")
    assert (row["parts_sent"], len(first)) == (4, 4)
    assert first[-1].endswith(OFFER)
    assert not any(OFFER in text for text in first[:-1])
    await hall.hear("m2", text="继续")
    await hall.heard("m2")
    await hall.publish(command("c2", in_reply_to=("m2",)))
    await hall.until("c1", "sent")
    await hall.until("c2", "expired")
    assert "".join(desk.texts("wmA")).replace(OFFER, "") == LONG


async def test_other_words_leave_the_rest_and_get_their_own_answer(hall: Office, desk: KfDesk) -> None:
    hall.start()
    await hall.hear("m1")
    await hall.heard("m1")
    await hall.publish(command("c1", text=LONG))
    await hall.until("c1", "held")
    await hall.hear("m2", text="多少钱")
    await hall.publish(command("c2", in_reply_to=("m2",)))
    await hall.heard("m2")
    await hall.until("c2", "sent")
    assert desk.texts("wmA")[4:] == ["answer c2"]
    assert (await hall.until("c1", "held"))["parts_sent"] == 4


async def test_answers_beyond_the_budget_wait_for_the_customer(hall: Office, desk: KfDesk) -> None:
    hall.start()
    await hall.hear("m1")
    await hall.heard("m1")
    await hall.publish(*(command(f"c{n}") for n in range(6)))
    await hall.until("c5", "held")
    await hall.until("c4", "held")
    await hall.until("c3", "sent")
    assert len(desk.calls) == 4
    await hall.hear("m2")
    await hall.until("c5", "sent")
    assert desk.texts("wmA") == [f"answer c{n}" for n in range(6)]


async def test_a_redelivered_message_gives_no_second_budget(hall: Office, desk: KfDesk) -> None:
    hall.start()
    at = datetime.now(UTC)
    await hall.hear("m1", at=at)
    await hall.heard("m1")
    await hall.publish(*(command(f"c{n}") for n in range(5)))
    await hall.until("c4", "held")
    await hall.hear("m1", at=at)
    await hall.hear("m0", at=at - timedelta(minutes=5))
    await hall.hear("other", "wmB")
    await hall.heard("other", "wmB")
    assert (await hall.until("c4", "held"))["parts_sent"] == 0
    assert len(desk.calls) == 4


async def test_after_48_hours_nothing_is_tried(hall: Office, desk: KfDesk) -> None:
    hall.start()
    await hall.hear("m1", at=datetime.now(UTC) - timedelta(hours=49))
    await hall.heard("m1")
    await hall.publish(command("c1"))
    await hall.until("c1", "held")
    assert desk.calls == []


async def test_what_wecom_refuses_waits_and_is_sent_when_the_customer_speaks(
    hall: Office, desk: KfDesk
) -> None:
    desk.refuse("wmA", {"errcode": 95001, "errmsg": "send count limit"})
    hall.start()
    await hall.hear("m1")
    await hall.heard("m1")
    await hall.publish(command("c1"))
    await hall.until("c1", "held")
    await hall.publish(command("c2"))
    await hall.until("c2", "held")
    assert len(desk.calls) == 1
    await hall.hear("m2")
    await hall.until("c2", "sent")
    assert desk.texts("wmA") == ["answer c1", "answer c2"]


async def test_what_is_too_old_is_dropped_with_a_reason(hall: Office, desk: KfDesk) -> None:
    hall.start()
    await hall.publish(command("old", created_at=datetime.now(UTC) - timedelta(hours=30)))
    row = await hall.until("old", "expired")
    assert "too old" in row["reason"]
    await hall.publish(command("new"))
    await hall.until("new", "sent")
