"""Finds the evidence from which on a collection's questions are answerable, by its own test questions."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from kf_knowledge.passages import StoredPassage
from kf_knowledge.search import Searcher, SearchResult
from kf_knowledge.store import Store

LEAST_OF_EACH, MOST_QUESTIONS = 5, 1_000
_LOOKED_AT = 5


class TooFewQuestionsError(Exception):
    """The test questions cannot tell where the border lies; the message says what is missing."""


@dataclass(frozen=True)
class TestQuestion:
    """A question and what answers it: FAQ questions, headings or sources; none when nothing does."""

    __test__ = False
    question: str
    expected: frozenset[str]
    category: str = ""


@dataclass(frozen=True)
class Calibration:
    """A threshold and what it does to the questions it was chosen by; all but the first are parts of 1."""

    threshold: float
    answerable_kept: float
    unanswerable_refused: float
    recall_at_1: float
    recall_at_5: float


async def calibrate(
    store: Store, searcher: Searcher, collection: str, questions: Sequence[TestQuestion], *, dry_run: bool
) -> Calibration:
    """Searches every question and keeps the threshold that tells both kinds apart best.

    Raises:
        TooFewQuestionsError: nothing was changed.
    """
    unanswerable = sum(not question.expected for question in questions)
    if min(unanswerable, len(questions) - unanswerable) < LEAST_OF_EACH:
        raise TooFewQuestionsError(
            f"questions: {len(questions) - unanswerable} have an answer and {unanswerable} have none; "
            f"at least {LEAST_OF_EACH} of each are needed"
        )
    found = [(one, await searcher.search(collection, one.question, _LOOKED_AT)) for one in questions]
    measured = measure(found)
    if not dry_run:
        await store.set_threshold(collection, measured.threshold)
    return measured


def measure(found: Sequence[tuple[TestQuestion, SearchResult]]) -> Calibration:
    """The best threshold for questions with their results, some of each kind."""
    answerable = [(one.expected, result) for one, result in found if one.expected]
    with_answer = [result.evidence for _, result in answerable]
    without = [result.evidence for one, result in found if not one.expected]
    border = threshold(with_answer, without)
    ranks = [rank(expected, [f.passage for f in result.found]) for expected, result in answerable]
    return Calibration(
        threshold=border,
        answerable_kept=_part([value >= border for value in with_answer]),
        unanswerable_refused=_part([value < border for value in without]),
        recall_at_1=_part([place == 1 for place in ranks]),
        recall_at_5=_part([place is not None for place in ranks]),
    )


def threshold(with_answer: Sequence[float], without: Sequence[float]) -> float:
    """The border with the highest sum of both parts told rightly, halfway between its neighbours."""
    values = sorted({*with_answer, *without})
    borders = [values[0], *((low + high) / 2 for low, high in itertools.pairwise(values))]

    def told_rightly(border: float) -> float:
        return _part([v >= border for v in with_answer]) + _part([v < border for v in without])

    return max(borders, key=told_rightly)


def rank(expected: frozenset[str], passages: Sequence[StoredPassage]) -> int | None:
    """Place of the first passage that answers, from 1; None when there is none."""
    for place, passage in enumerate(passages, start=1):
        if expected & {passage.question, passage.source, *passage.headings}:
            return place
    return None


def _part(outcomes: Sequence[bool]) -> float:
    return sum(outcomes) / len(outcomes)
