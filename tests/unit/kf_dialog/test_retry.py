import pytest
from kf_dialog.retry import ATTEMPTS, REMEDIES, Breaker, Fault, fault_of, pause_before_retry


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (400, Fault.REFUSED),
        (401, Fault.KEY),
        (402, Fault.BALANCE),
        (403, Fault.KEY),
        (404, Fault.SETUP),
        (422, Fault.REFUSED),
        (429, Fault.BUSY),
        (500, Fault.DOWN),
        (503, Fault.DOWN),
    ],
)
def test_each_status_has_its_fault(status: int, fault: Fault) -> None:
    assert fault_of(status) is fault


@pytest.mark.parametrize("fault", [Fault.KEY, Fault.BALANCE, Fault.SETUP, Fault.REFUSED, Fault.TIMEOUT])
def test_what_a_retry_cannot_mend_is_not_retried(fault: Fault) -> None:
    assert pause_before_retry(fault, 1, None, 100) is None


@pytest.mark.parametrize("fault", [Fault.BUSY, Fault.DOWN, Fault.EMPTY])
def test_hiccups_are_retried_with_growing_pauses_and_an_end(fault: Fault) -> None:
    assert pause_before_retry(fault, 1, None, 100) == 0.5
    assert pause_before_retry(fault, 2, None, 100) == 1.0
    assert pause_before_retry(fault, ATTEMPTS, None, 100) is None


def test_retry_after_is_honoured_up_to_a_cap_and_the_budget() -> None:
    assert pause_before_retry(Fault.BUSY, 1, 3.0, 100) == 3.0
    assert pause_before_retry(Fault.BUSY, 1, 60.0, 100) is None
    assert pause_before_retry(Fault.BUSY, 1, 3.0, 2.0) is None


def test_five_failures_in_a_row_open_the_circuit_and_one_probe_closes_it() -> None:
    breaker = Breaker()
    for _ in range(4):
        breaker.failed(Fault.DOWN, 0)
    assert breaker.allows(0)
    breaker.failed(Fault.TIMEOUT, 0)
    assert not breaker.allows(14.9)
    assert breaker.allows(15.0)
    assert not breaker.allows(15.1)
    breaker.succeeded()
    assert breaker.allows(15.2)


def test_a_success_in_between_starts_the_count_anew() -> None:
    breaker = Breaker()
    for _ in range(4):
        breaker.failed(Fault.DOWN, 0)
    breaker.succeeded()
    breaker.failed(Fault.DOWN, 0)
    assert breaker.allows(0)


def test_a_failed_probe_opens_it_again() -> None:
    breaker = Breaker(failures=5, open_until=15)
    assert breaker.allows(15)
    breaker.failed(Fault.DOWN, 16)
    assert not breaker.allows(30.9)
    assert breaker.allows(31)


def test_a_cancelled_probe_does_not_block_for_ever() -> None:
    breaker = Breaker(failures=5, open_until=15)
    assert breaker.allows(15)
    assert breaker.allows(60)


@pytest.mark.parametrize("fault", [Fault.KEY, Fault.BALANCE, Fault.SETUP])
def test_what_people_must_mend_opens_it_at_once_for_a_minute_and_has_a_remedy(fault: Fault) -> None:
    breaker = Breaker()
    breaker.failed(fault, 0)
    assert not breaker.allows(59.9)
    assert breaker.allows(60)
    assert "/" in REMEDIES[fault]


def test_a_refused_request_says_nothing_against_the_endpoint() -> None:
    breaker = Breaker()
    for _ in range(9):
        breaker.failed(Fault.REFUSED, 0)
    assert breaker.allows(0)
