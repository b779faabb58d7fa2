"""What every service measures of its hops: rate, errors and duration, queues, dead letters.

Names and attributes are declared in docs/telemetry.md; no attribute is open ended. Exemplars come by
themselves: a value recorded inside a sampled span carries its trace.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from time import perf_counter

import structlog
from opentelemetry import metrics

from kf_runtime.bell import pause

log = structlog.get_logger()

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
WATCH_SECONDS = 10.0
LONG_SECONDS = (0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0, 30.0, 60.0, 300.0, 1800.0, 7200.0, 43200.0)

_meter = metrics.get_meter("kf_runtime")


def _seconds(name: str, description: str, bounds: tuple[float, ...] = SECONDS) -> metrics.Histogram:
    return _meter.create_histogram(
        name, unit="s", description=description, explicit_bucket_boundaries_advisory=bounds
    )


processed = _seconds("messaging.process.duration", "One message in the hands of a consumer.")
published = _seconds("messaging.client.operation.duration", "One publish, until JetStream has stored it.")
called = _seconds("rpc.client.call.duration", "One gRPC call as its caller sees it.")
served = _seconds("rpc.server.call.duration", "One gRPC call as its server sees it.")
requested = _seconds("http.server.request.duration", "One request to the callback URL.")
queue_wait = _seconds("kf.queue.wait", "From stored in JetStream until delivered.", LONG_SECONDS)
queue_depth = _meter.create_gauge(
    "kf.queue.depth", unit="{message}", description="Messages a consumer has not done yet, of all replicas."
)
dead_letters = _meter.create_counter(
    "kf.dead_letters", unit="{letter}", description="Work put aside because it can never succeed."
)

Attributes = dict[str, str | int]


@contextmanager
def timed(histogram: metrics.Histogram, attributes: Attributes) -> Iterator[Attributes]:
    """Record how long the block took; `error.type` is added when it raises, more by who runs it."""
    began = perf_counter()
    try:
        yield attributes
    except BaseException as error:
        attributes["error.type"] = type(error).__name__
        raise
    finally:
        histogram.record(perf_counter() - began, attributes)


async def watch(
    stop: asyncio.Event, measure: Callable[[], Awaitable[None]], transient: tuple[type[Exception], ...]
) -> None:
    """Run `measure` every ten seconds until `stop`; while a dependency is away the old values stand."""
    while not stop.is_set():
        try:
            await measure()
        except transient as error:
            log.debug("telemetry.not_measured", error=type(error).__name__)
        await pause(stop, WATCH_SECONDS)
