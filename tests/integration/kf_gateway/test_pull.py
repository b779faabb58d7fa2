import asyncio
from typing import Any

import pytest
from kf_gateway.cursor import Cursors, Progress
from kf_gateway.inbound import Inbound
from kf_gateway.puller import HELD
from kf_runtime.nats import Done, Retry
from nats.errors import TimeoutError as NatsTimeoutError

from tests.fakes.gateway import Replica, replica, until
from tests.fakes.kf_account import SYNC, KfAccounts, text

EMPTY = {"errcode": 0, "errmsg": "ok", "msg_list": []}


class StaleCursors(Cursors):
    """What a puller saw that loaded the cursor and then slept."""

    def __init__(self, real: Cursors, progress: Progress | None, revision: int) -> None:
        super().__init__(real._bucket)
        self._seen = progress, revision

    async def load(self, open_kfid: str) -> tuple[Progress | None, int]:
        return self._seen


async def test_every_item_of_every_page_is_published_in_order(gateway: Replica, wecom: KfAccounts) -> None:
    wecom.page_size = 3
    sent = [f"m{i}" for i in range(10)]
    wecom.write("wk1", *sent)
    assert await gateway.puller.pull("wk1", "ENC1") == Done()
    assert await gateway.msgids() == sent
    assert [pull.get("cursor") for pull in wecom.pulls()] == [None, "c3", "c6", "c9"]
    assert {pull["token"] for pull in wecom.pulls()} == {"ENC1"}, "the token goes with every page"


async def test_msgids_that_differ_only_in_case_are_two_messages(gateway: Replica, wecom: KfAccounts) -> None:
    wecom.write("wk1", "4AbCdEf", "4aBcDeF")
    await gateway.puller.pull("wk1", "ENC1")
    assert await gateway.msgids() == ["4AbCdEf", "4aBcDeF"]


async def test_accounts_that_differ_only_in_case_are_two_accounts(
    gateway: Replica, wecom: KfAccounts
) -> None:
    wecom.write("wkAb", "m1")
    wecom.write("wkaB", "m1")
    async with gateway.leases.hold("wkAb"):
        assert await gateway.puller.pull("wkaB", "ENC1") == Done()
    await gateway.puller.pull("wkAb", "ENC1")
    assert [(event.open_kfid, event.msgid) for event in await gateway.inbound()] == [
        ("wkaB", "m1"),
        ("wkAb", "m1"),
    ]


async def test_the_next_pull_begins_at_the_stored_cursor(gateway: Replica, wecom: KfAccounts) -> None:
    wecom.write("wk1", "m1", "m2")
    await gateway.puller.pull("wk1", "ENC1")
    wecom.write("wk1", "m3")
    await gateway.puller.pull("wk1", "ENC2")
    assert wecom.pulls()[-1]["cursor"] == "c2"
    assert await gateway.msgids() == ["m1", "m2", "m3"]


async def test_empty_pages_do_not_end_a_pull(gateway: Replica, wecom: KfAccounts) -> None:
    wecom.write("wk1", "m1")
    wecom.on(
        SYNC, {**EMPTY, "next_cursor": "c0", "has_more": 1}, {**EMPTY, "next_cursor": "c00", "has_more": 1}
    )
    assert await gateway.puller.pull("wk1", "ENC1") == Done()
    assert await gateway.msgids() == ["m1"]


async def test_more_behind_a_cursor_that_does_not_move_ends_in_a_pause(
    gateway: Replica, wecom: KfAccounts
) -> None:
    page = {"errcode": 0, "next_cursor": "c1", "has_more": 1, "msg_list": [text("wk1", "m1")]}
    wecom.on(SYNC, page, page, page, page)
    outcome = await gateway.puller.pull("wk1", "ENC1")
    assert isinstance(outcome, Retry)
    assert len(wecom.pulls()) == 2
    assert await gateway.msgids() == ["m1"]


async def test_an_empty_next_cursor_keeps_the_stored_one(gateway: Replica, wecom: KfAccounts) -> None:
    wecom.write("wk1", "m1")
    await gateway.puller.pull("wk1", "ENC1")
    wecom.on(SYNC, {**EMPTY, "next_cursor": "", "has_more": 0})
    await gateway.puller.pull("wk1", "ENC2")
    progress, _ = await gateway.cursors.load("wk1")
    assert progress is not None
    assert progress.cursor == "c1"


async def test_history_of_the_first_run_is_recorded_but_only_the_young_is_answerable(
    gateway: Replica, wecom: KfAccounts
) -> None:
    wecom.page_size = 1
    wecom.write("wk1", "old", age=86400)
    wecom.write("wk1", "recent", age=60)
    await gateway.puller.pull("wk1", "ENC1")
    assert {e.msgid: e.answerable for e in await gateway.inbound()} == {"old": False, "recent": True}


async def test_after_an_outage_of_a_day_every_question_is_answerable(
    gateway: Replica, wecom: KfAccounts
) -> None:
    wecom.write("wk1", "m1")
    await gateway.puller.pull("wk1", "ENC1")
    wecom.write("wk1", "m2", age=86400)
    await gateway.puller.pull("wk1", "ENC2")
    assert all(event.answerable for event in await gateway.inbound())


async def test_a_crash_between_publish_and_cursor_replays_without_doubles(
    gateway: Replica, wecom: KfAccounts
) -> None:
    wecom.write("wk1", "m1", "m2")
    await gateway.puller.pull("wk1", "ENC1")
    _, revision = await gateway.cursors.load("wk1")
    await gateway.cursors.store("wk1", Progress(), revision)
    wecom.write("wk1", "m3")
    await gateway.puller.pull("wk1", "ENC2")
    assert wecom.pulls()[-1].get("cursor") is None
    assert await gateway.msgids() == ["m1", "m2", "m3"]


class FailingInbound(Inbound):
    """JetStream goes away in the middle of a page."""

    async def publish(self, open_kfid: str, raw: dict[str, Any], progress: Progress) -> float:
        if raw["msgid"] == "m2":
            raise NatsTimeoutError
        return await super().publish(open_kfid, raw, progress)


async def test_the_cursor_stays_until_the_whole_page_is_stored(gateway: Replica, wecom: KfAccounts) -> None:
    wecom.write("wk1", "m1", "m2", "m3")
    gateway.puller.inbound = FailingInbound(gateway.js)
    with pytest.raises(NatsTimeoutError):
        await gateway.puller.pull("wk1", "ENC1")
    progress, _ = await gateway.cursors.load("wk1")
    assert progress is not None
    assert progress.cursor == ""
    gateway.puller.inbound = Inbound(gateway.js)
    assert await gateway.puller.pull("wk1", "ENC1") == Done()
    assert await gateway.msgids() == ["m1", "m2", "m3"]


async def test_an_item_without_msgid_is_buried_and_the_rest_goes_on(
    gateway: Replica, wecom: KfAccounts
) -> None:
    wecom.write("wk1", "m1")
    wecom.items["wk1"].append({"msgtype": "text", "text": {"content": "whose?"}})
    wecom.write("wk1", "m2")
    assert await gateway.puller.pull("wk1", "ENC1") == Done()
    assert await gateway.msgids() == ["m1", "m2"]
    (letter,) = await gateway.dead()
    assert "msgid" in letter.reason


async def test_a_puller_that_was_overtaken_does_not_move_the_cursor_back(
    gateway: Replica, wecom: KfAccounts
) -> None:
    wecom.write("wk1", "m1")
    await gateway.puller.pull("wk1", "ENC1")
    slow = await gateway.cursors.load("wk1")
    wecom.write("wk1", "m2")
    await gateway.puller.pull("wk1", "ENC2")
    gateway.puller.cursors = StaleCursors(gateway.cursors, *slow)
    outcome = await gateway.puller.pull("wk1", "ENC3")
    assert isinstance(outcome, Retry)
    progress, _ = await gateway.cursors.load("wk1")
    assert progress is not None
    assert progress.cursor == "c2"


async def test_an_account_is_pulled_by_one_at_a_time(gateway: Replica, wecom: KfAccounts) -> None:
    async with gateway.leases.hold("wk1"):
        assert await gateway.puller.pull("wk1", "ENC1") is HELD
        assert await gateway.puller.pull("wk2", "ENC1") == Done()
    assert await gateway.puller.pull("wk1", "ENC1") == Done()


async def test_the_lease_of_a_dead_puller_runs_out(gateway: Replica, wecom: KfAccounts) -> None:
    async with gateway.leases.hold("wk1"):
        gateway.clock.ahead += 30
        assert await gateway.puller.pull("wk1", "ENC1") == Done()


async def test_the_lease_of_a_puller_whose_clock_was_an_hour_ahead_is_taken_over(
    gateway: Replica, wecom: KfAccounts
) -> None:
    gateway.clock.ahead = 3600
    async with gateway.leases.hold("wk1"):
        gateway.clock.ahead = 0
        assert await gateway.puller.pull("wk1", "ENC1") == Done()


async def test_two_replicas_publish_each_message_once_and_in_order(
    gateway: Replica, nats_url: str, wecom: KfAccounts
) -> None:
    sent: list[str] = []
    wecom.page_size = 2
    async with replica(nats_url, wecom.base_url) as other:
        workers = [asyncio.create_task(one.consume()) for one in (gateway, gateway, other, other)]
        for i in range(30):
            wecom.write("wk1", f"m{i}")
            sent.append(f"m{i}")
            await (gateway, other)[i % 2].notify("wk1", f"ENC{i}")
        await until(lambda: _has(gateway, 30))
        gateway.stop.set()
        other.stop.set()
        await asyncio.gather(*workers)
    assert await gateway.msgids() == sent
    assert (await gateway.js.stream_info("KF_NOTICE")).state.messages == 0


async def _has(gateway: Replica, count: int) -> bool:
    return bool((await gateway.js.stream_info("KF_INBOUND")).state.messages >= count)


async def test_a_notice_during_a_pull_causes_one_more_pull(gateway: Replica, wecom: KfAccounts) -> None:
    worker = asyncio.create_task(gateway.consume())
    async with gateway.leases.hold("wk1"):
        await gateway.notify("wk1")
        await asyncio.sleep(0.5)
        assert wecom.pulls() == []
        wecom.write("wk1", "m1")
    await until(lambda: _has(gateway, 1))
    gateway.stop.set()
    await worker


async def test_a_stop_ends_the_pull_after_the_page_in_hand(gateway: Replica, wecom: KfAccounts) -> None:
    wecom.page_size = 2
    wecom.write("wk1", "m1", "m2", "m3")
    gateway.puller.stop.set()
    assert await gateway.puller.pull("wk1", "ENC1") == Retry(0.0)
    assert await gateway.msgids() == ["m1", "m2"]
    progress, _ = await gateway.cursors.load("wk1")
    assert progress is not None
    assert progress.cursor == "c2"
