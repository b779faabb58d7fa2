"""PostgreSQL and NATS may restart in the middle: nothing is lost, nothing doubled, no process ends."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from kf_cli import embedded

from tests.fakes.kf_desk import KfDesk
from tests.fakes.senders import command, office
from tests.fakes.wecom_api import Raw


@pytest.fixture
def own_postgres(tmp_path: Path) -> Iterator[embedded.Child]:
    """A server of this test's own, to be restarted."""
    embedded.init_postgres(tmp_path / "pg")
    port = embedded.free_port()
    args = embedded.postgres_command(tmp_path / "pg", port, durable=False)
    with embedded.Child("postgres", args, port, tmp_path / "pg.log") as server:
        yield server


async def test_a_send_is_recorded_after_postgres_came_back(
    nats_url: str, own_postgres: embedded.Child, desk: KfDesk
) -> None:
    url = embedded.database_url(own_postgres.port)
    async with office(nats_url, url, desk.base_url) as hall:
        done = Raw(b'{"errcode":0,"errmsg":"ok"}', delay=2.0)
        desk.swallow("wmA", done)
        hall.start()
        await hall.publish(command("a1"), command("a2"), command("b1", "wmB"))
        await desk.until(shown=1)
        own_postgres.stop()
        await hall.publish(command("late"))
        own_postgres.start()
        await hall.until("late", "sent")
        await hall.until("b1", "sent")
        assert desk.texts("wmA") == ["answer a1", "answer a2", "answer late"]
        assert desk.texts("wmB") == ["answer b1"]
        assert [e.status for e in await hall.until_delivered("late", "sent")][-1] == "sent"


async def test_delivery_events_follow_when_nats_came_back(
    nats_server: embedded.Child, database_url: str, desk: KfDesk
) -> None:
    async with office(f"nats://127.0.0.1:{nats_server.port}", database_url, desk.base_url) as hall:
        hall.start()
        await hall.publish(command("c1"))
        await hall.until_delivered("c1", "sent")
        nats_server.kill()
        await hall.store(command("c2"))
        await hall.until("c2", "sent")
        nats_server.start()
        events = await hall.until_delivered("c2", "sent")
        assert [event.status for event in events] == ["queued", "sending", "sent"]
        await hall.publish(command("c3"))
        await hall.until("c3", "sent")
        assert desk.texts("wmA") == ["answer c1", "answer c2", "answer c3"]
