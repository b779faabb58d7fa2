"""A replica's own clock tells a step of PostgreSQL's from a call that was merely late."""

import pytest
from kf_sender import limiter
from kf_sender.limiter import SteadyClock

NOW = 1_800_000_000.0


class Monotonic:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.at = 50.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def monotonic(monkeypatch: pytest.MonkeyPatch) -> Monotonic:
    clock = Monotonic()
    monkeypatch.setattr(limiter, "monotonic", clock)
    return clock


@pytest.fixture
def clock(monotonic: Monotonic) -> SteadyClock:
    """One that has had its first answer."""
    made = SteadyClock(tolerance=1.0)
    assert made.expected() is None
    made.saw(NOW, 0, None)
    monotonic.at += 10
    return made


def test_it_goes_on_by_itself(clock: SteadyClock) -> None:
    assert clock.expected() == NOW + 10


def test_small_differences_are_followed(clock: SteadyClock) -> None:
    clock.saw(NOW + 10.5, 0, clock.expected())
    assert clock.expected() == NOW + 10.5


def test_an_answer_that_was_late_changes_nothing(clock: SteadyClock, monotonic: Monotonic) -> None:
    said = clock.expected()
    monotonic.at += 30
    clock.saw(NOW + 10, 0, said)
    assert clock.expected() == NOW + 40


def test_a_mend_of_ours_that_was_late_is_said_again_rightly(clock: SteadyClock, monotonic: Monotonic) -> None:
    said = clock.expected()
    assert said
    # Stopped for a minute on the way: the limiter believed us, and is a minute late now.
    monotonic.at += 60
    clock.saw(said, 1, said)
    assert (clock.expected(), clock.mends) == (NOW + 70, 1)


def test_what_others_mended_is_taken_over(clock: SteadyClock) -> None:
    clock.saw(NOW - 100, 1, clock.expected())
    assert (clock.expected(), clock.mends) == (NOW - 100, 1)
