"""The lexical side's arithmetic: which lexemes pick candidates, and BM25 of the candidates."""

import hashlib
import itertools
import math
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Robertson and Zaragoza's usual values.
K1, B = 1.2, 0.75
_HASH_BYTES = 4
_MAX_COUNT = 255
# Pairs are made of this many of the rarest lexemes when each alone is too common.
_PAIRED = 12


class Lexical(NamedTuple):
    """How well the words of one passage match: BM25 and the summed weight of the query's lexemes it holds."""

    score: float
    matched: float


class Candidate(NamedTuple):
    """A passage: its cosine to the query, and its lexemes as `packed` made them; `length` counts them."""

    id: uuid.UUID
    cosine: float
    length: int
    hashes: bytes
    counts: bytes


@dataclass(frozen=True)
class Terms:
    """The query's lexemes as BM25 sees them.

    weights: inverse document frequency of each lexeme the collection holds.
    selective: lexemes that pick candidates when a passage holds all of one tuple, rare ones first.
    total: weight of the whole query, with lexemes the collection lacks counted as the rarest possible.
    """

    weights: Mapping[str, float]
    selective: tuple[tuple[str, ...], ...]
    total: float


def inverse_frequency(passages: int, frequency: int) -> float:
    """BM25's weight of a lexeme that occurs in `frequency` of `passages` passages; never negative."""
    return math.log(1 + (passages - frequency + 0.5) / (frequency + 0.5))


def weigh(query: Mapping[str, float], passages: int, frequencies: Mapping[str, int], budget: int) -> Terms:
    """Weighs the query's lexemes and selects those that pick candidates, about `budget` passages in all."""
    known = sorted((frequencies[lexeme], lexeme) for lexeme in query if frequencies.get(lexeme))
    weights = {lexeme: query[lexeme] * inverse_frequency(passages, frequency) for frequency, lexeme in known}
    absent = sum(count for lexeme, count in query.items() if lexeme not in weights)
    total = sum(weights.values()) + absent * inverse_frequency(passages, 0)
    return Terms(weights, tuple(_selective(known, passages, budget)), total)


def _selective(known: Sequence[tuple[int, str]], passages: int, budget: int) -> Iterator[tuple[str, ...]]:
    """Rare lexemes until their passages together would exceed the budget; if that is few, pairs of the next.

    Common lexemes ("的") add next to nothing to BM25 and would drag the whole collection in. In a large one
    every word of a question may be common: there only passages that hold two of them are worth a look.
    """
    rare = list(itertools.takewhile(lambda sum_: sum_ <= budget, itertools.accumulate(f for f, _ in known)))
    yield from ((lexeme,) for _, lexeme in known[: len(rare)])
    found = (rare or [0])[-1]
    # Reading the long posting lists of common lexemes is the slowest part of a search.
    if found >= budget / 2:
        return
    pairs = list(_pairs(known[len(rare) : len(rare) + _PAIRED], passages, budget - found))
    yield from pairs
    if known and not rare and not pairs:
        yield (known[0][1],)


def _pairs(common: Sequence[tuple[int, str]], passages: int, room: float) -> Iterator[tuple[str, ...]]:
    for (first, one), (second, other) in itertools.combinations(common, 2):
        expected = first * second / passages
        # Lexemes cut from the same word always occur together: their pair is as common as each.
        if set(one) & set(other) or expected > room:
            continue
        room -= expected
        yield (one, other)


def packed(lexemes: Counter[str]) -> tuple[bytes, bytes]:
    """Hashes and counts of a passage's lexemes, in one order: 4 bytes and 1 byte for each."""
    counts = bytes(min(count, _MAX_COUNT) for count in lexemes.values())
    return b"".join(map(_hash, lexemes)), counts


def _hash(lexeme: str) -> bytes:
    return hashlib.sha256(lexeme.encode()).digest()[:_HASH_BYTES]


def scores(
    passages: Sequence[Candidate], weights: Mapping[str, float], mean_length: float
) -> dict[uuid.UUID, Lexical]:
    """BM25 of those passages that hold any of the weighted lexemes; `mean_length` is the collection's."""
    if not passages or not weights:
        return {}
    entries, lexemes = _matches(b"".join(passage.hashes for passage in passages), list(weights))
    owner = np.repeat(np.arange(len(passages)), [len(passage.counts) for passage in passages])[entries]
    frequency = np.frombuffer(b"".join(p.counts for p in passages), np.uint8)[entries].astype(np.float64)
    length = np.array([passage.length for passage in passages], np.float64)
    norm = K1 * (1 - B + B * length / max(mean_length, 1.0))
    weight = np.array(list(weights.values()))[lexemes]
    score = np.bincount(owner, weight * (K1 + 1) * frequency / (frequency + norm[owner]), len(passages))
    matched = np.bincount(owner, weight, len(passages))
    return {
        passages[index].id: Lexical(float(score[index]), float(matched[index]))
        for index in np.flatnonzero(matched).tolist()
    }


def _matches(hashes: bytes, lexemes: Sequence[str]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Positions in `hashes` of any of the lexemes, and which lexeme stands at each."""
    wanted = np.frombuffer(b"".join(map(_hash, lexemes)), np.uint32)
    order = np.argsort(wanted)
    every = np.frombuffer(hashes, np.uint32)
    # Nearly all entries drop out by their first two bytes, in a table that fits the cache.
    likely = np.zeros(1 << 16, np.bool_)
    likely[wanted & 0xFFFF] = True
    entries = np.flatnonzero(likely[every & 0xFFFF])
    place = np.searchsorted(wanted, every[entries], sorter=order).clip(max=len(wanted) - 1)
    found = wanted[order[place]] == every[entries]
    return entries[found], order[place[found]]
