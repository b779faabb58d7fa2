"""The tools a model may call: looked up at once, changed only with consent, never beyond their address."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from kf_contracts.commands import HandOver, SendContent
from kf_dialog.accounts import HttpTool
from kf_dialog.company import CompanyTools
from kf_dialog.toolbox import ToolError

from tests.fakes.chat_model import calling, completion, failure
from tests.fakes.company import FakeCompany
from tests.fakes.dialog import Town

# A lease lost on a busy machine would spend a scripted answer on an attempt that nobody hears.
PATIENT = {"KF_DIALOG_LEASE_SECONDS": "60"}
ORDER = {"type": "object", "properties": {"order_id": {"type": "string"}}, "required": ["order_id"]}


@pytest.fixture
async def company() -> AsyncIterator[FakeCompany]:
    async with FakeCompany() as fake:
        yield fake


@pytest.fixture
def accounts(company: FakeCompany, tmp_path: Path) -> Path:
    """An accounts file with a tool that looks up and one that changes something."""
    look = {
        "name": "query_order",
        "description": "查询订单状态",
        "url": company.url("orders"),
        "method": "GET",
        "parameters": ORDER,
        "secret_headers": {"X-Key": "SHOP_KEY"},
        "customer_header": "X-Customer",
    }
    change = {
        "name": "cancel_order",
        "description": "取消订单",
        "url": company.url("cancel"),
        "parameters": ORDER,
        "side_effects": True,
        "confirmation": "取消这个订单",
    }
    path = tmp_path / "accounts.yaml"
    path.write_text(json.dumps({"defaults": {"tools": {"http": [look, change]}}}), encoding="utf-8")
    return path


async def test_an_order_is_looked_up_for_the_customer_who_asks(
    town: Town, company: FakeCompany, accounts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_KEY", "s3cret")
    town.model.script = [
        calling("query_order", '{"order_id": "A-8812", "admin": true}'),
        completion("订单 A-8812 已发货，由顺丰配送。"),
    ]
    async with town.replica(KF_DIALOG_ACCOUNTS_FILE=str(accounts), **PATIENT):
        await town.say("wm1", "我的订单 A-8812 到哪了？")
        (reply,) = await town.replied(1)
    assert reply.text == "订单 A-8812 已发货，由顺丰配送。"
    ((path, given, headers),) = company.requests
    assert (path, given) == ("orders", {"order_id": "A-8812"})
    assert (headers["x-key"], headers["x-customer"]) == ("s3cret", "wm1")
    assert town.model.tools[0] == [
        "hand_over",
        "search_knowledge",
        "end_session",
        "query_order",
        "cancel_order",
    ]
    result = town.model.prompts[1][-1]
    assert result["role"] == "tool"
    assert "已发货" in result["content"]
    assert "s3cret" not in json.dumps(town.model.prompts)


async def consent_asked(town: Town, customer: str = "wm1") -> SendContent:
    town.model.script = [calling("cancel_order", '{"order_id": "A-1"}')]
    await town.say(customer, "帮我取消订单 A-1 可以吗？")
    (menu,) = await town.commanded(SendContent)
    return menu


async def test_a_change_waits_for_the_tap_and_then_happens_once(
    town: Town, company: FakeCompany, accounts: Path
) -> None:
    async with town.replica(KF_DIALOG_ACCOUNTS_FILE=str(accounts), **PATIENT):
        menu = await consent_asked(town)
        assert company.requests == []
        (question,) = await town.replies()
        assert "取消这个订单" in question.text
        assert "A-1" in question.text
        yes = menu.fields["items"][0]
        town.model.script = [completion("已为您取消订单 A-1。")]
        tap = {"content": yes["content"], "menu_id": yes["id"]}
        await town.send("wm1", {"msgtype": "text", "text": tap})
        *_, told = await town.replied(2)
        assert told.text == "已为您取消订单 A-1。"
        # The same line tapped again is no consent to anything.
        town.model.script = [completion("没有查到。")]
        await town.send("wm1", {"msgtype": "text", "text": tap})
        await town.replied(3)
    ((path, given, headers),) = company.requests
    assert (path, given) == ("cancel", {"order_id": "A-1"})
    assert headers["idempotency-key"] == yes["id"].rpartition(".")[2]


@pytest.mark.parametrize("words", ["不用了", "多少钱呢请问？"])
async def test_anything_but_the_consent_changes_nothing(
    town: Town, company: FakeCompany, accounts: Path, words: str
) -> None:
    async with town.replica(KF_DIALOG_ACCOUNTS_FILE=str(accounts), **PATIENT):
        await consent_asked(town)
        await town.say("wm1", words)
        await town.replied(2)
        await town.say("wm1", "确认")
        await town.replied(3)
    assert company.requests == []


async def test_with_the_model_gone_after_the_change_the_customer_still_hears_the_result(
    town: Town, company: FakeCompany, accounts: Path
) -> None:
    async with town.replica(KF_DIALOG_ACCOUNTS_FILE=str(accounts), **PATIENT):
        await consent_asked(town)
        town.model.script = [failure(402)]
        await town.say("wm1", "确认")
        *_, told = await town.replied(2)
    assert "订单 A-1 已取消" in told.text


async def test_a_change_of_unknown_end_is_not_called_done(
    town: Town, company: FakeCompany, accounts: Path
) -> None:
    async with town.replica(KF_DIALOG_ACCOUNTS_FILE=str(accounts), **PATIENT):
        await consent_asked(town)
        company.delay = 60.0
        await town.say("wm1", "确认")
        *_, told = await town.replied(2)
    assert "请勿重复提交" in told.text


async def test_wrong_arguments_and_unknown_tools_go_back_to_the_model(
    town: Town, company: FakeCompany, accounts: Path
) -> None:
    town.model.script = [
        calling("query_order", '{"order": 1}'),
        calling("query_order", "not json"),
        calling("drop_tables", "{}"),
        completion("请告诉我订单号？"),
    ]
    async with town.replica(KF_DIALOG_ACCOUNTS_FILE=str(accounts), **PATIENT):
        await town.say("wm1", "我的订单到哪了呢请问一下")
        (reply,) = await town.replied(1)
    assert reply.text == "请告诉我订单号？"
    assert company.requests == []
    errors = [m["content"] for m in town.model.prompts[3] if m["role"] == "tool"]
    assert [("required" in e, "JSON" in e, "no such tool" in e) for e in errors] == [
        (True, False, False),
        (False, True, False),
        (False, False, True),
    ]


async def test_a_model_that_only_calls_tools_is_stopped(town: Town, accounts: Path) -> None:
    town.model.script = [calling("search_knowledge", '{"query": "退货"}') for _ in range(4)]
    town.knowledge.add("退货", "七天内可退。", question="退货期限")
    async with town.replica(KF_DIALOG_ACCOUNTS_FILE=str(accounts), **PATIENT):
        await town.say("wm1", "那个可以退吗请问一下谢谢")
        (reply,) = await town.replied(1)
    assert len(town.model.prompts) == 5
    assert reply.text


async def test_the_model_hands_over_with_reason_and_summary(town: Town) -> None:
    town.model.script = [calling("hand_over", '{"reason": "other", "summary": "要改合同"}', "马上转接")]
    async with town.replica():
        await town.say("wm1", "合同条款需要改一改可以谈吗？")
        (command,) = await town.commanded(HandOver)
    assert await town.replies() == []
    assert "要改合同" in command.notice
    (row,) = await town.rows("SELECT outcome FROM turn")
    assert row["outcome"] == "handed_over"


def tool(url: str, **fields: Any) -> HttpTool:
    return HttpTool(name="t", description="d", url=url, timeout_seconds=1.0, **fields)


@pytest.mark.parametrize(
    ("path", "fault", "reached"),
    [
        ("moved", "http_307", False),
        ("huge", "too_large", True),
        ("broken", "not_json", True),
        ("nowhere", "http_404", False),
    ],
)
async def test_an_endpoint_that_misbehaves_gives_a_constant_fault(
    company: FakeCompany, path: str, fault: str, *, reached: bool
) -> None:
    async with CompanyTools({}) as tools:
        with pytest.raises(ToolError) as caught:
            await tools.call(tool(company.url(path)), {}, "wm1")
    assert (str(caught.value), caught.value.reached) == (fault, reached)
    assert len(company.requests) == 1


async def test_a_slow_or_absent_endpoint_is_given_up_in_time(company: FakeCompany) -> None:
    company.delay = 30.0
    async with CompanyTools({}) as tools:
        async with asyncio.timeout(20):
            with pytest.raises(ToolError, match="timeout"):
                await tools.call(tool(company.url("orders")), {}, "wm1")
        with pytest.raises(ToolError, match="unreachable") as caught:
            await tools.call(tool("http://127.0.0.1:9/x"), {}, "wm1")
    assert not caught.value.reached
