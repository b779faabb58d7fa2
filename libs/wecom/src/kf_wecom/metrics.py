"""What is measured of the calls to WeCom; declared in docs/telemetry.md, no attribute is open ended."""

from opentelemetry import metrics

from kf_wecom.errcodes import CATALOGUE

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0)
_meter = metrics.get_meter("kf_wecom")
_called = _meter.create_histogram(
    "http.client.request.duration",
    unit="s",
    description="One call to WeCom, until its answer was read.",
    explicit_bucket_boundaries_advisory=_SECONDS,
)
_refreshes = _meter.create_counter(
    "kf.token.refreshes", unit="{call}", description="Calls of gettoken, by how they ended."
)


def called(path: str, method: str, seconds: float, outcome: int | str) -> None:
    """One call ended with an errcode (0: success) or, without an answer, for a reason in a word."""
    attributes: dict[str, str | int] = {"url.template": path, "http.request.method": method}
    if isinstance(outcome, str):
        attributes |= {"error.type": outcome, "kf.errcode.class": "unanswered"}
    elif outcome:
        entry = CATALOGUE.get(outcome)
        attributes["kf.wecom.errcode"] = outcome if entry else -2
        attributes["kf.errcode.class"] = entry.error_class.value if entry else "unknown"
    else:
        attributes["kf.errcode.class"] = "ok"
    _called.record(seconds, attributes)


def refreshed(outcome: str) -> None:
    """An access token was asked for: ok, refused or unreachable."""
    _refreshes.add(1, {"kf.outcome": outcome})
