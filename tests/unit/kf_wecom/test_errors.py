"""Errors: what they tell an operator and what they keep to themselves."""

import pytest
from kf_wecom.errcodes import ErrorClass
from kf_wecom.errors import AmbiguousError, ApiError, NotSentError, TransportError, WecomError, clean_errmsg

SAMPLE = (
    "not allow to access from your ip, hint: [1634264791_224_abc], from ip: 1.2.3.4, "
    "more info at https://open.work.weixin.qq.com/devtool/query?e=60020"
)


def test_hint_and_ip_are_taken_from_the_tail() -> None:
    error = ApiError("/cgi-bin/kf/sync_msg", 60020, SAMPLE)
    assert (error.hint, error.from_ip) == ("1634264791_224_abc", "1.2.3.4")
    assert error.errmsg == "not allow to access from your ip"
    assert "1.2.3.4" in error.remedy_zh
    assert "1.2.3.4" in error.remedy_en
    assert str(error).startswith(
        "/cgi-bin/kf/sync_msg: errcode 60020 (not allow to access from your ip, hint"
    )


def test_a_remedy_reads_well_without_the_ip() -> None:
    error = ApiError("/cgi-bin/gettoken", 60020, "not allow")
    assert "{" not in error.remedy_zh + error.remedy_en


@pytest.mark.parametrize(
    "errmsg",
    [
        "bad content 我的密码是 123",
        "touser wmABCDEFGHIJKLMNOPQRSTUVWXYZ123456 not found",
        "token ENCabcdefghijklmnopqrstuvwxyz0123456789 expired",
        "content hello there is illegal",
        "line\nbreak\x1b[31m",
    ],
)
def test_an_errmsg_is_cleaned_of_words_ids_and_control_characters(errmsg: str) -> None:
    cleaned = clean_errmsg(errmsg, ["hello there", "123"])
    assert cleaned.isascii()
    assert cleaned.isprintable()
    for private in ("hello there", "123", "wmABC", "ENCabc"):
        assert private not in cleaned


def test_an_errmsg_is_cut_short() -> None:
    assert len(clean_errmsg("word " * 1000, [])) <= 200


def test_every_error_is_a_wecom_error_with_a_class_and_remedies() -> None:
    errors: list[WecomError] = [
        ApiError("/a", 95001, "x"),
        NotSentError("/a", "connect_error"),
        AmbiguousError("/a", "read_timeout"),
    ]
    for error in errors:
        assert error.remedy_zh
        assert error.remedy_en
        assert "/a" in str(error)
    assert [error.error_class for error in errors] == [
        ErrorClass.WINDOW,
        ErrorClass.BACK_OFF,
        ErrorClass.BACK_OFF,
    ]
    assert isinstance(errors[1], TransportError)


def test_a_held_call_says_for_how_long() -> None:
    assert "held for 42 s" in str(ApiError("/a", 40001, "x", retry_after=42.0))
