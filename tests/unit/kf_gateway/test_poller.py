from kf_gateway.cursor import Progress
from kf_gateway.poller import Listing, due

NOW = 10_000.0


def at(seconds_ago: float) -> Progress:
    return Progress(pulled_at=NOW - seconds_ago)


def test_the_longest_unread_account_comes_first() -> None:
    known = {"wk1": at(70), "wk2": at(300), "wk3": at(10)}
    assert due(known, Listing(), NOW, 60) == ["wk2", "wk1"]


def test_an_account_just_pulled_by_a_notice_is_skipped() -> None:
    assert due({"wk1": at(59)}, Listing(frozenset({"wk1"}), NOW - 3600), NOW, 60) == []


def test_a_listed_account_that_nobody_pulled_is_due() -> None:
    assert due({}, Listing(frozenset({"wk1"}), NOW), NOW, 60) == ["wk1"]


def test_an_account_taken_from_the_app_is_polled_no_more() -> None:
    assert due({"wk1": at(400)}, Listing(frozenset({"wk2"}), NOW - 100), NOW, 60) == ["wk2"]


def test_an_account_newer_than_the_listing_is_polled() -> None:
    assert due({"wk1": at(70)}, Listing(frozenset(), NOW - 100), NOW, 60) == ["wk1"]


def test_without_a_listing_every_account_ever_pulled_counts() -> None:
    assert due({"wk1": at(5000)}, Listing(), NOW, 60) == ["wk1"]


def test_a_pull_noted_by_a_clock_that_was_ahead_does_not_put_the_poll_off() -> None:
    known = {"wk1": at(-3600), "wk2": at(70)}
    assert due(known, Listing(frozenset(known), NOW - 100), NOW, 60) == ["wk1", "wk2"]


def test_a_pull_noted_by_a_clock_that_was_ahead_keeps_no_lost_account() -> None:
    assert due({"wk1": at(-3600)}, Listing(frozenset(), NOW - 100), NOW, 60) == []
