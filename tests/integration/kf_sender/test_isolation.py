"""One account's trouble and one customer's answers stay theirs; ids are data."""

from tests.fakes.kf_desk import KfDesk
from tests.fakes.senders import Office, command

HOSTILE = ("wm'; DROP TABLE command; --", 'wm" OR "1"="1', "%", "$1", "wm\\")


async def test_ids_that_look_like_sql_are_only_ids(hall: Office, desk: KfDesk) -> None:
    hall.start()
    commands = [command(f"c{number}", customer) for number, customer in enumerate(HOSTILE)]
    await hall.publish(*commands)
    await desk.until(shown=len(HOSTILE))
    for number, customer in enumerate(HOSTILE):
        assert desk.texts(customer) == [f"answer c{number}"]


async def test_a_command_published_again_under_another_message_id_is_sent_once(
    hall: Office, desk: KfDesk
) -> None:
    """Whoever replays the stream cannot make a customer read an answer twice."""
    hall.start()
    once = command("c1")
    await hall.publish(once)
    await hall.until("c1", "sent")
    await hall.publish(once, msg_id="forged-1")
    await hall.publish(once, command("c2"), msg_id="forged-2")
    await hall.publish(command("c2"))
    await hall.until("c2", "sent")
    assert desk.texts("wmA") == ["answer c1", "answer c2"]
