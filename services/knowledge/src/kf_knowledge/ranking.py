"""Decides from scores alone which passages answer best: fusion, and whether there is an answer."""

import uuid
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from kf_knowledge.bm25 import Lexical

# The lexical side is silent below the first and has its full say from the second coverage on (benchmarks/).
_SILENT, _FULL_VOICE = 0.15, 0.5
# What holding all words of the question adds to the best BM25 score, which is 1 (docs/retrieval.md).
_COVERAGE_SHARE = 0.5
# Ranks whose cosines are a question's background: behind the few that may answer it, too.
_BACKGROUND = slice(5, 30)
# The lead of a barely answerable question, for collections too small to have a background.
_USUAL_LEAD = 0.04
_WORD_EVIDENCE = 0.04

_NO_MATCH = Lexical(0.0, 0.0)


class Hit(NamedTuple):
    """One candidate with its scores.

    score: the fused one, in [0, 1]. dense: cosine. lexical: BM25.
    coverage: the part of the query's weight, in [0, 1], whose lexemes the passage holds.
    """

    id: uuid.UUID
    score: float
    dense: float
    lexical: float
    coverage: float


def fuse(
    dense: Mapping[uuid.UUID, float],
    lexical: Mapping[uuid.UUID, Lexical],
    total_weight: float,
    dense_share: float,
) -> list[Hit]:
    """Merges both rankings, best first: a weighted sum of scores stretched to [0, 1] over the candidates.

    `dense` has a cosine for every candidate. The lexical side has less weight the less of the query it knows:
    a question in another language than the passages shares no words with them, and its few matches are noise.
    """
    matches = {id_: lexical.get(id_, _NO_MATCH) for id_ in dense}
    coverage = {id_: match.matched / max(total_weight, 1e-9) for id_, match in matches.items()}
    share = lexical_share(1 - dense_share, max(coverage.values(), default=0.0))
    stretched = _stretched({id_: match.score for id_, match in matches.items()})
    words = {id_: score + _COVERAGE_SHARE * coverage[id_] for id_, score in stretched.items()}
    meaning = _stretched(dense)
    most = share * (1 + _COVERAGE_SHARE) + (1 - share)
    hits = [
        Hit(
            id=id_,
            score=(share * words[id_] + (1 - share) * meaning[id_]) / most,
            dense=cosine,
            lexical=matches[id_].score,
            coverage=coverage[id_],
        )
        for id_, cosine in dense.items()
    ]
    return sorted(hits, key=lambda hit: (-hit.score, -hit.dense, hit.id))


def evidence(best: Hit, cosines: Iterable[float]) -> float:
    """How much speaks for an answer in the best passage, given the cosines of all candidates.

    Cosines of the embedded model lie between .75 and .99 and those of unrelated texts reach .90; each
    question has a floor of its own. What tells an answer is how far the best stands out from the runners-up;
    the words in common add a little.
    """
    background = sorted(cosines, reverse=True)[_BACKGROUND]
    lead = best.dense - sum(background) / len(background) if background else _USUAL_LEAD
    return best.dense + lead + _WORD_EVIDENCE * best.coverage


def lexical_share(share: float, coverage: float) -> float:
    """The lexical side's weight when its best passage holds `coverage` (0 to 1) of the query's weight."""
    return share * min(1.0, max(0.0, (coverage - _SILENT) / (_FULL_VOICE - _SILENT)))


def _stretched(scores: Mapping[uuid.UUID, float]) -> dict[uuid.UUID, float]:
    low, high = min(scores.values(), default=0.0), max(scores.values(), default=0.0)
    width = high - low
    return {id_: (score - low) / width if width > 0 else 0.0 for id_, score in scores.items()}
