"""Measures the tracing dashboard: spans taken in per second, and how soon its page shows lists and traces.

    python -m benchmarks.traces [--traces 10000] [--exporters 4]

A dashboard of its own gets made-up customer messages over OTLP/gRPC, as the services send them: 17 spans
each, 512 spans an export. Then a headless Chromium, where there is one, opens the list of all of them and a
trace of 200 spans; the times run from the start of the navigation until the rows are in the document.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import httpx
from kf_cli import embedded
from kf_traces.span import Span, Value
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from tests.browser import chromium
from tests.fakes.journeys import MS, answered, large

BATCH = 512
KINDS = {"internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


def value(given: Value) -> AnyValue:
    """An attribute's value as OTLP carries it."""
    if isinstance(given, list):
        return AnyValue(array_value=ArrayValue(values=[value(item) for item in given]))
    return AnyValue(int_value=given) if isinstance(given, int) else AnyValue(string_value=str(given))


def pairs(attributes: Mapping[str, Value]) -> list[KeyValue]:
    """Attributes as OTLP carries them."""
    return [KeyValue(key=key, value=value(given)) for key, given in attributes.items()]


def message(span: Span) -> trace_pb2.Span:
    """A span as OTLP carries it."""
    return trace_pb2.Span(
        trace_id=bytes.fromhex(span.trace_id),
        span_id=bytes.fromhex(span.span_id),
        parent_span_id=bytes.fromhex(span.parent_span_id),
        name=span.name,
        kind=KINDS[span.kind],  # type: ignore[arg-type]
        start_time_unix_nano=span.start_ns,
        end_time_unix_nano=span.end_ns,
        attributes=pairs(span.attributes),
    )


def export(spans: Sequence[Span]) -> bytes:
    """One request of one service, as the batch processor of its SDK makes it."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.extend(pairs(spans[0].resource))
    resource.scope_spans.add(spans=[message(span) for span in spans])
    return request.SerializeToString()


def exports(traces: int) -> Iterator[bytes]:
    """Every service's spans in batches of its own, so that one trace arrives in pieces."""
    waiting: dict[str, list[Span]] = {}
    now = time.time_ns()
    for number in range(traces):
        for span in answered(number, now - (traces - number) * 100 * MS).spans:
            batch = waiting.setdefault(span.service, [])
            batch.append(span)
            if len(batch) == BATCH:
                yield export(batch)
                batch.clear()
    yield from (export(batch) for batch in waiting.values() if batch)


@contextmanager
def dashboard(folder: Path) -> Iterator[tuple[str, str]]:
    """A running kf_traces; the addresses of its page and of OTLP/gRPC."""
    page, otlp = embedded.free_port(), embedded.free_port()
    settings = [f"KF_TRACES_PORT={page}", f"KF_TRACES_OTLP_GRPC_PORT={otlp}", "KF_TRACES_OTLP_HTTP_PORT=0"]
    settings += [f"KF_TRACES_DATA_DIR={folder}", "KF_TRACES_MAX_MB=4096"]
    command = ["env", *settings, sys.executable, "-m", "kf_traces"]
    with embedded.Child("traces", command, page, folder / "traces.log"):
        yield f"http://127.0.0.1:{page}", f"127.0.0.1:{otlp}"


def ingest(otlp: str, bodies: Sequence[bytes], exporters: int) -> float:
    """Seconds until every export was acknowledged, which is when it is committed."""
    with grpc.insecure_channel(otlp) as channel:
        send: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(EXPORT)
        grpc.channel_ready_future(channel).result(30)
        began = time.monotonic()
        with ThreadPoolExecutor(exporters) as pool:
            list(pool.map(lambda body: send(body, timeout=120), bodies))
        return time.monotonic() - began


def api_milliseconds(url: str, path: str, times: int = 5) -> float:
    """The median of some requests."""
    taken = []
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        for _ in range(times):
            began = time.monotonic()
            client.get(path).raise_for_status()
            taken.append((time.monotonic() - began) * 1000)
    return statistics.median(taken)


def page_milliseconds(browser: chromium.Chromium, address: str, shown: str) -> float:
    """The median of three openings, from the start of the navigation until the expression is true."""
    mark = (
        f"new Promise((done) => {{ const look = () => ({shown}) ? done(performance.now())"
        " : setTimeout(look, 5); look(); })"
    )
    taken = []
    for _ in range(3):
        with browser.page(address, 1400, 900) as page:
            taken.append(float(page.js(mark)))
    return statistics.median(taken)


def show_pages(url: str, traces: int, folder: Path) -> None:
    """Open the page and print how long it took."""
    if chromium.executable() is None:
        print("page: no Chromium here")
        return
    first = "document.querySelectorAll('.item').length > 5"
    whole = f"document.querySelector('.item')?.getAttribute('aria-setsize') === '{min(traces + 1, 10_200)}'"
    rows = "document.querySelectorAll('.row').length > 10"
    with chromium.running(folder / "chromium") as browser:
        print(f"page, first rows of the list      {page_milliseconds(browser, url, first):8.0f} ms")
        print(f"page, all {traces:6} rows scrollable {page_milliseconds(browser, url, whole):8.0f} ms")
        trace = f"{url}/trace/{large(traces, 0, 1).trace_id}"
        print(f"page, trace of 200 spans          {page_milliseconds(browser, trace, rows):8.0f} ms")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--traces", type=int, default=10_000)
    parser.add_argument("--exporters", type=int, default=4)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, dashboard(Path(folder)) as (url, otlp):
        bodies = list(exports(given.traces))
        spans = given.traces * len(answered(0, 0).spans)
        seconds = ingest(otlp, bodies, given.exporters)
        print(f"ingest {spans} spans in {seconds:.1f} s: {spans / seconds:.0f} spans/s")
        ingest(otlp, [export(large(given.traces, time.time_ns(), 200).spans)], 1)
        lists = {
            f"list of {given.traces} traces": "/api/traces?limit=10000",
            "200 newest traces": "/api/traces?limit=200",
            "unanswered of all": "/api/traces?unanswered=1",
        }
        for name, path in lists.items():
            print(f"api, {name:28} {api_milliseconds(url, path):8.0f} ms")
        show_pages(url, given.traces, Path(folder))


if __name__ == "__main__":
    main()
