"""The newest value of every metric the services export, in memory; in the cluster Prometheus keeps more."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Exemplar, Metric

from kf_traces.otlp import MalformedExportError, read_attributes
from kf_traces.span import Value

MAX_SERIES = 5_000
_NUMBERS = ("gauge", "sum")


@dataclass(frozen=True)
class Point:
    """One series as it was last told; `count` and `sum` of a histogram, `value` of everything else."""

    service: str
    instance: str
    name: str
    unit: str
    kind: str
    attributes: dict[str, Value]
    time_ns: int
    value: float | None = None
    count: int | None = None
    sum: float | None = None
    bounds: tuple[float, ...] = ()
    buckets: tuple[int, ...] = ()
    exemplars: tuple[str, ...] = ()
    """Trace ids."""


class Board:
    """The newest points; beyond MAX_SERIES the one that was not told for longest is forgotten."""

    def __init__(self) -> None:
        self._points: dict[tuple[Any, ...], Point] = {}

    def take(self, body: bytes) -> None:
        """Read a serialized ExportMetricsServiceRequest; raises MalformedExportError."""
        try:
            request = ExportMetricsServiceRequest.FromString(body)
        except DecodeError as error:
            raise MalformedExportError("the body is not an OTLP ExportMetricsServiceRequest") from error
        for point in _points(request):
            key = (point.service, point.instance, point.name, *sorted(map(str, point.attributes.items())))
            self._points.pop(key, None)
            self._points[key] = point
        for key in list(self._points)[:-MAX_SERIES]:
            del self._points[key]

    def points(self) -> list[dict[str, Any]]:
        """All series by name."""
        return [asdict(point) for point in sorted(self._points.values(), key=lambda p: (p.name, p.service))]


def _points(request: ExportMetricsServiceRequest) -> Iterator[Point]:
    for resource_metrics in request.resource_metrics:
        resource = read_attributes(resource_metrics.resource.attributes)
        told_by = (str(resource.get("service.name", "")), str(resource.get("service.instance.id", "")))
        for scope_metrics in resource_metrics.scope_metrics:
            for metric in scope_metrics.metrics:
                yield from _of_metric(metric, *told_by)


def _of_metric(metric: Metric, service: str, instance: str) -> Iterator[Point]:
    kind = metric.WhichOneof("data") or ""
    if kind not in (*_NUMBERS, "histogram"):
        return
    for found in getattr(metric, kind).data_points:
        known = (service, instance, metric.name, metric.unit, kind, read_attributes(found.attributes))
        exemplars = _exemplars(found.exemplars)
        if kind == "histogram":
            yield Point(
                *known,
                found.time_unix_nano,
                count=found.count,
                sum=found.sum,
                bounds=tuple(found.explicit_bounds),
                buckets=tuple(found.bucket_counts),
                exemplars=exemplars,
            )
        else:
            value = found.as_int if found.WhichOneof("value") == "as_int" else found.as_double
            yield Point(*known, found.time_unix_nano, value=value, exemplars=exemplars)


def _exemplars(found: Iterable[Exemplar]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(exemplar.trace_id.hex() for exemplar in found if exemplar.trace_id))
