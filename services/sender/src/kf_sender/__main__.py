"""Starts the sender: settings, PostgreSQL, NATS, WeCom's client, then intake, dispatcher and relay."""

import asyncio
from contextlib import AsyncExitStack
from functools import partial

from kf_contracts import streams
from kf_contracts.events import DeadLetter
from kf_runtime import instruments, lifecycle, nats, postgres
from kf_runtime.bell import Bell
from kf_runtime.dead_letter import burying
from kf_runtime.grpc import Server
from kf_wecom.client import WecomClient, fetch_token
from kf_wecom.token import SharedToken
from kf_wecom.transport import Transport
from nats.aio.client import Client
from nats.js import JetStreamContext

from kf_sender import conversation, metrics
from kf_sender.conversation import Conversation
from kf_sender.delivery import Courier, RefusalStands
from kf_sender.dispatch import Dispatcher
from kf_sender.expiry import Expiry
from kf_sender.intake import CONSUMER, SERVICE, URGENT_CONSUMER, Intake
from kf_sender.pacing import Pacing
from kf_sender.relay import Relay
from kf_sender.settings import Settings
from kf_sender.store import Store
from kf_sender.tables import SCHEMA

# Besides the workers: intake, urgent intake, conversation, relay, expiry, readiness, claims, metrics.
_OTHER_CONNECTIONS = 8


async def serve(config: Settings, pacing: Pacing, stop: asyncio.Event) -> None:
    """Run until `stop`, then finish the sends in hand."""
    async with AsyncExitStack() as stack:
        server = Server(config.kf_sender_health_host, config.kf_sender_health_port)
        stack.push_async_callback(server.stop, 1.0)
        await server.start()
        client = await nats.connect_unless(stop, config.nats_url, "kf-sender")
        if client is None:
            return
        stack.push_async_callback(nats.close, client)
        pool = await open_ledger(config)
        stack.push_async_callback(pool.close)
        js = client.jetstream()
        await nats.ensure_streams(js, streams.stream_configs(config.kf_nats_replicas))
        await nats.ensure_buckets(js, streams.bucket_configs(config.kf_nats_replicas))
        transport = await stack.enter_async_context(
            Transport(config.wecom_api_base, max_connections=2 * config.kf_sender_workers)
        )
        tokens = await shared_token(config, transport, js)
        await run(config, pacing, stop, server, client, Store(pool, pacing), transport, tokens)


async def open_ledger(config: Settings) -> postgres.Pool:
    """A pool on the sender's schema, migrated."""
    pool = await postgres.connect(
        config.database_url.get_secret_value(),
        SCHEMA,
        max_size=config.kf_sender_workers + _OTHER_CONNECTIONS,
    )
    try:
        await postgres.migrate(pool, SCHEMA, postgres.load_migrations("kf_sender"))
    except BaseException:
        await pool.close()
        raise
    return pool


async def run(
    config: Settings,
    pacing: Pacing,
    stop: asyncio.Event,
    server: Server,
    client: Client,
    store: Store,
    transport: Transport,
    tokens: SharedToken,
) -> None:
    """The service's loops over what it was given."""
    wake, settled = Bell(), Bell()
    js = client.jetstream()
    standing = RefusalStands(tokens)
    courier = Courier(
        store, standing, WecomClient(transport, standing), WecomClient(transport, tokens), pacing
    )
    intake = Intake(store, pacing.budget, wake)
    heard = Conversation(store, wake)
    on_park = burying(js, SERVICE, DeadLetter)
    dispatcher = Dispatcher(
        store, courier, workers=config.kf_sender_workers, pacing=pacing, wake=wake, settled=settled
    )

    async def connected() -> bool:
        return client.is_connected

    await lifecycle.supervise(
        stop,
        {
            "intake": nats.consume(js, CONSUMER, intake, stop=stop, on_park=on_park),
            "urgent intake": nats.consume(js, URGENT_CONSUMER, intake, stop=stop, on_park=on_park),
            "conversation": nats.consume(js, conversation.CONSUMER, heard, stop=stop, on_park=on_park),
            "dispatch": dispatcher.run(stop),
            "expiry": Expiry(store, pacing, settled).run(stop),
            "relay": Relay(store, js, settled).run(stop),
            "metrics": instruments.watch(stop, partial(metrics.measure, store), postgres.TRANSIENT),
            "readiness": lifecycle.watch_ready(server, {"nats": connected, "postgres": store.answers}, stop),
        },
        config.kf_sender_drain_seconds,
    )


async def shared_token(config: Settings, transport: Transport, js: JetStreamContext) -> SharedToken:
    """The access token that all replicas share."""
    secret = config.wecom_kf_secret.get_secret_value()
    return SharedToken(
        partial(fetch_token, transport, config.wecom_corp_id, secret),
        bucket=await js.key_value(streams.KV_TOKEN),
        corp_id=config.wecom_corp_id,
        secret=secret,
    )


async def _serve_until_signal(config: Settings) -> None:
    await serve(config, pacing_of(config), lifecycle.stop_on_signals())


def pacing_of(config: Settings) -> Pacing:
    """The numbers that operators may set; the others are WeCom's."""
    rate = config.kf_sender_rate_per_minute
    return Pacing(
        slots=rate,
        account_slots=config.kf_sender_account_rate_per_minute,
        # Half a window's at once: what is left serves the welcome codes of the next half minute.
        burst=config.kf_sender_burst or (rate + 1) // 2,
        budget=config.kf_sender_max_parts,
        stacked=config.kf_sender_merge_seconds,
        keep=config.kf_sender_keep_days * 86_400.0,
    )


def main() -> None:
    """Entry point of `python -m kf_sender`."""
    lifecycle.start(Settings, "sender", _serve_until_signal)


if __name__ == "__main__":
    main()
