"""What the knowledge service measures; declared in docs/telemetry.md."""

from opentelemetry import metrics

from kf_knowledge.search import SearchResult

_meter = metrics.get_meter("kf_knowledge")
_searches = _meter.create_counter(
    "kf.retrieval.searches", unit="{search}", description="Searches: answerable, unanswerable or empty."
)
_passages = _meter.create_histogram(
    "kf.retrieval.passages",
    unit="{passage}",
    description="Passages returned by one search.",
    explicit_bucket_boundaries_advisory=(0, 1, 2, 3, 5, 10, 20, 50),
)


def searched(result: SearchResult) -> None:
    """One search has ended."""
    outcome = "answerable" if result.answerable else "unanswerable" if result.found else "empty"
    _searches.add(1, {"kf.outcome": outcome})
    _passages.record(len(result.found))
