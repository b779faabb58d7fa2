"""Measures how well a collection answers its own test questions, and tells when a draft does it worse."""

import asyncio
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from kf_knowledge.calibration import TestQuestion, rank
from kf_knowledge.search import Searcher
from kf_knowledge.store import Scope

DEPTH = 10
_TOGETHER = 4
# What may be lost without a word: less than one question of a hundred, or of twenty in one category.
_TOLERANCE, _CATEGORY_TOLERANCE = 0.01, 0.05
_CATEGORY_QUESTIONS = 5
_GUARDED = {
    "ndcg_at_10": "nDCG@10",
    "recall_at_5": "recall@5",
    "answerable_kept": "questions told answerable",
    "unanswerable_refused": "questions told unanswerable",
}


@dataclass(frozen=True)
class Outcome:
    """One test question: the place of the first passage that answers it, whether it counted as answerable."""

    question: TestQuestion
    place: int | None
    answerable: bool


@dataclass(frozen=True)
class Figures:
    """How well questions are answered; all but the first two are parts of 1, and 1 without such questions."""

    category: str
    questions: int
    recall_at_1: float
    recall_at_5: float
    recall_at_10: float
    mrr_at_10: float
    ndcg_at_10: float
    answerable_kept: float
    unanswerable_refused: float
    no_answer_precision: float


@dataclass(frozen=True)
class Evaluation:
    """The draft's figures beside those of the published version: first of all questions, then by category."""

    draft: Sequence[Figures]
    published: Sequence[Figures]
    regressions: Sequence[str]
    lost_questions: Sequence[str]

    def as_dict(self) -> dict[str, Any]:
        """What is kept with a version: the draft's figures."""
        return {"figures": [asdict(one) for one in self.draft]}


class Evaluator:
    """Asks one searcher the test questions."""

    def __init__(self, searcher: Searcher) -> None:
        self._searcher = searcher

    async def evaluate(
        self, collection: str, questions: Sequence[TestQuestion], *, published: bool
    ) -> Evaluation:
        """Asks the draft and, if there is one, the published version."""
        draft = await self._ask(collection, questions, Scope(draft=True))
        before = await self._ask(collection, questions, Scope()) if published else []
        figures, old = by_category(draft), by_category(before)
        return Evaluation(figures, old, regressions(figures, old), lost(before, draft))

    async def _ask(self, collection: str, questions: Sequence[TestQuestion], scope: Scope) -> list[Outcome]:
        places = asyncio.Semaphore(_TOGETHER)

        async def ask(question: TestQuestion) -> Outcome:
            async with places:
                result = await self._searcher.search(collection, question.question, DEPTH, scope)
            place = rank(question.expected, [found.passage for found in result.found])
            return Outcome(question, place, result.answerable)

        return list(await asyncio.gather(*map(ask, questions)))


def by_category(outcomes: Sequence[Outcome]) -> list[Figures]:
    """Figures of all questions, then of each category by name; nothing without questions."""
    if not outcomes:
        return []
    categories = sorted({outcome.question.category for outcome in outcomes} - {""})
    parts = {name: [o for o in outcomes if o.question.category == name] for name in categories}
    return [figures("", outcomes), *(figures(name, some) for name, some in parts.items())]


def figures(category: str, outcomes: Sequence[Outcome]) -> Figures:
    """The figures of some questions. One passage answers a question, so nDCG is 1 / log2(place + 1)."""
    known = [outcome for outcome in outcomes if outcome.question.expected]
    unknown = [outcome for outcome in outcomes if not outcome.question.expected]
    places = [outcome.place or math.inf for outcome in known]
    refused = [outcome for outcome in outcomes if not outcome.answerable]
    return Figures(
        category=category,
        questions=len(outcomes),
        recall_at_1=_mean(place <= 1 for place in places),
        recall_at_5=_mean(place <= 5 for place in places),
        recall_at_10=_mean(place <= DEPTH for place in places),
        mrr_at_10=_mean(1 / place for place in places),
        ndcg_at_10=_mean(1 / math.log2(place + 1) for place in places),
        answerable_kept=_mean(outcome.answerable for outcome in known),
        unanswerable_refused=_mean(not outcome.answerable for outcome in unknown),
        no_answer_precision=_mean(not outcome.question.expected for outcome in refused),
    )


def regressions(draft: Sequence[Figures], published: Sequence[Figures]) -> list[str]:
    """What the draft does worse, in words an operator reads."""
    before: Mapping[str, Figures] = {one.category: one for one in published}
    found = []
    for now in draft:
        old = before.get(now.category)
        if old is None or (now.category and now.questions < _CATEGORY_QUESTIONS):
            continue
        tolerance = _CATEGORY_TOLERANCE if now.category else _TOLERANCE
        for name, title in _GUARDED.items():
            new_value, old_value = getattr(now, name), getattr(old, name)
            if new_value < old_value - tolerance:
                where = f" in category {now.category}" if now.category else ""
                found.append(f"{title}{where}: {new_value:.3f}, published {old_value:.3f}")
    return found


def lost(published: Sequence[Outcome], draft: Sequence[Outcome]) -> list[str]:
    """Questions that had their answer among the first five and have it no more."""
    return [
        after.question.question
        for before, after in zip(published, draft, strict=False)
        if before.place and before.place <= 5 and not (after.place and after.place <= 5)
    ]


def _mean(values: Iterable[float | bool]) -> float:
    counted = [float(value) for value in values]
    return sum(counted) / len(counted) if counted else 1.0
