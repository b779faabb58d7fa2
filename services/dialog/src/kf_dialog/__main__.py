"""Starts the dialog service: settings, adapters, then inbox, turns and relay until SIGTERM drains them."""

import asyncio
import os
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from kf_contracts import streams
from kf_contracts.events import DeadLetter
from kf_runtime import grpc as kf_grpc
from kf_runtime import instruments, lifecycle, settings
from kf_runtime import nats as kf_nats
from kf_runtime.dead_letter import burying
from kf_runtime.postgres import TRANSIENT
from kf_wecom.client import WecomClient, fetch_token
from kf_wecom.token import SharedToken
from kf_wecom.transport import Transport
from nats.aio.client import Client
from nats.js import JetStreamContext

from kf_dialog import delivery as outcomes
from kf_dialog import inbound as inbox
from kf_dialog import metrics
from kf_dialog.accounts_file import Accounts, AccountsFileError
from kf_dialog.answer import Answerer
from kf_dialog.company import CompanyTools
from kf_dialog.delivery import Delivery
from kf_dialog.endpoints import Endpoints
from kf_dialog.inbound import Inbound
from kf_dialog.knowledge import Knowledge
from kf_dialog.listener import Listener
from kf_dialog.media import Media
from kf_dialog.model import Model
from kf_dialog.relay import Relay
from kf_dialog.schedule import Schedule
from kf_dialog.settings import Settings
from kf_dialog.store import Store, Timing
from kf_dialog.turn import TurnWorker
from kf_dialog.vigil import Vigil
from kf_dialog.welcome import Welcome

_FLUSH_SECONDS = 10.0
"""What the drain may take beyond the turns: releasing leases, publishing the last replies."""
_WECOM_API = "https://qyapi.weixin.qq.com"
_HURRY_SHARE = 0.7
"""Of the deadline: who has waited so long while all turns are taken gets a short answer."""


async def serve(config: Settings, stop: asyncio.Event) -> None:
    """Run until `stop`, then finish what is in hand."""
    accounts = open_accounts(config)
    async with AsyncExitStack() as stack:
        health = kf_grpc.Server(config.kf_dialog_health_host, config.kf_dialog_health_port)
        stack.push_async_callback(health.stop, 1.0)
        await health.start()
        store = await open_store(config, stop)
        if store is None:
            return
        stack.push_async_callback(store.close)
        client = await kf_nats.connect_unless(stop, config.nats_url, "kf-dialog")
        if client is None:
            return
        stack.push_async_callback(kf_nats.close, client)
        await kf_nats.ensure_streams(client.jetstream(), streams.stream_configs(config.kf_nats_replicas))
        channel = kf_grpc.channel(config.kf_dialog_knowledge_target)
        stack.push_async_callback(channel.close)
        knowledge = Knowledge(channel, accounts.collection)
        endpoints = await stack.enter_async_context(Endpoints(open_model(config)))
        company = await stack.enter_async_context(CompanyTools())
        media = Media(await open_wecom(config, client.jetstream(), stack), endpoints)
        patience = config.kf_dialog_model_timeout_seconds
        answerer = Answerer(accounts, knowledge, endpoints, company, media, patience)
        await run(config, stop, health, accounts, store, client, knowledge, answerer)


async def open_wecom(config: Settings, js: JetStreamContext, stack: AsyncExitStack) -> WecomClient | None:
    """Access to customers' pictures and voices, which only accounts with `vision` or `speech` need.

    Like the keys of those endpoints, its secret comes from the environment: WECOM_CORP_ID, WECOM_KF_SECRET
    and WECOM_API_BASE, as the gateway and the sender have them.
    """
    corp_id, secret = os.environ.get("WECOM_CORP_ID", ""), os.environ.get("WECOM_KF_SECRET", "")
    if not corp_id or not secret:
        return None
    base = os.environ.get("WECOM_API_BASE") or _WECOM_API
    transport = await stack.enter_async_context(Transport(base))
    fetch = partial(fetch_token, transport, corp_id, secret)
    await kf_nats.ensure_buckets(js, streams.bucket_configs(config.kf_nats_replicas))
    bucket = await js.key_value(streams.KV_TOKEN)
    return WecomClient(transport, SharedToken(fetch, bucket=bucket, corp_id=corp_id, secret=secret))


def open_accounts(config: Settings) -> Accounts:
    """The accounts file; a broken one ends the process here, where no last good one can serve."""
    path = Path(config.kf_dialog_accounts_file) if config.kf_dialog_accounts_file else None
    try:
        return Accounts(path, config.collections)
    except AccountsFileError as error:
        faults = [f"KF_DIALOG_ACCOUNTS_FILE {fault}" for fault in error.faults]
        settings.stop("kf-dialog: cannot start / 服务无法启动", faults)


async def open_store(config: Settings, stop: asyncio.Event) -> Store | None:
    """The database, migrated; None when `stop` is set before it answers."""
    opening = asyncio.create_task(Store.open(config.database_url.get_secret_value(), timing(config)))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({opening, stopping}, return_when=asyncio.FIRST_COMPLETED)
        return await opening if opening.done() else None
    finally:
        for task in (opening, stopping):
            task.cancel()
        await asyncio.gather(opening, stopping, return_exceptions=True)


async def run(
    config: Settings,
    stop: asyncio.Event,
    health: kf_grpc.Server,
    accounts: Accounts,
    store: Store,
    client: Client,
    knowledge: Knowledge,
    answerer: Answerer,
) -> None:
    """The service's loops over what it was given."""
    js = client.jetstream()
    relay = Relay(store, js)
    welcome = Welcome(js, accounts.of)
    delivery = Delivery(store, store.records, accounts, relay.bell)
    inbound = Inbound(store, welcome, config.kf_dialog_merge_ms / 1000, relay.bell)
    schedule = Schedule(
        store,
        TurnWorker(store, answerer, accounts, relay.bell),
        capacity=config.kf_dialog_turn_workers,
        lease_seconds=config.kf_dialog_lease_seconds,
        drain_seconds=config.kf_dialog_drain_seconds,
        hurry_seconds=accounts.document.defaults.limits.deadline_seconds * _HURRY_SHARE,
    )
    listener = Listener(config.database_url.get_secret_value(), schedule.hear, schedule.bell.ring)
    bury = burying(js, "dialog", DeadLetter)
    checks = {"nats": connected(client), "postgres": store.answers, "knowledge": knowledge.answers}
    tasks = {
        "inbox": kf_nats.consume(js, inbox.CONSUMER, inbound, stop=stop, on_park=bury),
        "delivery": kf_nats.consume(js, outcomes.CONSUMER, delivery, stop=stop, on_park=bury),
        "vigil": Vigil(store.records, accounts).run(stop),
        "turns": schedule.run(stop),
        # These two serve the turns in hand until the last one is stored and published.
        "listener": listener.run(schedule.drained),
        "relay": relay.run(schedule.drained),
        "accounts": accounts.watch(stop),
        "metrics": instruments.watch(stop, partial(metrics.measure, store.records), TRANSIENT),
        "readiness": lifecycle.watch_ready(health, checks, stop),
    }
    await lifecycle.supervise(stop, tasks, config.kf_dialog_drain_seconds + _FLUSH_SECONDS)


async def serve_until_signal(config: Settings) -> None:
    """Run until SIGTERM or SIGINT."""
    await serve(config, lifecycle.stop_on_signals())


def timing(config: Settings) -> Timing:
    """The rules of joining and leases, in seconds."""
    return Timing(
        join=config.kf_dialog_join_seconds,
        lease=config.kf_dialog_lease_seconds,
    )


def open_model(config: Settings) -> Model:
    """The endpoint the settings name."""
    return Model.open(
        config.deepseek_base_url,
        config.deepseek_api_key.get_secret_value(),
        config.deepseek_model,
        config.kf_dialog_model_timeout_seconds,
    )


def connected(client: Client) -> lifecycle.Check:
    """A check that NATS is connected."""

    async def check() -> bool:
        return bool(client.is_connected)

    return check


def main() -> None:
    """Entry point of `python -m kf_dialog`."""
    lifecycle.start(Settings, "dialog", serve_until_signal)


if __name__ == "__main__":
    main()
