from kf_gateway.cursor import Progress
from kf_wecom.replies import SyncPage

NOW = 1_800_000_000.0


def page(cursor: str = "c1", *, has_more: bool = False) -> SyncPage:
    return SyncPage(next_cursor=cursor, has_more=has_more)


def test_on_the_first_run_only_young_messages_are_answered() -> None:
    progress = Progress.first_run(NOW, 600)
    assert progress.answerable(NOW - 600)
    assert progress.answerable(NOW)
    assert not progress.answerable(NOW - 601)


def test_the_border_of_the_first_run_does_not_move_between_pages() -> None:
    progress = Progress.first_run(NOW, 600).after(page(has_more=True), NOW - 9000, NOW + 5000)
    progress = Progress.model_validate_json(progress.model_dump_json())
    assert not progress.answerable(NOW - 601)
    assert progress.answerable(NOW - 599)


def test_once_caught_up_no_age_is_too_old() -> None:
    progress = Progress.first_run(NOW, 600).after(page(), NOW, NOW)
    assert progress.answerable(NOW - 3 * 86400)


def test_an_account_without_history_is_not_on_its_first_run_again() -> None:
    progress = Progress.first_run(NOW, 600).after(page(""), 0.0, NOW)
    assert progress.cursor == ""
    assert progress.answerable(NOW - 86400)


def test_an_empty_next_cursor_keeps_the_stored_one() -> None:
    assert Progress(cursor="c7").after(page(""), 0.0, NOW).cursor == "c7"


def test_a_refused_cursor_answers_only_what_was_never_read() -> None:
    progress = Progress(cursor="c7", seen_until=NOW - 100).restarted()
    assert progress.cursor == ""
    assert not progress.answerable(NOW - 101)
    assert progress.answerable(NOW - 100)


def test_a_cursor_refused_during_the_first_run_keeps_its_border() -> None:
    progress = Progress.first_run(NOW, 600).after(page(has_more=True), NOW - 9000, NOW).restarted()
    assert not progress.answerable(NOW - 8999)
    assert progress.answerable(NOW - 600)


def test_a_send_time_from_the_future_does_not_make_later_questions_history() -> None:
    progress = Progress(cursor="c1").after(page("c2"), NOW + 10**9, NOW).restarted()
    assert progress.answerable(NOW)


def test_only_the_end_of_the_stream_counts_as_pulled() -> None:
    assert Progress(pulled_at=1.0).after(page(has_more=True), 0.0, NOW).pulled_at == 1.0
    assert Progress(pulled_at=1.0).after(page(), 0.0, NOW).pulled_at == NOW
