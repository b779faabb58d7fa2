import pytest
from kf_gateway.outage import ALERT_SECONDS, Outages, pause
from kf_wecom.errors import AmbiguousError, ApiError, NotSentError, WecomError
from structlog.testing import capture_logs

API = "/cgi-bin/kf/sync_msg"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    "error", [NotSentError(API, "connect_error"), AmbiguousError(API, "http_502"), ApiError(API, -1)]
)
def test_passing_outages_are_tried_again_soon_and_ever_more_slowly(error: WecomError) -> None:
    pauses = [pause(error, failures) for failures in range(1, 9)]
    assert pauses[0] <= 2.0
    assert pauses == sorted(pauses)
    assert pauses[-1] == 30.0


def test_the_frequency_limit_is_waited_out() -> None:
    assert pause(ApiError(API, 45009), 1) >= 60


@pytest.mark.parametrize(
    "code", [60020, 48002, 48007, 95000, 95004, 95011, 95012, 95017, 40013, 40091, 40001]
)
def test_what_an_operator_must_mend_is_probed_slowly_for_ever(code: int) -> None:
    assert 10 <= pause(ApiError(API, code), 1) <= 60
    assert pause(ApiError(API, code), 1000) == 180.0


def test_a_remembered_refusal_is_never_asked_again_too_early() -> None:
    assert pause(ApiError("/cgi-bin/gettoken", 40091, retry_after=290.0), 1) == 290.0


def test_an_account_rests_alone() -> None:
    clock = Clock()
    outages = Outages(clock)
    seconds = outages.failed("wk1", ApiError(API, 48007))
    assert outages.remaining("wk1") == seconds
    assert outages.remaining("wk2") == 0
    clock.now += seconds
    assert outages.remaining("wk1") == 0


def test_the_frequency_limit_makes_every_account_rest() -> None:
    outages = Outages(Clock())
    outages.failed("wk1", ApiError(API, 45009))
    assert outages.remaining("wk2") >= 60


def test_a_success_ends_the_rest() -> None:
    outages = Outages(Clock())
    outages.failed("wk1", ApiError(API, 48007))
    outages.recovered("wk1")
    assert outages.remaining("wk1") == 0


def test_one_loud_line_with_the_remedy_in_ten_minutes() -> None:
    clock = Clock()
    outages = Outages(clock)
    error = ApiError(API, 60020, "not allow to access from your ip, hint: [1_2_3], from ip: 203.0.113.9")
    with capture_logs() as lines:
        for _ in range(5):
            outages.failed("wk1", error)
            clock.now += 60
    (line,) = lines
    assert line["log_level"] == "error"
    assert "203.0.113.9" in line["remedy_zh"]
    assert "203.0.113.9" in line["remedy_en"]
    clock.now += ALERT_SECONDS
    with capture_logs() as lines:
        outages.failed("wk1", error)
    assert len(lines) == 1


def test_another_fault_of_the_same_account_is_told_at_once() -> None:
    outages = Outages(Clock())
    with capture_logs() as lines:
        outages.failed("wk1", ApiError(API, 60020))
        outages.failed("wk1", ApiError(API, 48007))
    assert [line["fault"] for line in lines] == ["errcode 60020", "errcode 48007"]
