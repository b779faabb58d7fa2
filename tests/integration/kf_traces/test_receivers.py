"""The dashboard as a process, fed by the exporters of the OpenTelemetry SDK."""

import gzip
import signal
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import LogsServiceStub
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import MetricsServiceStub
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExporter, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter
from opentelemetry.trace import Link, SpanKind, Status, StatusCode

PROTOBUF = {"Content-Type": "application/x-protobuf"}


@dataclass
class Dashboard:
    """A running kf_traces and its three addresses."""

    process: subprocess.Popen[str]
    page: str
    otlp_grpc: str
    otlp_http: str

    def get(self, path: str, **query: str) -> Any:
        response = httpx.get(self.page + path, params=query)
        assert response.status_code == 200, response.text
        return response.json()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        with self.process:
            return self.process.wait(20)


def start(data_dir: Path, **settings: str) -> Dashboard:
    ports = {"KF_TRACES_PORT": "0", "KF_TRACES_OTLP_GRPC_PORT": "0", "KF_TRACES_OTLP_HTTP_PORT": "0"}
    process = subprocess.Popen(
        [sys.executable, "-m", "kf_traces"],
        env={"KF_TRACES_DATA_DIR": str(data_dir), **ports, **settings},
        cwd=data_dir,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    addresses = dict(word.split("=", 1) for word in line.split()[2:])
    return Dashboard(process, addresses["page"], addresses["otlp_grpc"], addresses["otlp_http"])


@pytest.fixture
def dashboard(tmp_path: Path) -> Iterator[Dashboard]:
    running = start(tmp_path)
    yield running
    assert running.stop() == 0


def exporter_for(dashboard: Dashboard, protocol: str) -> SpanExporter:
    if protocol == "grpc":
        return GrpcExporter(endpoint=dashboard.otlp_grpc, insecure=True)
    compression = Compression.Gzip if protocol == "http+gzip" else Compression.NoCompression
    return HttpExporter(endpoint=f"{dashboard.otlp_http}/v1/traces", compression=compression)


def provider_for(dashboard: Dashboard, protocol: str = "grpc", service: str = "kf-sender") -> TracerProvider:
    provider = TracerProvider(resource=Resource({"service.name": service}), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter_for(dashboard, protocol)))
    return provider


@pytest.mark.parametrize("protocol", ["grpc", "http", "http+gzip"])
def test_spans_of_the_sdk_come_back_whole(dashboard: Dashboard, protocol: str) -> None:
    provider = provider_for(dashboard, protocol)
    tracer = provider.get_tracer("tests")
    with (
        tracer.start_as_current_span("receive callback", kind=SpanKind.SERVER) as root,
        tracer.start_as_current_span("send", attributes={"kf.msgid": "M-1", "kf.attempt": 2}) as child,
    ):
        child.add_event("kf.errcode", {"kf.errcode": 95001})
        child.set_status(Status(StatusCode.ERROR, "95001"))
    provider.shutdown()

    trace = dashboard.get(f"/api/traces/{root.get_span_context().trace_id:032x}")

    sent, received = sorted(trace["spans"], key=lambda span: span["name"], reverse=True)
    assert (received["name"], received["kind"], received["parent_span_id"]) == (
        "receive callback",
        "server",
        "",
    )
    assert sent["parent_span_id"] == received["span_id"]
    assert sent["service"] == sent["resource"]["service.name"] == "kf-sender"
    assert (sent["status"], sent["status_message"]) == ("error", "95001")
    assert sent["attributes"] == {"kf.msgid": "M-1", "kf.attempt": 2}
    assert [event["attributes"] for event in sent["events"]] == [{"kf.errcode": 95001}]
    assert received["start_ns"] <= sent["start_ns"] <= sent["end_ns"] <= received["end_ns"]


def test_list_filters_by_id_service_error_and_duration(dashboard: Dashboard) -> None:
    sender, dialog = provider_for(dashboard), provider_for(dashboard, service="kf-dialog")
    dialog.get_tracer("t").start_span("turn", attributes={"kf.msgid": "M-7"}).end()
    slow = sender.get_tracer("t").start_span("slow send", start_time=1_000)
    slow.set_status(Status(StatusCode.ERROR, "45009"))
    slow.end(end_time=3_000_001_000)
    sender.shutdown()
    dialog.shutdown()

    def names(**query: str) -> list[str]:
        return [trace["name"] for trace in dashboard.get("/api/traces", **query)["traces"]]

    assert names() == ["turn", "slow send"]
    assert names(q="M-7") == names(q="kf.msgid=M-7") == names(service="kf-dialog") == ["turn"]
    assert names(q="slo") == names(status="error") == names(min_ms="2900") == ["slow send"]
    assert names(q="M-8") == names(q="kf.msgid=M-8") == names(service="kf-dialog", status="error") == []
    assert [
        span["name"] for span in dashboard.get("/api/spans", attribute="kf.msgid", value="M-7")["spans"]
    ] == ["turn"]


def test_linked_traces_are_related_in_both_directions(dashboard: Dashboard) -> None:
    provider = provider_for(dashboard)
    tracer = provider.get_tracer("tests")
    first = tracer.start_span("message 1")
    first.end()
    merged = tracer.start_span("message 2", links=[Link(first.get_span_context())])
    merged.end()
    provider.shutdown()
    ids = [f"{span.get_span_context().trace_id:032x}" for span in (first, merged)]

    related = [[t["trace_id"] for t in dashboard.get(f"/api/traces/{i}")["related"]] for i in ids]

    assert related == [[ids[1]], [ids[0]]]


def test_traces_survive_a_restart_and_delete_forgets_them(tmp_path: Path) -> None:
    for expected in (1, 2):
        dashboard = start(tmp_path)
        provider = provider_for(dashboard)
        provider.get_tracer("tests").start_span("turn").end()
        provider.shutdown()
        assert dashboard.get("/health")["traces"] == expected
        assert dashboard.stop() == 0
    dashboard = start(tmp_path)
    assert httpx.delete(f"{dashboard.page}/api/traces").status_code == 204
    assert dashboard.get("/api/traces") == {"traces": [], "next": None, "errcodes": {}}
    assert dashboard.stop() == 0


def test_metrics_and_logs_are_accepted_and_dropped(dashboard: Dashboard) -> None:
    with grpc.insecure_channel(urllib.parse.urlsplit(dashboard.otlp_grpc).netloc) as channel:
        MetricsServiceStub(channel).Export(ExportMetricsServiceRequest(), timeout=10)  # type: ignore[no-untyped-call]
        LogsServiceStub(channel).Export(ExportLogsServiceRequest(), timeout=10)  # type: ignore[no-untyped-call]
    for signal_name in ("metrics", "logs"):
        answer = httpx.post(f"{dashboard.otlp_http}/v1/{signal_name}", content=b"\x0a\x00", headers=PROTOBUF)
        assert answer.status_code == 200


@pytest.mark.parametrize(
    ("body", "headers", "status", "said"),
    [
        (b"not protobuf", {}, 400, "ExportTraceServiceRequest"),
        (b"", {"Content-Type": "application/json"}, 415, "application/x-protobuf"),
        (b"", {"Content-Encoding": "br"}, 415, "gzip"),
        (b"plain", {"Content-Encoding": "gzip"}, 400, "gzip"),
        (gzip.compress(b"a" * 100)[:-9], {"Content-Encoding": "gzip"}, 400, "cut short"),
        (gzip.compress(bytes(17 * 1024 * 1024)), {"Content-Encoding": "gzip"}, 413, "unpacked"),
        (bytes(17 * 1024 * 1024), {}, 413, "at most"),
    ],
    ids=["malformed", "json", "brotli", "not gzip", "cut gzip", "gzip bomb", "too big"],
)
def test_bad_http_export_is_refused(
    dashboard: Dashboard, body: bytes, headers: dict[str, str], status: int, said: str
) -> None:
    answer = httpx.post(f"{dashboard.otlp_http}/v1/traces", content=body, headers=PROTOBUF | headers)

    assert (answer.status_code, said in answer.text) == (status, True), answer.text


def test_malformed_grpc_export_is_an_invalid_argument(dashboard: Dashboard) -> None:
    with grpc.insecure_channel(urllib.parse.urlsplit(dashboard.otlp_grpc).netloc) as channel:
        export: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
            "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
        )
        with pytest.raises(grpc.RpcError) as raised:
            export(b"not protobuf", timeout=10)

    assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert dashboard.get("/health")["status"] == "ok"


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_metrics_of_the_sdk_are_kept_with_their_exemplars(dashboard: Dashboard, protocol: str) -> None:
    exporter: MetricExporter = (
        GrpcMetricExporter(endpoint=dashboard.otlp_grpc, insecure=True)
        if protocol == "grpc"
        else HttpMetricExporter(endpoint=f"{dashboard.otlp_http}/v1/metrics")
    )
    meters = MeterProvider(
        [PeriodicExportingMetricReader(exporter, 60_000)],
        Resource({"service.name": "kf-sender"}),
        shutdown_on_exit=False,
    )
    meter = meters.get_meter("t")
    delay = meter.create_histogram("kf.delay", unit="s", explicit_bucket_boundaries_advisory=(1, 5))
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("t")
    with tracer.start_as_current_span("send") as span:
        delay.record(3.5, {"kf.outcome": "ok"})
    meter.create_gauge("kf.open").set(2)
    meter.create_counter("kf.letters").add(3)
    meters.shutdown()

    found = {point["name"]: point for point in dashboard.get("/api/metrics")["metrics"]}

    assert (found["kf.open"]["value"], found["kf.letters"]["value"]) == (2, 3)
    histogram = found["kf.delay"]
    assert (histogram["count"], histogram["sum"], histogram["unit"]) == (1, 3.5, "s")
    assert (histogram["bounds"], histogram["buckets"]) == ([1.0, 5.0], [0, 1, 0])
    assert histogram["attributes"] == {"kf.outcome": "ok"}
    assert histogram["exemplars"] == [f"{span.get_span_context().trace_id:032x}"]
