"""Every way a call can end leads to one action, by the catalogue's class."""

from typing import Any

import pytest
from kf_runtime.logging import hashed
from kf_sender import verdict
from kf_sender.pacing import Pacing
from kf_sender.verdict import (
    ACTION_OF,
    MENDS_MOST,
    SEND_MSG,
    Action,
    SharedPause,
    of_crash,
    of_lookup,
    of_state,
)
from kf_wecom.errcodes import CATALOGUE, ErrorClass
from kf_wecom.errors import AmbiguousError, ApiError, NotSentError, WecomError
from kf_wecom.replies import ServiceState

GETTOKEN = "/cgi-bin/gettoken"
PACING = Pacing()


def of_send(error: WecomError, attempts: int = 1, mends: int = 0) -> verdict.Verdict:
    return verdict.of_send(error, attempts=attempts, mends=mends, pacing=PACING)


def refused(code: int, **more: Any) -> ApiError:
    return ApiError(SEND_MSG, code, **more)


def test_every_class_has_an_action() -> None:
    assert set(ACTION_OF) == set(ErrorClass)


@pytest.mark.parametrize("code", [code for code in CATALOGUE if code])
def test_every_code_of_the_catalogue_is_settled_by_its_class(code: int) -> None:
    settled = of_send(refused(code), mends=MENDS_MOST)
    assert settled.action is ACTION_OF[CATALOGUE[code].error_class]
    assert settled.errcode == code
    assert settled.counted


@pytest.mark.parametrize(
    ("code", "action"),
    [
        (-1, Action.RETRY), (6000, Action.RETRY), (45009, Action.RETRY), (45033, Action.RETRY),
        (42001, Action.RETRY), (40014, Action.RETRY),
        (95018, Action.INSPECT), (95013, Action.INSPECT), (95016, Action.INSPECT),
        (95001, Action.HOLD), (95002, Action.HOLD), (95031, Action.HOLD),
        (60020, Action.SUSPEND), (48002, Action.SUSPEND), (48007, Action.SUSPEND), (95000, Action.SUSPEND),
        (95004, Action.SUSPEND), (95011, Action.SUSPEND), (95017, Action.SUSPEND), (40013, Action.SUSPEND),
        (40058, Action.FAIL), (40096, Action.FAIL), (45002, Action.FAIL), (95008, Action.FAIL),
        (44004, Action.FAIL), (77777, Action.FAIL),
    ],
)  # fmt: skip
def test_the_codes_that_matter_most(code: int, action: Action) -> None:
    assert of_send(refused(code)).action is action


def test_45009_makes_everybody_wait_at_least_a_minute_and_begin_slower() -> None:
    settled = of_send(refused(45009))
    assert settled.shared_pause
    assert settled.shared_pause.seconds >= 60
    assert settled.shared_pause.halve_slots


def test_45033_halves_the_calls_at_once_after_a_short_pause() -> None:
    assert of_send(refused(45033)).shared_pause == SharedPause(3.0, halve_calls=True)


def test_busy_concerns_one_customer_and_waits_longer_each_time() -> None:
    pauses = [of_send(refused(-1), attempts=n).pause_seconds for n in (1, 2, 3, 20)]
    assert pauses == [1.0, 2.0, 4.0, 60.0]
    assert of_send(refused(-1)).shared_pause is None


@pytest.mark.parametrize("code", [42001, 40014, 40001, 95012])
def test_a_dead_token_is_mended_once_for_one_more_try_at_once(code: int) -> None:
    first, again = of_send(refused(code)), of_send(refused(code), mends=1)
    assert (first.action, first.mended, first.pause_seconds) == (Action.RETRY, True, 0.0)
    assert not again.mended
    assert again.pause_seconds > 0


def test_a_token_that_stays_dead_makes_everybody_wait() -> None:
    assert of_send(refused(42001), mends=1).shared_pause


def test_a_refused_gettoken_is_no_send() -> None:
    settled = of_send(ApiError(GETTOKEN, 40001, retry_after=120))
    assert (settled.action, settled.counted, settled.pause_seconds) == (Action.SUSPEND, False, 120)
    assert settled.remedy_zh


def test_doubts_about_a_send_are_unknown_and_counted() -> None:
    settled = of_send(AmbiguousError(SEND_MSG, "read_timeout"))
    assert (settled.action, settled.counted) == (Action.UNKNOWN, True)
    assert settled.pause_seconds > 0


@pytest.mark.parametrize(
    "error", [NotSentError(SEND_MSG, "connect_error"), AmbiguousError(GETTOKEN, "http_502")]
)
def test_a_request_that_never_left_gives_its_slot_back(error: WecomError) -> None:
    settled = of_send(error)
    assert (settled.action, settled.counted) == (Action.RETRY, False)


@pytest.mark.parametrize(
    ("code", "errmsg"),
    [(95099, "msgid has been used"), (40058, "msgid duplicated, hint: [1]"), (123456, "repeated msgid")],
)
def test_a_msgid_used_before_counts_as_sent(code: int, errmsg: str) -> None:
    assert of_send(ApiError(SEND_MSG, code, errmsg)).action is Action.DELIVERED


def test_a_msgid_of_the_wrong_form_does_not() -> None:
    assert of_send(ApiError(SEND_MSG, 40058, "msgid exceed max length 32")).action is Action.FAIL


REFUSAL = verdict.of_send(refused(95018), attempts=1, mends=0, pacing=PACING)


def in_state(number: int, mends: int = 0) -> verdict.Verdict:
    state = ServiceState(service_state=number, servicer_userid="zhangsan" if number == 3 else "")
    return of_state(REFUSAL, state, mends=mends, pacing=PACING)


def test_a_new_session_is_taken_and_tried_once_more_at_once() -> None:
    settled = in_state(0)
    assert (settled.action, settled.mended, settled.pause_seconds) == (Action.RETRY, True, 0.0)


def test_an_assistant_session_is_tried_later_a_few_times() -> None:
    assert in_state(1).action is Action.RETRY
    assert in_state(1).pause_seconds > 0
    assert in_state(1, mends=MENDS_MOST).action is Action.HOLD
    assert in_state(0, mends=MENDS_MOST).action is Action.HOLD


def test_nobody_is_talked_over_and_the_reason_names_who_holds_the_session() -> None:
    pool, human = in_state(2), in_state(3)
    assert pool.action is human.action is Action.PARK
    assert pool.look_first
    assert human.look_first
    assert "pool" in pool.reason
    assert f"servicer {hashed('zhangsan')}" in human.reason
    assert "zhangsan" not in human.reason


def test_an_ended_session_waits_for_the_customer() -> None:
    assert in_state(4).action is Action.HOLD
    assert not in_state(4).look_first


@pytest.mark.parametrize(
    ("error", "action"),
    [
        (AmbiguousError("state", "read_timeout"), Action.RETRY),
        (NotSentError("state", "connect_error"), Action.RETRY),
        (ApiError("state", -1), Action.RETRY),
        (ApiError("state", 42001), Action.RETRY),
        (ApiError("state", 95016), Action.RETRY),
        (ApiError("state", 60020), Action.SUSPEND),
        (ApiError("state", 40096), Action.FAIL),
    ],
)
def test_a_lookup_that_fails_leaves_no_doubt_about_the_message(error: WecomError, action: Action) -> None:
    settled = of_lookup(error, REFUSAL, attempts=1, pacing=PACING)
    assert (settled.action, settled.counted) == (action, True)
    assert not of_lookup(error, None, attempts=1, pacing=PACING).counted


def test_a_transition_that_stays_refused_ends() -> None:
    assert of_lookup(ApiError("trans", 95016), REFUSAL, attempts=1, pacing=PACING).mended


def test_a_crash_leaves_the_outcome_unknown_and_gives_up_in_the_end() -> None:
    assert of_crash(ValueError("text"), attempts=1, pacing=PACING).action is Action.UNKNOWN
    given_up = of_crash(ValueError("text"), attempts=10, pacing=PACING)
    assert given_up.action is Action.FAIL
    assert "text" not in given_up.reason
