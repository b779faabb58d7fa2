"""The border between answerable and not, from test questions."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kf_knowledge.calibration import TestQuestion, measure, rank, threshold
from kf_knowledge.passages import StoredPassage
from kf_knowledge.search import SearchResult

EVIDENCE = st.lists(st.floats(-1, 2), min_size=1, max_size=20)


def test_border_lies_halfway_between_kinds_that_do_not_overlap() -> None:
    assert threshold([0.95, 0.99], [0.85, 0.91]) == pytest.approx(0.93)


def test_one_stray_question_does_not_move_the_border() -> None:
    assert threshold([0.95, 0.96, 0.97, 0.98], [0.85, 0.86, 0.87, 0.99]) == pytest.approx(0.91)


def test_rarer_kind_counts_as_much_as_the_other() -> None:
    """Two unanswerable questions among many answerable ones are not sacrificed."""
    assert threshold([0.90, 0.95, *[0.99] * 20], [0.92, 0.92]) == pytest.approx(0.935)


@given(EVIDENCE, EVIDENCE)
def test_no_border_tells_more_questions_rightly(with_answer: list[float], without: list[float]) -> None:
    def rightly(border: float) -> float:
        kept = sum(value >= border for value in with_answer) / len(with_answer)
        return kept + sum(value < border for value in without) / len(without)

    chosen = rightly(threshold(with_answer, without))
    assert all(chosen >= rightly(border) - 1e-9 for border in (*with_answer, *without))


def passage(question: str = "", headings: tuple[str, ...] = (), source: str = "s.md") -> StoredPassage:
    return StoredPassage(uuid.uuid4(), uuid.uuid4(), source, "", headings, question, "text")


def test_answer_is_known_by_question_heading_or_source() -> None:
    found = [passage("甲"), passage(headings=("一", "二")), passage(source="c.md")]
    places = [rank(frozenset({name}), found) for name in ("甲", "二", "c.md", "乙")]
    assert places == [1, 2, 3, None]


def test_measures_are_parts_of_their_kind() -> None:
    first, second = passage("甲"), passage("乙")
    asked = [
        (TestQuestion("a", frozenset({"甲"})), SearchResult([], 0.99, answerable=True)),
        (TestQuestion("b", frozenset()), SearchResult([], 0.8, answerable=True)),
    ]
    measured = measure(asked)
    assert (measured.answerable_kept, measured.unanswerable_refused) == (1.0, 1.0)
    assert (measured.recall_at_1, measured.recall_at_5) == (0.0, 0.0)
    assert rank(frozenset({"乙"}), [first, second]) == 2
