from hypothesis import given
from hypothesis import strategies as st
from kf_gateway.budget import CALLS_PER_WINDOW, POLLS_PER_WINDOW, WINDOW_SECONDS, wait_for_call


def test_a_full_window_waits_for_its_oldest_call() -> None:
    assert wait_for_call([0, 1, 2, 3, 4, 5], 10.0, 6) == 50.0


def test_old_calls_do_not_count() -> None:
    assert wait_for_call([0, 1, 2, 3, 4, 5], 59.5, 6) == 0.5
    assert wait_for_call([0, 1, 2, 3, 4, 5], 66.0, 6) == 0.0


def test_polls_keep_their_distance() -> None:
    assert wait_for_call([100.0], 105.0, 4, spacing=15.0) == 10.0
    assert wait_for_call([100.0], 115.0, 4, spacing=15.0) == 0.0


def test_polls_leave_room_for_notices_with_dead_tokens() -> None:
    calls = [float(i) for i in range(POLLS_PER_WINDOW)]
    assert wait_for_call(calls, 10.0, POLLS_PER_WINDOW) > 0
    assert wait_for_call(calls, 10.0, CALLS_PER_WINDOW) == 0


@given(st.lists(st.integers(0, 300), max_size=60))
def test_no_window_ever_holds_more_calls_than_allowed(attempts: list[int]) -> None:
    made: list[float] = []
    for now in sorted(attempts):
        if wait_for_call(made, now, CALLS_PER_WINDOW) == 0:
            made.append(now)
    for at in made:
        assert sum(at - WINDOW_SECONDS < other <= at for other in made) <= CALLS_PER_WINDOW


def test_calls_noted_by_a_clock_that_was_ahead_do_not_count() -> None:
    assert wait_for_call([3600.0 + i for i in range(6)], 10.0, 6) == 0.0
    assert wait_for_call([3600.0], 10.0, 4, spacing=15.0) == 0.0


def test_calls_of_a_replica_whose_clock_is_a_little_ahead_count() -> None:
    assert wait_for_call([10.5, 10.0], 10.0, 4, spacing=15.0) == 15.5
