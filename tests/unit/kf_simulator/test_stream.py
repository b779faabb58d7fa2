"""Cursors and pages of one account's stream."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kf_simulator import ids
from kf_simulator.stream import RETENTION_SECONDS, Stream

ACCOUNT = "wk" + "a" * 30


def stream(*times: int) -> Stream:
    made = Stream(ACCOUNT)
    for number, time in enumerate(times):
        made.append({"msgid": str(number), "send_time": time})
    return made


def read(made: Stream, cursor: str = "", limit: int = 1000, now: float = 0) -> list[str]:
    return [item["msgid"] for item in made.page(cursor, limit, now).items]


@given(st.integers(0, 2**40 - 1))
def test_a_cursor_carries_its_sequence_number(sequence: int) -> None:
    cursor = ids.encode_cursor(ACCOUNT, sequence)
    assert (len(cursor), ids.decode_cursor(ACCOUNT, cursor)) == (19, sequence)


@given(st.text(max_size=64))
def test_any_other_text_is_no_cursor(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        ids.decode_cursor(ACCOUNT, text)


def test_a_cursor_of_another_account_is_refused() -> None:
    with pytest.raises(ValueError, match="no stream of this account"):
        ids.decode_cursor("wk" + "b" * 30, ids.encode_cursor(ACCOUNT, 5))


def test_a_cursor_from_the_future_is_refused() -> None:
    with pytest.raises(ValueError, match="beyond the end"):
        stream(1, 2).page(ids.encode_cursor(ACCOUNT, 3), 1000, 0)


@given(st.integers(0, 30), st.integers(1, 7))
def test_pages_of_any_size_give_every_item_once_in_order(count: int, limit: int) -> None:
    made, cursor, seen = stream(*range(count)), "", []
    while True:
        page = made.page(cursor, limit, 0)
        seen += [item["msgid"] for item in page.items]
        cursor = page.next_cursor
        if not page.has_more:
            break
    assert seen == [str(number) for number in range(count)]


def test_what_is_too_old_is_skipped_whatever_the_cursor() -> None:
    made = stream(0, 10, 20)
    assert read(made, now=RETENTION_SECONDS + 15) == ["2"]
    assert read(made, ids.encode_cursor(ACCOUNT, 0), now=RETENTION_SECONDS + 15) == ["2"]


def test_old_items_leave_memory_and_cursors_stay_true() -> None:
    made = stream(*[0] * 3000, 10)
    cursor = ids.encode_cursor(ACCOUNT, 3000)
    assert read(made, cursor, now=RETENTION_SECONDS + 5) == ["3000"]
    assert len(made.kept()) == 1
    assert made.end == 3001


def test_after_a_restart_numbers_go_on() -> None:
    before = stream(1, 2, 3)
    cursor = before.page("", 2, 0).next_cursor
    after = Stream(ACCOUNT)
    for sequence, item in before.kept():
        after.restore(sequence, item)
    assert read(after, cursor) == ["2"]
    empty = Stream(ACCOUNT)
    empty.start_at(3)
    assert (read(empty, cursor), empty.end) == ([], 3)
