"""What must stand nowhere but in the databases: looked for in logs, spans and metrics.

Planted by the tests themselves: whatever customers write, their ids, the credentials of the stack. Texts
shorter than eight characters are left out, since a hash or a name spells those by chance.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import httpx
from kf_cli.layout import Layout

_SHORTEST = 8
_CUSTOMERS = 200
_EXTERNAL_ID = "external_userid"


async def planted(layout: Layout) -> set[str]:
    """Customer ids, what customers wrote, and the credentials."""
    made_up = layout.credentials
    found = {made_up.kf_secret, made_up.encoding_aes_key, made_up.model_api_key}
    async with httpx.AsyncClient(base_url=layout.simulator_url, trust_env=False, timeout=30) as client:
        chats = (await client.get("/control/chats", params={"limit": _CUSTOMERS})).json()
        for chat in chats:
            path = f"/control/chats/{chat['open_kfid']}/{chat[_EXTERNAL_ID]}/transcript"
            found.add(chat[_EXTERNAL_ID])
            found |= set(_written((await client.get(path)).json()["entries"]))
    return {text for text in found if len(text) >= _SHORTEST}


def _written(entries: Iterable[dict[str, object]]) -> Iterator[str]:
    for entry in entries:
        body = entry["body"]
        if entry["direction"] == "customer" and isinstance(body, dict) and body.get("content"):
            yield str(body["content"])


async def told(layout: Layout, folder: Path) -> dict[str, bytes]:
    """Everything that is told of the stack: what the processes logged, the dashboard's store, the metrics."""
    files = [folder / "children.log", *(layout.logs.glob("*.log") if layout.logs.is_dir() else ())]
    files += sorted((layout.data / "traces").glob("traces.db*"))
    async with httpx.AsyncClient(base_url=layout.traces_url, trust_env=False, timeout=30) as client:
        metrics = (await client.get("/api/metrics")).content
    return {"metrics": metrics, **{path.name: path.read_bytes() for path in files if path.is_file()}}


def leaks(canaries: Iterable[str], places: dict[str, bytes]) -> list[str]:
    """Where a canary stands; the canary is cut, since the message of a test is a log too."""
    found = []
    for canary in canaries:
        spellings = {canary.encode(), json.dumps(canary)[1:-1].encode()}
        found += [
            f"{canary[:4]}… ({len(canary)} characters) in {place}"
            for place, text in places.items()
            if any(spelling in text for spelling in spellings)
        ]
    return found
