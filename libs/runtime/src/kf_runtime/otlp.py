"""How telemetry leaves the process: OTLP over gRPC or HTTP, by the standard OTEL_EXPORTER_OTLP_* settings."""

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.metrics.export import MetricExporter
from opentelemetry.sdk.trace.export import SpanExportResult

_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


@dataclass(frozen=True)
class SpanSender:
    """Delivers serialized ExportTraceServiceRequests, each within OTEL_EXPORTER_OTLP_TIMEOUT (10 s)."""

    send: Callable[[bytes], bool]
    close: Callable[[], None]


def is_disabled() -> bool:
    """Whether OTEL_SDK_DISABLED turns all of it off."""
    return os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"


def is_wanted(signal: str) -> bool:
    """Whether `TRACES` or `METRICS` leave: an endpoint is set, and the signal's exporter is not `none`."""
    env = os.environ
    if is_disabled() or env.get(f"OTEL_{signal}_EXPORTER") == "none":
        return False
    return bool(env.get(_ENDPOINT) or env.get(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT"))


def _over_http(signal: str) -> bool:
    chosen = os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    return os.environ.get(f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL", chosen).startswith("http")


def span_sender() -> SpanSender:
    """The SDK's exporter as the settings ask for, fed with what is encoded already."""
    # They tell of each try; who uses this tells once a minute.
    logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)
    logging.getLogger("opentelemetry.sdk.metrics").setLevel(logging.CRITICAL)
    return _http_sender() if _over_http("TRACES") else _grpc_sender()


def _grpc_sender() -> SpanSender:
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    class Encoded(OTLPSpanExporter):
        def _translate_data(self, data: Any) -> ExportTraceServiceRequest:
            return ExportTraceServiceRequest.FromString(data)

        def _count_data(self, data: Any) -> int:
            return 1

    exporter = Encoded()
    return SpanSender(
        lambda request: exporter.export(request) is SpanExportResult.SUCCESS,  # type: ignore[arg-type]
        exporter.shutdown,
    )


def _http_sender() -> SpanSender:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    exporter = OTLPSpanExporter()
    return SpanSender(lambda request: exporter._client.export(request).success, exporter.shutdown)


def metric_exporter() -> MetricExporter:
    """The SDK's exporter of metrics as the settings ask for."""
    if _over_http("METRICS"):
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpExporter

        return HttpExporter()
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcExporter

    return GrpcExporter()
