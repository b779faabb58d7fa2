"""The catalogue: complete, bilingual, and of the class that each code's rule asks for."""

import re

import pytest
from kf_wecom.errcodes import CATALOGUE, SEND_FAILURES, ErrorClass, classify, lookup, send_failure

# Every code that the protocol's documentation names for a KF app, copied so that a lost row is noticed.
KF_CODES = [*range(95000, 95033)]
COMMON_CODES = [
    -1, 0, 6000, 40001, 40003, 40004, 40005, 40006, 40007, 40008, 40009, 40011, 40013, 40014, 40033,
    40035, 40056, 40058, 40063, 40091, 40096, 40123, 40201, 40204, 40206, 41001, 41002, 41004,
    41006, 41035, 42001, 42009, 43001, 43002, 43003, 43004, 43009, 43012, 44001, 44004, 45001,
    45002, 45007, 45009, 45029, 45033, 45034, 46004, 48001, 48002, 48003, 48004, 48005, 48006,
    48007, 50002, 50003, 60011, 60020, 60021, 60111, 81012, 81013, 84061, 84074, 90207, 92000,
    301002, 610016, 701008, 2000002,
]  # fmt: skip
GETTOKEN_CODES = [40001, 40013, 40091, 41002, 41004, 60020, 45009, 50003]

CLASSES = {
    ErrorClass.REFRESH: [40014, 42001],
    ErrorClass.BACK_OFF: [-1, 45009, 45033, 6000],
    ErrorClass.TOKEN_LESS: [95007],
    ErrorClass.STATE: [95018, 95013, 95016],
    ErrorClass.WINDOW: [95001, 95002, 95031],
    ErrorClass.SERVICER: [95014, 95019],
    ErrorClass.CONFIG: [
        40001, 40013, 40091, 48001, 48002, 48007, 50003, 60020, 95000, 95003, 95004, 95011, 95012,
        95017, 95023, 43009, 610016,
    ],
    ErrorClass.PAYLOAD: [
        40007, 40008, 40033, 40035, 40058, 40063, 41006, 41035, 44001, 44004, 45001, 45002, 45007,
        95008, 95009,
    ],
}  # fmt: skip


@pytest.mark.parametrize("code", [*KF_CODES, *COMMON_CODES, *GETTOKEN_CODES])
def test_every_documented_code_has_an_entry(code: int) -> None:
    assert CATALOGUE[code].code == code


@pytest.mark.parametrize("fail_type", range(14))
def test_every_fail_type_has_an_entry(fail_type: int) -> None:
    assert SEND_FAILURES[fail_type].fail_type == fail_type


@pytest.mark.parametrize(
    ("code", "error_class"), [(code, error_class) for error_class, codes in CLASSES.items() for code in codes]
)
def test_a_code_has_the_class_of_its_rule(code: int, error_class: ErrorClass) -> None:
    assert lookup(code).error_class is error_class


@pytest.mark.parametrize("entry", [*CATALOGUE.values(), *SEND_FAILURES.values()])
def test_cause_and_remedy_are_in_chinese_and_english(entry: object) -> None:
    for name in ("cause", "remedy"):
        assert re.search(r"[\u4e00-\u9fff]", getattr(entry, f"{name}_zh"))
        assert re.search(r"[a-z]{2}", getattr(entry, f"{name}_en"))


@pytest.mark.parametrize("code", [60020, 48001, 48002, 48007, 50003, 95012, 95017, 95018, 40001, 40013])
def test_what_an_operator_must_click_is_named(code: int) -> None:
    assert lookup(code).menu.startswith("管理后台 → ")


def test_only_codes_that_a_new_token_may_cure_ask_for_one() -> None:
    assert {code for code, entry in CATALOGUE.items() if entry.refresh_once} == {40001, 40014, 42001, 95012}


def test_the_frequency_limit_is_waited_out() -> None:
    assert lookup(45009).wait_seconds >= 60
    assert all(entry.wait_seconds for entry in CATALOGUE.values() if entry.error_class is ErrorClass.BACK_OFF)


@pytest.mark.parametrize("code", [1, -2, 95033, 999999])
def test_a_code_outside_the_catalogue_is_unknown(code: int) -> None:
    assert lookup(code).error_class is ErrorClass.UNKNOWN
    assert lookup(code).code == code


@pytest.mark.parametrize("fail_type", [-1, 14, 99])
def test_a_fail_type_outside_the_list_is_unknown(fail_type: int) -> None:
    assert send_failure(fail_type).error_class is ErrorClass.UNKNOWN
    assert send_failure(fail_type).fail_type == fail_type


@pytest.mark.parametrize(
    ("code", "errmsg", "error_class"),
    [
        (99999, "msgid conflict", ErrorClass.MSGID_USED),
        (99999, "duplicate MsgId", ErrorClass.MSGID_USED),
        (40058, "msgid is duplicated, hint: [1]", ErrorClass.MSGID_USED),
        (40035, "msgid already exists", ErrorClass.MSGID_USED),
        (40058, "msgid exceed max length", ErrorClass.PAYLOAD),
        (40058, "msgid does not exist", ErrorClass.PAYLOAD),
        (99999, "field `msgid` unexpected empty string. invalid Request Parameter", ErrorClass.UNKNOWN),
        (99999, "something else", ErrorClass.UNKNOWN),
        (95018, "send msg session status invalid", ErrorClass.STATE),
        (95007, "invalid msg token", ErrorClass.TOKEN_LESS),
    ],
)
def test_an_answer_that_says_the_msgid_was_used_means_sent(
    code: int, errmsg: str, error_class: ErrorClass
) -> None:
    assert classify(code, errmsg).error_class is error_class
