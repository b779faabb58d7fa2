"""NATS JetStream as every service uses it: connect, streams, acked publish, and one careful consume loop."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from time import monotonic

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig, KeyValueConfig, StreamConfig
from nats.js.errors import BucketNotFoundError, NotFoundError
from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.util.types import AttributeValue

from kf_runtime import instruments, telemetry
from kf_runtime.bell import pause

log = structlog.get_logger()
tracer = trace.get_tracer("kf_runtime.nats")

RECONNECT_SECONDS = 0.25
_FETCH_SECONDS = 1.0
_CRASH_LIMIT = 10
_STREAM_NOT_FOUND = 10059
_WARN_SECONDS = 60.0
_BACKOFF_CAP_SECONDS = 30.0


@dataclass(frozen=True)
class Done:
    """The work is finished and safe; the message is acknowledged."""


@dataclass(frozen=True)
class Retry:
    """Try again after this many seconds; with no number, after a pause that grows with the deliveries."""

    after: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class Park:
    """This message can never succeed: it is copied to the dead letters and not delivered again."""

    reason: str


class StreamMissingError(Exception):
    """The server has lost a stream: the service must start again, which makes it anew."""


Outcome = Done | Retry | Park
Handler = Callable[[Msg], Awaitable[Outcome]]
OnPark = Callable[[Msg, str], Awaitable[None]]


@dataclass(frozen=True)
class Consumer:
    """One durable pull consumer; every limit is explicit because JetStream's defaults lose or double work."""

    stream: str
    durable: str
    filter_subject: str
    template: str
    """The subject with a placeholder, for span names: `kf.inbound.{open_kfid}`."""
    concurrency: int = 1
    ack_wait: float = 30.0
    max_ack_pending: int = 256
    max_deliver: int = 5000
    """About a day and a half of retries at the longest pause; then the message is parked."""


async def connect(url: str, name: str) -> Client:
    """Connect to one of `url` (comma-separated), waiting for ever for one, and keep reconnecting."""
    warned_kind, warned_at = "", 0.0

    async def on_error(error: Exception) -> None:
        # A server that is away fails four times a second: one line a minute for each kind of error is enough.
        nonlocal warned_kind, warned_at
        kind, now = type(error).__name__, monotonic()
        if kind != warned_kind or now > warned_at + _WARN_SECONDS:
            warned_kind, warned_at = kind, now
            log.warning("nats.error", error=kind)

    async def on_disconnect() -> None:
        # Closing on purpose is no news.
        if not client.is_closed:
            log.warning("nats.disconnected")

    async def on_reconnect() -> None:
        log.info("nats.reconnected")

    client = Client()
    await client.connect(
        [server.strip() for server in url.split(",")],
        name=name,
        connect_timeout=2,
        allow_reconnect=True,
        max_reconnect_attempts=-1,
        reconnect_time_wait=RECONNECT_SECONDS,  # type: ignore[arg-type]  # any number of seconds
        ping_interval=10,
        max_outstanding_pings=2,
        error_cb=on_error,
        disconnected_cb=on_disconnect,
        reconnected_cb=on_reconnect,
    )
    return client


async def connect_unless(stop: asyncio.Event, url: str, name: str) -> Client | None:
    """`connect`, but None when `stop` is set before a server answers."""
    connecting, stopping = asyncio.create_task(connect(url, name)), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({connecting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        return await connecting if connecting.done() else None
    finally:
        for task in (connecting, stopping):
            task.cancel()


async def close(client: Client) -> None:
    """Close the connection, in any state: a service that stops while NATS is away still exits 0."""
    # What was published into a dead socket goes out at last, fails again, and the client raises that.
    with suppress(OSError, NatsError):
        await client.close()


async def ensure_streams(js: JetStreamContext, streams: list[StreamConfig]) -> None:
    """Create the streams that are not there and bring the others to these settings; safe to race."""
    for config in streams:
        try:
            await js.update_stream(config)
        except NotFoundError:
            await js.add_stream(config)


async def ensure_buckets(js: JetStreamContext, buckets: list[KeyValueConfig]) -> None:
    """Create the key-value buckets that are not there."""
    for config in buckets:
        try:
            await js.key_value(config.bucket)
        except BucketNotFoundError:
            await js.create_key_value(config)


async def publish(
    js: JetStreamContext,
    subject: str,
    payload: bytes,
    *,
    msg_id: str,
    template: str,
    timeout: float = 5.0,
    headers: Mapping[str, str] | None = None,
) -> bool:
    """Publish under a dedup id and wait until JetStream has stored it; the trace context rides along.

    `headers` given: their trace context is the parent instead of the current span (a stored outbox row).
    Returns False when the stream had this id already.

    Raises:
        NatsError: nothing is known to be stored; publish again with the same id.
    """
    parent = telemetry.context_from(headers) if headers is not None else None
    attributes: dict[str, AttributeValue] = {
        "messaging.system": "nats",
        "messaging.operation.type": "send",
        "messaging.operation.name": "publish",
        "messaging.destination.name": subject,
        "messaging.destination.template": template,
        "messaging.message.id": msg_id,
        "messaging.message.body.size": len(payload),
    }
    with (
        tracer.start_as_current_span(
            f"publish {template}", context=parent, kind=SpanKind.PRODUCER, attributes=attributes
        ),
        instruments.timed(instruments.published, {"messaging.destination.template": template}),
    ):
        ack = await js.publish(
            subject, payload, timeout=timeout, headers={"Nats-Msg-Id": msg_id, **telemetry.carrier()}
        )
    return not ack.duplicate


@asynccontextmanager
async def heartbeat(msg: Msg, ack_wait: float) -> AsyncIterator[None]:
    """Tell the server that the message is still being worked on, three times per ack_wait."""

    async def beat() -> None:
        while True:
            await asyncio.sleep(ack_wait / 3)
            try:
                await msg.in_progress()
            except (NatsError, OSError):
                log.warning("nats.heartbeat_failed")

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()


async def consume(
    js: JetStreamContext,
    consumer: Consumer,
    handler: Handler,
    *,
    stop: asyncio.Event,
    on_park: OnPark,
    transient: tuple[type[Exception], ...] = (),
) -> None:
    """Run `consumer.concurrency` workers, each with one message at a time, until `stop` is set.

    The handler's outcome acks, delays or parks the message. An exception in `transient` (a dependency is
    down) is a Retry; any other is logged, retried, and parked after 10 deliveries. What is in hand at `stop`
    is finished.

    Raises:
        StreamMissingError: the server no longer has the stream.
    """
    config = ConsumerConfig(
        durable_name=consumer.durable,
        filter_subject=consumer.filter_subject,
        ack_wait=consumer.ack_wait,
        max_ack_pending=consumer.max_ack_pending,
        max_deliver=consumer.max_deliver,
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(_measure(js, consumer, stop))
        for _ in range(consumer.concurrency):
            group.create_task(_work(js, consumer, config, handler, stop, on_park, transient))


async def _measure(js: JetStreamContext, consumer: Consumer, stop: asyncio.Event) -> None:
    """Tell every some seconds how many messages the consumer has not done; all replicas tell the same."""

    async def measure() -> None:
        info = await js.consumer_info(consumer.stream, consumer.durable)
        depth = (info.num_pending or 0) + (info.num_ack_pending or 0)
        instruments.queue_depth.set(depth, {"messaging.destination.template": consumer.template})

    await instruments.watch(stop, measure, (NatsError, OSError))


async def _work(
    js: JetStreamContext,
    consumer: Consumer,
    config: ConsumerConfig,
    handler: Handler,
    stop: asyncio.Event,
    on_park: OnPark,
    transient: tuple[type[Exception], ...],
) -> None:
    subscription = None
    while not stop.is_set():
        try:
            if subscription is None:
                await js.add_consumer(consumer.stream, config)
                subscription = await js.pull_subscribe_bind(durable=consumer.durable, stream=consumer.stream)
            msg = await _fetch(subscription)
        except (NatsError, OSError) as error:
            if isinstance(error, NotFoundError) and error.err_code == _STREAM_NOT_FOUND:
                raise StreamMissingError(consumer.stream) from None
            # The server is away or being replaced: the client reconnects, the consumer is made again.
            log.warning("nats.fetch_failed", stream=consumer.stream, error=type(error).__name__)
            subscription = None
            await pause(stop, 1.0)
            continue
        if msg is not None:
            await _handle(msg, consumer, handler, on_park, transient)


async def _fetch(subscription: JetStreamContext.PullSubscription) -> Msg | None:
    """One message, or None after a quiet second. Never cancelled: what is under way would come late."""
    try:
        return (await subscription.fetch(1, timeout=_FETCH_SECONDS))[0]
    except TimeoutError:
        return None


async def _handle(
    msg: Msg, consumer: Consumer, handler: Handler, on_park: OnPark, transient: tuple[type[Exception], ...]
) -> None:
    """Give one message to the handler inside its CONSUMER span and settle it by the outcome."""
    deliveries = msg.metadata.num_delivered or 1
    attributes: dict[str, AttributeValue] = {
        "messaging.system": "nats",
        "messaging.operation.type": "process",
        "messaging.operation.name": "process",
        "messaging.destination.name": msg.subject,
        "messaging.destination.template": consumer.template,
        "messaging.message.id": (msg.headers or {}).get("Nats-Msg-Id", ""),
        "messaging.message.body.size": len(msg.data),
        "kf.delivery_count": deliveries,
    }
    with (
        tracer.start_as_current_span(
            f"process {consumer.template}",
            context=telemetry.context_from(msg.headers),
            kind=SpanKind.CONSUMER,
            attributes=attributes,
            links=telemetry.link_to(msg.headers),
        ) as span,
        instruments.timed(
            instruments.processed, {"messaging.destination.template": consumer.template}
        ) as told,
    ):
        if deliveries == 1:
            instruments.queue_wait.record(
                max(0.0, time.time() - msg.metadata.timestamp.timestamp()),
                {"messaging.destination.template": consumer.template},
            )
        async with heartbeat(msg, consumer.ack_wait):
            outcome = await _outcome(msg, handler, deliveries, transient)
        if isinstance(outcome, Retry) and deliveries >= consumer.max_deliver:
            outcome = Park(f"given up after {deliveries} deliveries: {outcome.reason}")
        # A Retry without a reason only waits its turn: that is no fault.
        if not isinstance(outcome, Done) and outcome.reason:
            span.set_status(Status(StatusCode.ERROR, outcome.reason))
        told["kf.outcome"] = type(outcome).__name__.lower()
        await _settle(msg, outcome, deliveries, on_park)


async def _outcome(
    msg: Msg, handler: Handler, deliveries: int, transient: tuple[type[Exception], ...]
) -> Outcome:
    try:
        return await handler(msg)
    except transient as error:
        log.warning("work.dependency_down", subject=msg.subject, error=type(error).__name__)
        return Retry(reason=type(error).__name__)
    except Exception as error:
        # A bug must not stop the other customers' messages: retried, then parked where people see it.
        log.exception("work.failed", subject=msg.subject, deliveries=deliveries)
        reason = f"unexpected {type(error).__name__}"
        return Park(reason) if deliveries >= _CRASH_LIMIT else Retry(reason=reason)


async def _settle(msg: Msg, outcome: Outcome, deliveries: int, on_park: OnPark) -> None:
    try:
        match outcome:
            case Done():
                await msg.ack()
            case Retry(after, _):
                await msg.nak(delay=after if after is not None else backoff(deliveries))
            case Park(reason):
                log.error("work.parked", subject=msg.subject, reason=reason)
                await on_park(msg, reason)
                await msg.term()
    except (NatsError, OSError) as error:
        # Not settled: the message comes again after ack_wait, and every handler bears that.
        log.warning("nats.settle_failed", subject=msg.subject, error=type(error).__name__)


def backoff(deliveries: int) -> float:
    """Seconds to wait before delivery `deliveries + 1`: 0.5, 1, 2 ... at most 30."""
    return float(min(0.5 * 2 ** min(deliveries - 1, 10), _BACKOFF_CAP_SECONDS))
