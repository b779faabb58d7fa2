from datetime import UTC, datetime
from typing import Any

import pytest
from kf_contracts.events import MessageReceived
from kf_dialog.inbound import Arrival, classify


def event(**fields: Any) -> MessageReceived:
    return MessageReceived.model_validate(
        {
            "open_kfid": "wk1",
            "external_userid": "wm1",
            "msgid": "m1",
            "msgtype": "text",
            "origin": 3,
            "send_time": datetime.now(UTC),
            "item": {},
            **fields,
        }
    )


@pytest.mark.parametrize(
    ("fields", "arrival"),
    [
        ({}, Arrival("new")),
        ({"msgtype": "hologram"}, Arrival("new")),
        ({"origin": 5}, Arrival("ignored", "servicer")),
        ({"origin": 4}, Arrival("ignored", "origin:4")),
        ({"origin": 9}, Arrival("ignored", "origin:9")),
        ({"external_userid": ""}, Arrival("ignored", "no_customer")),
        ({"answerable": False}, Arrival("ignored", "history")),
        (
            {"msgtype": "event", "origin": 4, "item": {"event": {"event_type": "enter_session"}}},
            Arrival("ignored", "event:enter_session"),
        ),
        ({"msgtype": "event", "origin": 4, "item": {"event": "?"}}, Arrival("ignored", "event:None")),
    ],
)
def test_only_a_fresh_message_of_a_customer_wakes_the_bot(fields: dict[str, Any], arrival: Arrival) -> None:
    assert classify(event(**fields)) == arrival
