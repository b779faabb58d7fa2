"""What has waited too long is merged or dropped with a reason, and what ended long ago is deleted."""

import asyncio

from kf_sender.plan import OFFER

from tests.fakes.kf_desk import KfDesk
from tests.fakes.senders import Office, command, welcome

LONG = "".join(f"这是第{number:04}句完整的话。" for number in range(420))


async def age(hall: Office, column: str, by: str) -> None:
    await hall.row(f"UPDATE command SET {column} = {column} - interval '{by}'")


async def test_answers_that_waited_too_long_go_out_together(hall: Office, desk: KfDesk) -> None:
    await hall.store(*(command(f"c{n}") for n in range(3)), command("b0", "wmB"))
    await age(hall, "stored_at", "3 min")
    await hall.store(command("late"), command("b1", "wmB", text="长" * 681))
    hall.start()
    await hall.until("late", "sent")
    await hall.until("b1", "sent")
    assert desk.texts("wmA") == ["answer c0\n\nanswer c1\n\nanswer c2\n\nanswer late"]
    assert desk.texts("wmB") == ["answer b0", "长" * 681]
    merged = (await hall.until_delivered("c0", "expired"))[-1]
    assert (merged.replaced_by, "a later one says it too" in merged.reason) == ("late", True)


async def test_only_texts_that_were_never_tried_are_merged(hall: Office, desk: KfDesk) -> None:
    await hall.store(command("c0"), command("c1"), welcome("w1"), command("long", text=LONG[:1200]))
    await hall.store(command("c2"), command("c3"))
    await age(hall, "stored_at", "3 min")
    await hall.row("UPDATE part SET attempts = 1 WHERE command_id = 'c0'")
    hall.start()
    await hall.until("c3", "sent")
    texts = desk.texts("wmA")
    assert [texts[0], texts[1], texts[-1]] == ["answer c0", "answer c1", "answer c2\n\nanswer c3"]
    assert "".join(texts[2:-1]) == LONG[:1200]


async def test_what_just_arrived_is_not_merged(hall: Office, desk: KfDesk) -> None:
    await hall.store(command("c0"), command("c1"))
    hall.start()
    await hall.until("c1", "sent")
    assert desk.texts("wmA") == ["answer c0", "answer c1"]


async def test_a_word_for_the_rest_has_one_answer_when_it_is_heard_late(hall: Office, desk: KfDesk) -> None:
    hall.start()
    await hall.hear("m1")
    await hall.heard("m1")
    await hall.publish(command("c1", text=LONG))
    await hall.until("c1", "held")
    # Dialog was faster than our own hearing: its answer waits, since the budget is used up.
    await hall.publish(command("c2", in_reply_to=("m2",)))
    await hall.until("c2", "held")
    await hall.hear("m2", text="继续")
    await hall.until("c1", "sent")
    dropped = (await hall.until_delivered("c2", "expired"))[-1]
    assert dropped.replaced_by == "c1"
    assert "".join(desk.texts("wmA")).replace(OFFER, "") == LONG


async def test_a_word_for_the_rest_that_was_answered_already_leaves_the_rest(
    hall: Office, desk: KfDesk
) -> None:
    hall.start()
    await hall.hear("m1")
    await hall.heard("m1")
    await hall.publish(command("c1", text=LONG))
    await hall.until("c1", "held")
    await hall.row("UPDATE part SET sent_at = sent_at - interval '1 hour'")
    await hall.publish(command("c2", in_reply_to=("m2",)))
    await hall.until("c2", "sent")
    await hall.hear("m2", text="继续")
    await hall.heard("m2")
    assert desk.texts("wmA")[4:] == ["answer c2"]
    await hall.hear("m3", text="继续")
    await hall.until("c1", "sent")


async def test_what_ended_long_ago_is_deleted_and_the_rest_stays(hall: Office, desk: KfDesk) -> None:
    stop, first = hall.start()
    await hall.hear("m1")
    await hall.heard("m1")
    await hall.publish(command("old"), command("gone", "wmB"))
    await hall.until_delivered("old", "sent")
    await hall.until_delivered("gone", "sent")
    stop.set()
    await first
    await age(hall, "changed_at", "31 days")
    await hall.store(command("held", "wmC"), command("new", "wmD"))
    await hall.row(
        "UPDATE command SET status = 'held', changed_at = now() - interval '31 d' WHERE command_id = 'held'"
    )
    await hall.row(
        "UPDATE customer_queue SET heard_at = now() - interval '31 days' WHERE external_userid = 'wmA'"
    )
    hall.start()
    await hall.until("new", "sent")
    sql = "SELECT array_agg(command_id ORDER BY command_id) AS ids FROM command"
    async with asyncio.timeout(40):
        while (await hall.row(sql))["ids"] != ["held", "new"]:
            await asyncio.sleep(0.1)
    assert (await hall.row("SELECT count(*) AS n FROM part"))["n"] == 2
    assert not await hall.row("SELECT 1 FROM delivery_change WHERE command_id IN ('old', 'gone')")
