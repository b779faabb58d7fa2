from datetime import UTC, datetime, timedelta

import pytest
from kf_contracts.events import NoticeReceived
from kf_gateway.cursor import Progress
from kf_gateway.puller import is_stuck, live_token
from kf_wecom.replies import SyncPage

NOW = datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(("age", "expected"), [(0, "ENC1"), (500, "ENC1"), (580, ""), (100_000, "")])
def test_a_token_is_used_for_as_long_as_wecom_takes_it(age: int, expected: str) -> None:
    notice = NoticeReceived(open_kfid="wk1", token="ENC1", received_at=NOW - timedelta(seconds=age))
    assert live_token(notice, NOW.timestamp()) == expected


@pytest.mark.parametrize(
    ("next_cursor", "has_more", "stuck"),
    [("c1", True, True), ("", True, True), ("c2", True, False), ("c1", False, False), ("", False, False)],
)
def test_more_behind_a_cursor_that_does_not_move_is_stuck(
    next_cursor: str, has_more: bool, stuck: bool
) -> None:
    page = SyncPage(next_cursor=next_cursor, has_more=has_more)
    assert is_stuck(Progress(cursor="c1"), page) is stuck
