"""The world as documents of the journal, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kf_simulator.journal import Documents
from kf_simulator.records import (
    Account,
    ContactWay,
    Conversation,
    Customer,
    Entry,
    Json,
    Reception,
    Servicer,
    State,
    document_of,
)
from kf_simulator.stream import RETENTION_SECONDS, Stream

if TYPE_CHECKING:
    from kf_simulator.world import World


def restore(world: World, kept: Documents) -> None:
    """Fill an empty world with what the journal kept."""
    world.clock.offset = kept.get("clock", {}).get("clock", {"offset": 0.0})["offset"]
    for document in kept.get("account", {}).values():
        account = Account(**document | {"reception": Reception(document["reception"])})
        world.accounts[account.open_kfid] = account
        world.streams[account.open_kfid] = Stream(account.open_kfid)
    for key, document in kept.get("servicer", {}).items():
        world.servicers[key] = Servicer(**document)
    for key, document in kept.get("customer", {}).items():
        world.customers[key] = Customer(**document)
    for key, document in kept.get("contact_way", {}).items():
        world.contact_ways[key] = ContactWay(**document)
    for document in kept.get("conversation", {}).values():
        conversation = Conversation(**document | {"state": State(document["state"])})
        world.conversations[conversation.key] = conversation
    _restore_lines(world, kept.get("entry", {}))
    _restore_streams(world, kept)


def take(world: World) -> Documents:
    """Everything the world holds."""
    items = {
        f"{stream.open_kfid}/{sequence}": item
        for stream in world.streams.values()
        for sequence, item in stream.kept()
    }
    entries = {
        f"{key[0]}/{key[1]}/{entry.number}": document_of(entry)
        for key, lines in world.transcripts.items()
        for entry in lines
    }
    return {
        "clock": {"clock": {"offset": world.clock.offset}},
        "account": _documents(world.accounts),
        "servicer": _documents(world.servicers),
        "customer": _documents(world.customers),
        "contact_way": _documents(world.contact_ways),
        "conversation": {"/".join(key): document_of(value) for key, value in world.conversations.items()},
        "entry": entries,
        "item": items,
        "stream": {open_kfid: {"end": stream.end} for open_kfid, stream in world.streams.items()},
    }


def _restore_lines(world: World, documents: dict[str, Json]) -> None:
    for path, document in documents.items():
        open_kfid, external_userid, _ = path.split("/")
        entry = Entry(**document)
        world.transcript((open_kfid, external_userid)).append(entry)
        if entry.direction == "app":
            world.note_sent((open_kfid, external_userid), entry)


def _restore_streams(world: World, kept: Documents) -> None:
    oldest = world.clock.now() - RETENTION_SECONDS
    for path, item in kept.get("item", {}).items():
        open_kfid, sequence = path.split("/")
        if item["send_time"] >= oldest:
            world.streams[open_kfid].restore(int(sequence), item)
        else:
            world.streams[open_kfid].start_at(int(sequence) + 1)
    for open_kfid, document in kept.get("stream", {}).items():
        world.streams[open_kfid].start_at(document["end"])


def _documents(records: dict[str, Any]) -> dict[str, Json]:
    return {key: document_of(record) for key, record in records.items()}
