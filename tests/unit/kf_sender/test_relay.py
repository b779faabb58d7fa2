"""Changes become events and dead letters that hold no word of the text."""

from datetime import UTC, datetime

from kf_contracts.events import DeliveryStatus, SessionHolder
from kf_sender.changes import Change
from kf_sender.relay import event_of, shape_of

CHANGE = Change(
    id=7,
    open_kfid="wk1",
    external_userid="wm-secret",
    command_id="c1",
    turn_id="t1",
    status=DeliveryStatus.FAILED,
    parts_sent=1,
    parts_total=2,
    errcode=40058,
    reason="refused",
    holder=SessionHolder.SERVICER,
    servicer_userid="zhangsan",
    kind="send_reply",
    replaced_by="",
    occurred_at=datetime(2026, 1, 2, tzinfo=UTC),
    carrier={},
)


def test_an_event_says_what_the_row_says() -> None:
    event = event_of(CHANGE)
    for name in (
        "open_kfid", "external_userid", "command_id", "turn_id", "status", "parts_sent", "parts_total",
        "errcode", "reason", "holder", "servicer_userid", "kind", "replaced_by",
        "occurred_at",
    ):  # fmt: skip
        assert getattr(event, name) == getattr(CHANGE, name)


def test_a_shape_names_sizes_and_no_values() -> None:
    shape = shape_of(CHANGE, [{"part_no": 1, "status": "failed", "attempts": 2, "bytes": 6}])
    assert shape["touser"] == "str[9]"
    assert shape["parts"] == [{"part_no": 1, "text.content": "utf8[6]", "status": "failed", "attempts": 2}]
    assert "secret" not in str(shape)
