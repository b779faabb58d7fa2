"""Puts questions that mean the same together, by their vectors."""

from collections.abc import Sequence

import numpy as np

from kf_knowledge.embedder import Vectors

# Cosine from which on two questions mean the same; chosen on pairs of phrasings of the sample's FAQ sheets.
SAME = 0.92
MOST_QUESTIONS = 1_000


def clusters(vectors: Vectors, threshold: float = SAME) -> list[list[int]]:
    """Groups of indexes, the largest first, in each the most typical first. `vectors` have length 1.

    The question with the most neighbours takes them all, then the next of those left: no chain of small
    steps joins questions that have nothing in common.
    """
    near = vectors @ vectors.T >= threshold
    left = np.ones(len(vectors), np.bool_)
    groups: list[list[int]] = []
    while left.any():
        counts = (near & left).sum(axis=1) * left
        first = int(counts.argmax())
        members = np.flatnonzero(near[first] & left)
        centre = vectors[members].mean(axis=0)
        order = np.argsort(-(vectors[members] @ centre), kind="stable")
        groups.append(members[order].tolist())
        left[members] = False
        left[first] = False
    return sorted(groups, key=len, reverse=True)


def distinct(questions: Sequence[str]) -> list[str]:
    """The questions without blanks around and without empty ones, in their order; repetitions count."""
    return [question.strip() for question in questions if question.strip()]
