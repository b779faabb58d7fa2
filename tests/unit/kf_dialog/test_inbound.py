from datetime import UTC, datetime
from typing import Any, cast

import pytest
from kf_contracts.events import MessageReceived
from kf_dialog.inbound import Arrival, Inbound, classify
from kf_dialog.store import Store
from kf_dialog.welcome import Welcome
from kf_runtime.bell import Bell
from kf_runtime.nats import Park, Retry
from nats.aio.client import Client
from nats.aio.msg import Msg


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


class AwayStore:
    """A store whose database does not answer."""

    async def record(self, *_: object) -> bool:
        """Fail as asyncpg does."""
        raise ConnectionRefusedError


class Quiet:
    """Nobody is greeted."""

    async def greet(self, *_: object) -> None:
        """Nothing to do."""


async def test_without_a_database_the_next_try_is_a_second_away_however_often_it_failed() -> None:
    inbound = Inbound(cast(Store, AwayStore()), cast(Welcome, Quiet()), 1.5, Bell())
    outcome = await inbound(Msg(Client(), data=event().encode()))
    assert outcome == Retry(1.0, "ConnectionRefusedError")


@pytest.mark.parametrize("field", ["external_userid", "msgid", "msgtype"])
async def test_an_id_that_no_table_holds_is_parked_at_once(field: str) -> None:
    inbound = Inbound(cast(Store, AwayStore()), cast(Welcome, Quiet()), 1.5, Bell())
    outcome = await inbound(Msg(Client(), data=event(**{field: "a\x00b"}).encode()))
    assert isinstance(outcome, Park)
