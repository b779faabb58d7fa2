"""Who has a conversation, as WeCom's events and the sender's outcomes tell it."""

from datetime import UTC, datetime
from typing import Any

import pytest
from kf_contracts.events import DeliveryChanged, MessageReceived
from kf_dialog.conversation import Custody, Holder
from kf_dialog.custody import handover_result, of_delivery, of_item
from kf_wecom import models

IDS = {"open_kfid": "wk1", "external_userid": "wm1"}


def custody_of(origin: int, msgtype: str, **body: Any) -> Custody | None:
    item = {"msgid": "m", "send_time": 1, "origin": origin, "msgtype": msgtype, msgtype: body, **IDS}
    item["servicer_userid"] = "zhang"
    event = MessageReceived.model_validate(
        {
            **IDS,
            "msgid": "m",
            "msgtype": msgtype,
            "origin": origin,
            "send_time": datetime.now(UTC),
            "item": item,
        }
    )
    return of_item(event, models.parse_item(item))


def session(change_type: int) -> Custody | None:
    return custody_of(
        4,
        "event",
        event_type="session_status_change",
        change_type=change_type,
        new_servicer_userid="li",
        **IDS,
    )


def change(kind: str, status: str, holder: str = "") -> DeliveryChanged:
    return DeliveryChanged.model_validate(
        {**IDS, "command_id": "c", "turn_id": "t", "kind": kind, "status": status, "holder": holder}
        | {"parts_sent": 0, "parts_total": 1}
    )


def test_a_servicer_who_writes_has_the_chat() -> None:
    assert custody_of(5, "text", content="我来处理") == Custody(Holder.SERVICER, "a servicer wrote", "zhang")


def test_a_customer_who_writes_changes_nothing() -> None:
    assert custody_of(3, "text", content="你好") is None
    assert custody_of(4, "event", event_type="enter_session", **IDS) is None


@pytest.mark.parametrize("change_type", [1, 2, 4])
def test_a_servicer_who_takes_the_chat_has_it(change_type: int) -> None:
    found = session(change_type)
    assert found is not None
    assert (found.holder, found.servicer_userid) == (Holder.SERVICER, "li")


def test_the_end_of_the_session_is_the_way_back() -> None:
    found = session(3)
    assert found is not None
    assert found.holder is Holder.BOT


def test_a_kind_of_change_that_nobody_knows_changes_nothing() -> None:
    assert session(9) is None


@pytest.mark.parametrize(
    ("kind", "status", "holder", "expected", "result"),
    [
        ("hand_over", "sent", "servicer", Holder.SERVICER, "servicer"),
        ("hand_over", "sent", "pool", Holder.POOL, "pool"),
        ("hand_over", "sent", "assistant", Holder.BOT, "nobody"),
        ("hand_over", "failed", "", Holder.BOT, "nobody"),
        ("hand_over", "expired", "", Holder.BOT, "nobody"),
        ("hand_over", "queued", "", None, ""),
        ("hand_over", "held", "ended", Holder.BOT, ""),
        ("send_reply", "parked", "servicer", Holder.SERVICER, ""),
        ("send_reply", "parked", "pool", Holder.POOL, ""),
        ("send_reply", "held", "ended", Holder.BOT, ""),
        ("send_reply", "held", "", None, ""),
        ("send_reply", "sent", "", None, ""),
        ("send_reply", "failed", "", None, ""),
        ("end_session", "sent", "ended", Holder.BOT, ""),
        ("end_session", "expired", "servicer", Holder.SERVICER, ""),
        ("find_holder", "sent", "assistant", Holder.BOT, ""),
        ("find_holder", "sent", "servicer", Holder.SERVICER, ""),
    ],
)
def test_the_senders_outcomes_say_who_has_the_chat(
    kind: str, status: str, holder: str, expected: Holder | None, result: str
) -> None:
    found = of_delivery(change(kind, status, holder))
    assert (found.holder if found else None) is expected
    assert handover_result(change(kind, status, holder)) == result
