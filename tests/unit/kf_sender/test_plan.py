"""A command becomes at most so many messages, honestly shortened, under msgids that never change."""

import re

from hypothesis import given
from hypothesis import strategies as st
from kf_sender.plan import BLANK, CLOSING, OFFER, PAGES_MOST, msgid, plan, wants_rest
from kf_wecom.content import TEXT_MAX_BYTES, Text

ids = st.text(max_size=20)


def test_a_short_text_is_one_message() -> None:
    assert plan("您好", 4).parts == ("您好",)
    assert plan("您好", 4).remark == ""


def test_a_text_that_is_too_long_ends_with_a_sentence_and_says_so() -> None:
    planned = plan("这是其中的一句话。" * 2000, 4)
    assert len(planned.parts) == 20
    assert planned.parts[-1].endswith("。" + CLOSING)
    assert planned.remark.startswith("shortened: 54000 bytes do not fit in 20 messages, about 1")
    assert not any(CLOSING in part for part in planned.parts[:-1])


@given(st.text(max_size=200).map(lambda text: text * 40), st.integers(1, 5))
def test_a_plan_is_always_sendable(text: str, most: int) -> None:
    parts = plan(text, most).parts
    assert len(parts) <= most * PAGES_MOST
    room = len(OFFER.encode()) if most < len(parts) < most * PAGES_MOST else 0
    for part in parts:
        assert len(part.encode()) + room <= TEXT_MAX_BYTES
        assert len(Text(content=part).content.encode()) <= TEXT_MAX_BYTES
        assert "\x00" not in part


def test_a_text_that_fits_into_one_budget_wastes_no_room() -> None:
    assert [len(part.encode()) for part in plan("字" * 682 * 4, 4).parts] == [2046] * 4


def test_only_words_that_ask_for_the_rest_and_nothing_else_do() -> None:
    assert all(
        wants_rest(words) for words in ("继续", " 继续。", "请继续！", "Continue", "go on", "还有呢？")
    )
    assert not any(wants_rest(words) for words in ("", "。", "继续教育怎么报名", "好的", "怎么继续申请"))


def test_a_message_that_did_not_arrive_goes_out_under_another_msgid() -> None:
    assert msgid("a", "b", "c", 1, again=msgid("a", "b", "c", 1)) != msgid("a", "b", "c", 1)


def test_a_blank_text_is_refused_with_a_reason() -> None:
    for text in (" \n", "\x00", "\x00 \x00"):
        assert plan(text, 4).parts == ()
        assert plan(text, 4).remark == BLANK


@given(ids, ids, ids, st.integers(1, 9))
def test_a_msgid_is_what_wecom_accepts_and_the_same_every_time(
    kfid: str, user: str, command: str, part: int
) -> None:
    made = msgid(kfid, user, command, part)
    assert re.fullmatch(r"[0-9A-Za-z_-]{32}", made)
    assert made == msgid(kfid, user, command, part)


def test_msgids_differ_by_account_customer_command_and_part() -> None:
    variants = [
        ("a", "b", "c", 1), ("x", "b", "c", 1), ("a", "x", "c", 1), ("a", "b", "x", 1), ("a", "b", "c", 2),
        ("ab", "", "c", 1), ("a", "bc", "", 1),
    ]  # fmt: skip
    assert len({msgid(*variant) for variant in variants}) == len(variants)


def test_a_msgid_survives_upgrades() -> None:
    """A change would send again what the previous version left unknown."""
    assert msgid("wk1", "wm1", "c1", 1) == "X2MANICZCPIBJQ2C6KABG53YORSUGLMH"
