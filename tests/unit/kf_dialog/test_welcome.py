"""Which events are greeted at once, with what, and until when."""

from datetime import UTC, datetime, timedelta
from typing import Any

from kf_contracts.commands import SendOnEvent
from kf_contracts.events import MessageReceived
from kf_dialog.accounts import Account
from kf_dialog.welcome import command_of
from kf_wecom import models

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
SHOP = Account.model_validate(
    {
        "welcome": {
            "text": "欢迎",
            "menu": [{"title": "多久发货"}, {"title": "商城", "url": "https://shop.example.com/"}],
            "scenes": {"order": {"text": "请发订单号"}, "silent": {}},
        }
    }
)


def command(age: float = 1.0, account: Account = SHOP, **fields: Any) -> SendOnEvent | None:
    ids = {"open_kfid": "wk1", "external_userid": "wm1"}
    body = {"event_type": "enter_session", "welcome_code": "CODE", **ids, **fields}
    item = {"msgid": "m1", "send_time": 1, "origin": 4, "msgtype": "event", "event": body}
    event = MessageReceived(
        **ids,
        msgid="m1",
        msgtype="event",
        origin=4,
        send_time=NOW - timedelta(seconds=age),
        item=item,
    )
    return command_of(event, models.parse_item(item), account, NOW)


def test_an_entry_with_a_code_is_greeted_with_the_menu() -> None:
    found = command()
    assert found is not None
    assert (found.code, found.external_userid) == ("CODE", "wm1")
    assert found.expires_at == NOW + timedelta(seconds=19)
    assert found.menu["head_content"] == "欢迎"
    assert [line["type"] for line in found.menu["items"]] == ["click", "view"]
    assert "1. 多久发货" in found.text


def test_the_scene_has_its_own_greeting() -> None:
    found = command(scene="order")
    assert found is not None
    assert (found.text, found.menu) == ("请发订单号", {})
    assert command(scene="silent") is None


def test_the_same_event_makes_the_same_command() -> None:
    first, second = command(), command()
    assert first is not None
    assert second is not None
    assert first.command_id == second.command_id


def test_without_a_code_or_after_its_time_nothing_is_sent() -> None:
    assert command(welcome_code="") is None
    assert command(age=20.0) is None
    assert command(age=19.0) is not None


def test_an_account_without_a_greeting_is_silent() -> None:
    assert command(account=Account.model_validate({"welcome": {"text": ""}})) is None


def test_an_ended_session_asks_whether_the_customer_is_satisfied() -> None:
    ended: dict[str, Any] = {"event_type": "session_status_change", "change_type": 3, "msg_code": "END"}
    found = command(**ended)
    assert found is not None
    assert found.code == "END"
    assert [line["id"] for line in found.menu["items"]] == ["kf.rate.1", "kf.rate.2", "kf.rate.3"]
    assert command(**{**ended, "change_type": 1}) is None
    assert command(account=Account.model_validate({"survey": {"enabled": False}}), **ended) is None
