import asyncio

import pytest
from kf_cli.embedded import Child
from kf_gateway.budget import CALLS_PER_WINDOW, BudgetSpentError
from kf_runtime.nats import Done, Retry
from structlog.testing import capture_logs

from tests.fakes.gateway import Replica, until
from tests.fakes.kf_account import SYNC, KfAccounts
from tests.fakes.wecom_api import Raw


def retry_after(outcome: object) -> float:
    assert isinstance(outcome, Retry)
    assert outcome.after is not None
    return outcome.after


async def test_a_dead_token_is_done_without_once(gateway: Replica, wecom: KfAccounts) -> None:
    wecom.write("wk1", "m1")
    wecom.dead = {"ENC1"}
    assert await gateway.puller.pull("wk1", "ENC1") == Done()
    assert [pull.get("token") for pull in wecom.pulls()] == ["ENC1", None]
    assert await gateway.msgids() == ["m1"]


async def test_dead_tokens_count_in_the_tokenless_budget(gateway: Replica, wecom: KfAccounts) -> None:
    wecom.dead = {"ENC1"}
    outcomes = [await gateway.puller.pull(f"wk{i}", "ENC1") for i in range(5)]
    assert outcomes[:3] == [Done()] * 3
    assert 0 < retry_after(outcomes[4]) <= 60
    tokenless = [pull for pull in wecom.pulls() if "token" not in pull]
    assert len(tokenless) <= CALLS_PER_WINDOW / 2
    gateway.clock.ahead += 61
    assert await gateway.puller.pull("wk4", "") == Done()


async def test_the_budget_is_shared_and_never_overspent(gateway: Replica) -> None:
    async def claim() -> bool:
        try:
            await gateway.budget.claim()
        except BudgetSpentError:
            return False
        return True

    granted = await asyncio.gather(*(claim() for _ in range(12)))
    assert sum(granted) == CALLS_PER_WINDOW


async def test_a_refused_cursor_starts_anew_and_answers_only_what_was_never_read(
    gateway: Replica, wecom: KfAccounts
) -> None:
    wecom.write("wk1", "read", age=60)
    await gateway.puller.pull("wk1", "ENC1")
    wecom.write("wk1", "older", age=7200)
    wecom.write("wk1", "new", age=30)
    wecom.dead_cursors = {"c1"}
    assert await gateway.puller.pull("wk1", "ENC2") == Done()
    assert {e.msgid: e.answerable for e in await gateway.inbound()} == {
        "read": True,
        "older": False,
        "new": True,
    }


async def test_a_refusal_without_a_cursor_is_not_blamed_on_it(gateway: Replica, wecom: KfAccounts) -> None:
    wecom.on(SYNC, *[{"errcode": 40058, "errmsg": "invalid Request Parameter"}] * 2)
    assert retry_after(await gateway.puller.pull("wk1", "ENC1")) >= 10
    assert len(wecom.pulls()) == 1


async def test_the_frequency_limit_is_waited_out_by_every_account(
    gateway: Replica, wecom: KfAccounts
) -> None:
    wecom.on(SYNC, {"errcode": 45009, "errmsg": "api freq out of limit", "msg_list": []})
    assert retry_after(await gateway.puller.pull("wk1", "ENC1")) >= 60
    worker = asyncio.create_task(gateway.consume())
    await gateway.notify("wk2")
    await asyncio.sleep(1.0)
    assert len(wecom.pulls()) == 1, "no call while the limit lasts"
    assert (await gateway.js.stream_info("KF_NOTICE")).state.messages == 1, "and nothing is lost"
    gateway.stop.set()
    await worker


async def test_a_config_fault_is_told_with_its_remedy_and_heals_by_itself(
    gateway: Replica, wecom: KfAccounts
) -> None:
    wecom.write("wk1", "m1")
    wecom.on(SYNC, {"errcode": 48007, "errmsg": "api forbidden for this kf account"})
    with capture_logs() as lines:
        assert retry_after(await gateway.puller.pull("wk1", "ENC1")) >= 10
    (told,) = [line for line in lines if line["log_level"] == "error"]
    assert told["remedy_zh"]
    assert told["remedy_en"]
    gateway.clock.ahead += 60
    assert await gateway.puller.pull("wk1", "ENC1") == Done()
    assert await gateway.msgids() == ["m1"]


@pytest.mark.parametrize("answer", [Raw(drop=True), Raw(b"<html>", 502), Raw(b'{"errcode":0,"msg_li')])
async def test_an_answer_that_cannot_be_read_loses_nothing(
    answer: Raw, gateway: Replica, wecom: KfAccounts
) -> None:
    wecom.write("wk1", "m1")
    wecom.on(SYNC, answer)
    assert 0 < retry_after(await gateway.puller.pull("wk1", "ENC1")) <= 30
    assert await gateway.puller.pull("wk1", "ENC1") == Done()
    assert await gateway.msgids() == ["m1"]


async def test_nats_may_restart_in_the_middle(
    gateway: Replica, nats_server: Child, wecom: KfAccounts
) -> None:
    wecom.page_size = 5
    wecom.write("wk1", *(f"m{i}" for i in range(200)))
    worker = asyncio.create_task(gateway.consume())
    await gateway.notify("wk1")
    await until(lambda: len(wecom.pulls()) > 5)
    await asyncio.to_thread(nats_server.kill)
    await asyncio.to_thread(nats_server.start)

    async def complete() -> bool:
        try:
            return bool((await gateway.js.stream_info("KF_INBOUND")).state.messages == 200)
        except OSError:
            return False

    await until(complete, 60)
    gateway.stop.set()
    await worker
    assert await gateway.msgids() == [f"m{i}" for i in range(200)]
