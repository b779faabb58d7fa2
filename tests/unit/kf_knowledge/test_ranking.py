"""Fusion, and how much speaks for an answer."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kf_knowledge.bm25 import Lexical
from kf_knowledge.ranking import Hit, evidence, fuse, lexical_share

A, B, C = (uuid.UUID(int=n) for n in (1, 2, 3))


def test_fusion_weighs_both_stretched_rankings() -> None:
    """Half meaning, half words; of the words' 1.5, BM25 gives up to 1 and coverage up to .5."""
    dense = {A: 0.9, B: 0.8, C: 0.85}
    lexical = {A: Lexical(2.0, 5.0), B: Lexical(8.0, 10.0)}
    hits = fuse(dense, lexical, total_weight=10.0, dense_share=0.5)
    assert {hit.id: round(hit.score, 6) for hit in hits} == {A: 0.6, B: 0.6, C: 0.2}
    assert [hit.id for hit in hits] == [A, B, C]
    assert [hit.coverage for hit in hits] == [0.5, 1.0, 0.0]


def test_noise_of_a_foreign_language_does_not_move_the_dense_ranking() -> None:
    """An English question over Chinese passages matches a stray number at most."""
    hits = fuse({A: 0.9, B: 0.85}, {B: Lexical(1.0, 0.2)}, total_weight=10.0, dense_share=0.5)
    assert [hit.id for hit in hits] == [A, B]


def test_lexical_side_speaks_up_with_what_it_knows() -> None:
    shares = [lexical_share(0.5, coverage) for coverage in (0.0, 0.1, 0.3, 0.5, 1.0)]
    assert shares[0] == 0.0
    assert shares == sorted(shares)
    assert shares[-1] == 0.5


def test_nothing_found_fuses_to_nothing() -> None:
    assert fuse({}, {}, 0.0, 0.5) == []


@given(
    st.dictionaries(st.uuids(), st.floats(-1, 1), min_size=1, max_size=20),
    st.floats(0, 1),
)
def test_scores_lie_between_zero_and_one(dense: dict[uuid.UUID, float], share: float) -> None:
    lexical = {id_: Lexical(abs(cosine) * 9, 1.0) for id_, cosine in list(dense.items())[::2]}
    hits = fuse(dense, lexical, total_weight=2.0, dense_share=share)
    assert {hit.id for hit in hits} == set(dense)
    assert all(-1e-9 <= hit.score <= 1 + 1e-9 for hit in hits)


def hit(dense: float, coverage: float) -> Hit:
    return Hit(A, 1.0, dense=dense, lexical=0.0, coverage=coverage)


def test_evidence_grows_with_distance_from_the_runners_up() -> None:
    """The same cosine says more where everything else is far away."""
    crowd, void = [0.9, *[0.89] * 30], [0.9, *[0.84] * 30]
    assert evidence(hit(0.9, 0.0), crowd) == pytest.approx(0.91)
    assert evidence(hit(0.9, 0.0), void) == pytest.approx(0.96)


def test_near_duplicates_of_the_best_do_not_belittle_it() -> None:
    assert evidence(hit(0.95, 0.0), [*[0.95] * 5, *[0.85] * 20]) == pytest.approx(1.05)


def test_words_in_common_are_evidence() -> None:
    cosines = [0.9, *[0.88] * 30]
    assert evidence(hit(0.9, 1.0), cosines) - evidence(hit(0.9, 0.5), cosines) == pytest.approx(0.02)


def test_tiny_collection_has_evidence_too() -> None:
    assert evidence(hit(0.95, 0.0), [0.95, 0.9]) == pytest.approx(0.99)
