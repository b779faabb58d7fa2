"""Figures of test questions, and when a draft counts as worse than what is published."""

import math

import pytest
from kf_knowledge.calibration import TestQuestion
from kf_knowledge.evaluation import Outcome, by_category, figures, lost, regressions


def asked(place: int | None, *, answerable: bool = True, known: bool = True, category: str = "") -> Outcome:
    question = TestQuestion(f"问题 {place}", frozenset({"答"} if known else ()), category)
    return Outcome(question, place, answerable)


def test_figures_are_those_of_the_book() -> None:
    outcomes = [
        asked(1),
        asked(3),
        asked(None, answerable=False),
        asked(None, known=False, answerable=False),
        asked(None, known=False, answerable=True),
    ]
    found = figures("", outcomes)
    assert found.questions == 5
    assert (found.recall_at_1, found.recall_at_5, found.recall_at_10) == pytest.approx((1 / 3, 2 / 3, 2 / 3))
    assert found.mrr_at_10 == pytest.approx((1 + 1 / 3) / 3)
    assert found.ndcg_at_10 == pytest.approx((1 + 1 / math.log2(4)) / 3)
    assert (found.answerable_kept, found.unanswerable_refused) == pytest.approx((2 / 3, 0.5))
    assert found.no_answer_precision == pytest.approx(0.5)


def test_figures_come_for_all_questions_and_by_category() -> None:
    outcomes = [asked(1, category="物流"), asked(None, category="价格"), asked(1)]
    assert [(one.category, one.questions) for one in by_category(outcomes)] == [
        ("", 3),
        ("价格", 1),
        ("物流", 1),
    ]
    assert by_category([]) == []


def test_a_draft_that_finds_less_regresses() -> None:
    before = by_category([asked(1) for _ in range(20)])
    after = by_category([asked(1) for _ in range(19)] + [asked(None)])
    assert regressions(before, before) == []
    assert regressions(after, before) == [
        "nDCG@10: 0.950, published 1.000",
        "recall@5: 0.950, published 1.000",
    ]
    assert regressions(before, after) == []


def test_a_draft_that_answers_what_it_cannot_know_regresses() -> None:
    before = by_category([asked(1), asked(None, known=False, answerable=False)])
    after = by_category([asked(1), asked(None, known=False, answerable=True)])
    assert regressions(after, before) == ["questions told unanswerable: 0.000, published 1.000"]


def test_small_categories_alone_refuse_nothing() -> None:
    """One question of two tells nothing; its loss is seen in the whole."""
    many = [asked(1, category="大") for _ in range(200)]
    before = by_category([*many, asked(1, category="小"), asked(1, category="小")])
    after = by_category([*many, asked(1, category="小"), asked(None, category="小")])
    assert regressions(after, before) == []


def test_lost_questions_are_those_that_were_found_before() -> None:
    assert lost([asked(1), asked(6), asked(2)], [asked(5), asked(None), asked(6)]) == ["问题 6"]
