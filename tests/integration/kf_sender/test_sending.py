"""Commands reach customers once and in order, with any number of replicas."""

from tests.fakes.kf_desk import KfDesk
from tests.fakes.senders import OPEN_KFID, Office, command


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


async def test_a_long_answer_arrives_in_parts_that_fit_and_in_order(hall: Office, desk: KfDesk) -> None:
    hall.start()
    text = "".join(f"这是第{number}句话。" for number in range(250))
    await hall.publish(command("c1", text=text))
    row = await hall.until("c1", "sent")
    assert row["parts_sent"] == row["parts_total"] == len(desk.shown) == 3
    assert "".join(desk.texts("wmA")) == text


async def test_turns_go_round_customer_by_customer(hall: Office, desk: KfDesk) -> None:
    await hall.store(*(command(f"a{n}", "wmA") for n in range(5)))
    await hall.store(command("b0", "wmB"), command("b1", "wmB"), command("c0", "wmC"))
    hall.start(kf_sender_workers=1)
    await desk.until(shown=8)
    assert [who for who, _ in desk.calls] == ["wmA", "wmB", "wmC", "wmA", "wmB", "wmA", "wmA", "wmA"]


async def test_a_blank_command_fails_with_a_reason_and_stops_nobody(hall: Office, desk: KfDesk) -> None:
    hall.start()
    await hall.publish(command("blank", text=" \n"), command("c2"))
    await hall.until("c2", "sent")
    assert [event.status for event in await hall.until_delivered("blank", "failed")] == ["failed"]
    assert (await hall.until_dead()).reason == "the text is blank: there is nothing to send"
    assert desk.texts("wmA") == ["answer c2"]


async def test_what_is_no_command_goes_to_the_dead_letters_whole(hall: Office, desk: KfDesk) -> None:
    hall.start()
    await hall.client.jetstream().publish(f"kf.outbound.{OPEN_KFID}", b"no json")
    await hall.publish(command("c2"))
    await hall.until("c2", "sent")
    letter = await hall.until_dead()
    assert (letter.service, letter.payload) == ("sender", "bm8ganNvbg==")
    assert letter.subject == f"kf.outbound.{OPEN_KFID}"
