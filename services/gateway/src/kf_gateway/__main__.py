"""`python -m kf_gateway`: settings, the HTTP side at once, the pull as soon as NATS is there."""

import asyncio
import errno
import socket
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial

import structlog
from kf_contracts import streams, subjects
from kf_contracts.events import DeadLetter
from kf_runtime import lifecycle, logging, nats, telemetry
from kf_runtime.dead_letter import burying
from kf_runtime.nats import Consumer
from kf_runtime.settings import load
from kf_wecom.client import WecomClient, fetch_token
from kf_wecom.crypto import CallbackCrypto
from kf_wecom.token import SharedToken
from kf_wecom.transport import Transport
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.kv import KeyValue

from kf_gateway import http
from kf_gateway.budget import TokenlessBudget
from kf_gateway.cursor import Cursors
from kf_gateway.inbound import SERVICE, Inbound
from kf_gateway.lease import Leases
from kf_gateway.notices import NoticeStream
from kf_gateway.outage import Outages
from kf_gateway.poller import Poller
from kf_gateway.puller import Puller
from kf_gateway.settings import Settings

_DRAIN_SECONDS = 25.0
_AGAIN_SECONDS = 1.0

NOTICES = Consumer(
    stream=streams.KF_NOTICE,
    durable="puller",
    filter_subject=f"{subjects.NOTICE}.*",
    template="kf.notice.{open_kfid}",
    ack_wait=10.0,
    # One notice per account at most: none may keep another waiting while it rests.
    max_ack_pending=10_000,
    # A notice waits for as long as an operator takes to mend the settings.
    max_deliver=100_000,
)

log = structlog.get_logger()


def main() -> None:
    """Run the gateway until SIGTERM."""
    settings = load(Settings)
    logging.setup(SERVICE, level=settings.log_level, debug=settings.debug, log_dir=settings.kf_log_dir)
    try:
        listener = http.listen(settings.host, settings.port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            lifecycle.cannot_start(SERVICE, lifecycle.port_taken(settings.port, "PORT"))
        what = f"HOST {settings.host}, PORT {settings.port}: {error.strerror or error}."
        lifecycle.cannot_start(SERVICE, f"{what} Correct HOST or PORT. / 地址不可用，请修改 HOST 或 PORT。")
    lifecycle.run(run(settings, listener), SERVICE)


async def run(settings: Settings, listener: socket.socket) -> None:
    """Serve and pull until a signal; the connections outlive the requests and pages in hand."""
    stop = lifecycle.stop_on_signals()
    provider = telemetry.setup(SERVICE)
    crypto = CallbackCrypto(
        settings.wecom_token.get_secret_value(),
        settings.wecom_encoding_aes_key.get_secret_value(),
        settings.wecom_corp_id,
    )
    notices = NoticeStream()
    async with AsyncExitStack() as connections:
        tasks = {
            "http": http.serve(http.create_app(crypto, notices), listener, stop),
            "pull": pull(settings, notices, connections, stop),
        }
        await lifecycle.supervise(stop, tasks, _DRAIN_SECONDS)
    provider.shutdown()


async def pull(
    settings: Settings, notices: NoticeStream, connections: AsyncExitStack, stop: asyncio.Event
) -> None:
    """Wait for NATS, let the callbacks in, then pull by notice and by poll until `stop`."""
    client = await nats.connect_unless(stop, settings.nats_url, "kf-gateway")
    if client is None:
        return
    connections.push_async_callback(nats.close, client)
    js = client.jetstream()
    buckets = await _prepared(js, settings.kf_nats_replicas, stop)
    if buckets is None:
        return
    notices.attach(client)
    log.info("gateway.ready", port=settings.port)
    transport = await connections.enter_async_context(Transport(settings.wecom_api_base))
    puller, poller = _adapters(settings, js, buckets, transport, stop)
    consumer = replace(NOTICES, concurrency=settings.kf_gateway_pull_workers)
    async with asyncio.TaskGroup() as group:
        group.create_task(poller.run(stop))
        group.create_task(
            nats.consume(
                js,
                consumer,
                puller.handle,
                stop=stop,
                on_park=burying(js, SERVICE, DeadLetter),
                transient=(NatsError, OSError),
            )
        )


async def _prepared(js: JetStreamContext, replicas: int, stop: asyncio.Event) -> dict[str, KeyValue] | None:
    """Make the streams and buckets, waiting for a JetStream that is still electing its leader.

    Returns the buckets by name, or None if `stop` came first.
    """
    configs = streams.bucket_configs(replicas)
    while not stop.is_set():
        try:
            await nats.ensure_streams(js, streams.stream_configs(replicas))
            await nats.ensure_buckets(js, configs)
            return {config.bucket: await js.key_value(config.bucket) for config in configs}
        except (NatsError, OSError) as error:
            log.warning("gateway.jetstream_not_ready", error=str(error) or type(error).__name__)
            await asyncio.sleep(_AGAIN_SECONDS)
    return None


def _adapters(
    settings: Settings,
    js: JetStreamContext,
    buckets: Mapping[str, KeyValue],
    transport: Transport,
    stop: asyncio.Event,
) -> tuple[Puller, Poller]:
    corp_id, secret = settings.wecom_corp_id, settings.wecom_kf_secret.get_secret_value()
    leases = buckets[streams.KV_LEASE]
    tokens = SharedToken(
        partial(fetch_token, transport, corp_id, secret),
        bucket=buckets[streams.KV_TOKEN],
        corp_id=corp_id,
        secret=secret,
    )
    client = WecomClient(transport, tokens)
    cursors = Cursors(buckets[streams.KV_CURSOR])
    budget, outages = TokenlessBudget(leases), Outages()
    puller = Puller(
        client=client,
        inbound=Inbound(js),
        cursors=cursors,
        leases=Leases(leases),
        budget=budget,
        outages=outages,
        first_run_seconds=settings.kf_gateway_first_run_seconds,
        stop=stop,
    )
    poller = Poller(client, puller, cursors, budget, outages, settings.kf_gateway_poll_seconds)
    return puller, poller


if __name__ == "__main__":
    main()
