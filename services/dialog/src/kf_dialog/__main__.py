"""Starts the dialog service: settings, adapters, then inbox, turns and relay until SIGTERM drains them."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from kf_contracts import streams
from kf_contracts.events import DeadLetter
from kf_runtime import grpc as kf_grpc
from kf_runtime import lifecycle, logging, settings, telemetry
from kf_runtime import nats as kf_nats
from kf_runtime.dead_letter import burying
from nats.aio.client import Client

from kf_dialog.accounts_file import Accounts, AccountsFileError
from kf_dialog.answer import Answerer
from kf_dialog.inbound import CONSUMER, Inbound
from kf_dialog.knowledge import Knowledge
from kf_dialog.listener import Listener
from kf_dialog.model import Model
from kf_dialog.relay import Relay
from kf_dialog.schedule import Schedule
from kf_dialog.settings import Settings
from kf_dialog.store import Store, Timing
from kf_dialog.turn import TurnWorker

_FLUSH_SECONDS = 10.0
"""What the drain may take beyond the turns: releasing leases, publishing the last replies."""


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
        model = open_model(config)
        stack.push_async_callback(model.close)
        await run(config, stop, health, accounts, store, client, knowledge, model)


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
    model: Model,
) -> None:
    """The service's loops over what it was given."""
    js = client.jetstream()
    relay = Relay(store, js)
    schedule = Schedule(
        store,
        TurnWorker(store, Answerer(knowledge, model), relay.bell),
        capacity=config.kf_dialog_turn_workers,
        lease_seconds=config.kf_dialog_lease_seconds,
        drain_seconds=config.kf_dialog_drain_seconds,
    )
    listener = Listener(config.database_url.get_secret_value(), schedule.hear, schedule.bell.ring)
    checks = {"nats": connected(client), "postgres": store.answers, "knowledge": knowledge.answers}
    tasks = {
        "inbox": kf_nats.consume(
            js, CONSUMER, Inbound(store), stop=stop, on_park=burying(js, "dialog", DeadLetter)
        ),
        "turns": schedule.run(stop),
        # These two serve the turns in hand until the last one is stored and published.
        "listener": listener.run(schedule.drained),
        "relay": relay.run(schedule.drained),
        "accounts": accounts.watch(stop),
        "readiness": lifecycle.watch_ready(health, checks, stop),
    }
    await lifecycle.supervise(stop, tasks, config.kf_dialog_drain_seconds + _FLUSH_SECONDS)


async def serve_until_signal(config: Settings) -> None:
    """Run until SIGTERM or SIGINT."""
    await serve(config, lifecycle.stop_on_signals())


def timing(config: Settings) -> Timing:
    """The rules of merging and leases, in seconds."""
    return Timing(
        merge=config.kf_dialog_merge_ms / 1000,
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
    config = settings.load(Settings)
    logging.setup("dialog", level=config.log_level, debug=config.debug, log_dir=config.kf_log_dir)
    provider = telemetry.setup("dialog")
    try:
        lifecycle.run(serve_until_signal(config), "dialog")
    finally:
        provider.shutdown()


if __name__ == "__main__":
    main()
