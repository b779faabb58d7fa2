import asyncio

from structlog.testing import capture_logs

from tests.fakes.gateway import Replica, replica, until
from tests.fakes.kf_account import LIST, KfAccounts
from tests.fakes.wecom_api import GETTOKEN


async def test_a_lost_notice_is_caught_by_the_poll(gateway: Replica, wecom: KfAccounts) -> None:
    wecom.write("wk1", "m1")
    await gateway.poller.poll_once()
    assert await gateway.msgids() == ["m1"]
    assert "token" not in wecom.pulls()[0]


async def test_an_account_just_pulled_is_left_alone(gateway: Replica, wecom: KfAccounts) -> None:
    wecom.write("wk1", "m1")
    await gateway.puller.pull("wk1", "ENC1")
    await gateway.poller.poll_once()
    assert len(wecom.pulls()) == 1
    gateway.clock.ahead += 61
    await gateway.poller.poll_once()
    assert len(wecom.pulls()) == 2


async def test_two_replicas_poll_an_account_once(gateway: Replica, nats_url: str, wecom: KfAccounts) -> None:
    wecom.write("wk1", "m1")
    wecom.write("wk2", "m2")
    async with replica(nats_url, wecom.base_url) as other:
        await asyncio.gather(gateway.poller.poll_once(), other.poller.poll_once())
    assert len(wecom.pulls()) == 1, "polls are spread: the second account has to wait"


async def test_all_polls_of_a_minute_stay_within_the_budget(gateway: Replica, wecom: KfAccounts) -> None:
    for i in range(20):
        wecom.write(f"wk{i}", f"m{i}")
    for _ in range(59):
        await gateway.poller.poll_once()
        gateway.clock.ahead += 1
    assert 3 <= len(wecom.pulls()) <= 4
    assert len({pull["open_kfid"] for pull in wecom.pulls()}) == len(wecom.pulls()), "each its turn"


async def test_an_account_that_somebody_is_reading_costs_no_poll(gateway: Replica, wecom: KfAccounts) -> None:
    wecom.write("wk1", "m1")
    wecom.write("wk2", "m2")
    async with gateway.leases.hold("wk1"):
        await gateway.poller.poll_once()
    assert [pull["open_kfid"] for pull in wecom.pulls()] == ["wk2"], "and the next one has its turn"
    gateway.clock.ahead += 16
    async with gateway.leases.hold("wk1"):
        await gateway.poller.poll_once()
    await gateway.poller.poll_once()
    assert [pull["open_kfid"] for pull in wecom.pulls()] == ["wk2", "wk1"]


async def test_a_long_history_is_read_within_the_budget(gateway: Replica, wecom: KfAccounts) -> None:
    wecom.page_size = 1
    wecom.write("wk1", *(f"m{i}" for i in range(10)))
    await gateway.poller.poll_once()
    assert len(wecom.pulls()) == 6
    gateway.clock.ahead += 61
    await gateway.poller.poll_once()
    assert await gateway.msgids() == [f"m{i}" for i in range(10)]


async def test_accounts_that_cannot_be_listed_are_polled_from_the_cursors(
    gateway: Replica, wecom: KfAccounts
) -> None:
    wecom.write("wk1", "m1")
    await gateway.puller.pull("wk1", "ENC1")
    wecom.on(LIST, {"errcode": 48002, "errmsg": "api forbidden"})
    gateway.clock.ahead += 61
    await gateway.poller.poll_once()
    assert len(wecom.pulls()) == 2


async def test_polling_goes_on_until_the_stop(gateway: Replica, wecom: KfAccounts) -> None:
    wecom.write("wk1", "m1")
    polling = asyncio.create_task(gateway.poller.run(gateway.stop))
    await until(lambda: wecom.pulls())
    gateway.stop.set()
    await asyncio.wait_for(polling, 10)


async def test_a_wrong_secret_is_told_loudly_at_the_start(gateway: Replica, wecom: KfAccounts) -> None:
    wecom.on(GETTOKEN, {"errcode": 40001, "errmsg": "invalid credential"})
    with capture_logs() as lines:
        for _ in range(5):
            await gateway.poller.poll_once()
    (told,) = [line for line in lines if line["log_level"] == "error"]
    assert "WECOM_KF_SECRET" in told["remedy_zh"] + told["remedy_en"]
    assert wecom.paths() == [GETTOKEN], "and gettoken is not asked in a loop"


async def test_an_app_without_accounts_is_told_what_to_grant(gateway: Replica) -> None:
    with capture_logs() as lines:
        await gateway.poller.poll_once()
    assert any(line["event"] == "poll.no_account" for line in lines)
