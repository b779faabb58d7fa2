"""Term weights, what picks candidates, and BM25 of packed term frequencies."""

import math
import uuid
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kf_knowledge.bm25 import Candidate, inverse_frequency, packed, scores, weigh

TEXTS = st.dictionaries(st.text(min_size=1, max_size=5), st.integers(1, 300), max_size=30).map(Counter)


def test_inverse_frequency_is_that_of_bm25() -> None:
    assert inverse_frequency(100, 1) == pytest.approx(math.log(1 + 99.5 / 1.5))
    assert inverse_frequency(100, 100) > 0


def test_common_lexemes_do_not_pick_candidates() -> None:
    terms = weigh({"的": 1, "扫地": 1, "保修": 1}, 1_000, {"的": 990, "扫地": 40, "保修": 30}, budget=100)
    assert terms.selective == (("保修",), ("扫地",))
    assert set(terms.weights) == {"的", "保修", "扫地"}


def test_rarest_lexeme_picks_candidates_even_beyond_the_budget() -> None:
    assert weigh({"的": 1}, 1_000, {"的": 990}, budget=100).selective == (("的",),)


def test_unknown_lexemes_weigh_as_the_rarest_possible() -> None:
    terms = weigh({"甲": 1, "乙": 2}, 10, {"甲": 1}, budget=100)
    assert terms.total == pytest.approx(inverse_frequency(10, 1) + 2 * inverse_frequency(10, 0))


def test_common_lexemes_pick_candidates_in_pairs() -> None:
    """In a large collection each word alone brings too much, two of different words together do not."""
    frequencies = {"扫地": 3_000, "扫": 4_000, "保修": 2_000, "的": 90_000}
    terms = weigh(dict.fromkeys(frequencies, 1.0), 100_000, frequencies, budget=300)
    assert terms.selective == (("保修", "扫地"), ("保修", "扫"))


def test_no_pairs_where_rare_lexemes_bring_enough() -> None:
    frequencies = {"扫地": 3_000, "保修": 2_000, "基站": 160}
    terms = weigh(dict.fromkeys(frequencies, 1.0), 100_000, frequencies, budget=300)
    assert terms.selective == (("基站",),)


def by_the_book(terms: Counter[str], weights: dict[str, float], mean: float) -> float:
    """BM25 with k1 = 1.2 and b = 0.75; the index counts an occurrence up to 255 times."""
    norm = 1.2 * (0.25 + 0.75 * terms.total() / mean)
    counts = {lexeme: min(terms[lexeme], 255) for lexeme in weights if lexeme in terms}
    return math.fsum(weights[lexeme] * 2.2 * tf / (tf + norm) for lexeme, tf in counts.items())


@given(st.lists(TEXTS, max_size=8), st.dictionaries(st.text(min_size=1, max_size=2), st.floats(0.1, 9)))
def test_scores_are_those_of_the_book(texts: list[Counter[str]], weights: dict[str, float]) -> None:
    """Whatever lexemes there are; passages without any of the query's are left out."""
    for terms, lexeme in zip(texts, weights, strict=False):
        terms[lexeme] += 1
    held = [Candidate(uuid.uuid4(), 0.5, terms.total(), *packed(terms)) for terms in texts]
    found = scores(held, weights, mean_length=20.0)
    for passage, terms in zip(held, texts, strict=True):
        matched = sum(weight for lexeme, weight in weights.items() if lexeme in terms)
        assert (passage.id in found) == (matched > 0)
        if matched:
            assert found[passage.id].score == pytest.approx(by_the_book(terms, weights, 20.0))
            assert found[passage.id].matched == pytest.approx(matched)
