"""WeCom's sync_msg on loopback: a stream per account, cursors, callback tokens, scripted refusals."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.wecom_api import Asked, Raw, WecomApi, as_json

SYNC = "/cgi-bin/kf/sync_msg"
LIST = "/cgi-bin/kf/account/list"


@dataclass
class KfAccounts(WecomApi):
    """Answers sync_msg from `items` unless the script has an answer; a token in `dead` gets 95007."""

    items: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    page_size: int = 1000
    dead: set[str] = field(default_factory=set)
    dead_cursors: set[str] = field(default_factory=set)

    def write(self, open_kfid: str, *msgids: str, age: float = 0.0) -> None:
        """A customer writes one text per msgid."""
        for msgid in msgids:
            self.items.setdefault(open_kfid, []).append(text(open_kfid, msgid, age))

    def answer(self, asked: Asked) -> Raw:
        if asked.path not in (SYNC, LIST) or self.script[asked.path]:
            return super().answer(asked)
        self.asked.append(asked)
        if asked.path == LIST:
            return as_json({"errcode": 0, "account_list": [{"open_kfid": kfid} for kfid in self.items]})
        return as_json(self._page(asked.json))

    def _page(self, body: dict[str, Any]) -> dict[str, Any]:
        if body.get("token") in self.dead:
            return {"errcode": 95007, "errmsg": "invalid msg token"}
        if body.get("cursor") in self.dead_cursors:
            return {"errcode": 40058, "errmsg": "invalid Request Parameter"}
        items = self.items.get(body["open_kfid"], [])
        begin = int(body.get("cursor", "c0")[1:])
        end = min(begin + self.page_size, len(items))
        return {
            "errcode": 0,
            "next_cursor": f"c{end}",
            "has_more": int(end < len(items)),
            "msg_list": items[begin:end],
        }

    def pulls(self) -> list[dict[str, Any]]:
        """The bodies of every sync_msg so far."""
        return [asked.json for asked in self.asked if asked.path == SYNC]


def text(open_kfid: str, msgid: str, age: float = 0.0) -> dict[str, Any]:
    return {
        "msgid": msgid,
        "open_kfid": open_kfid,
        "external_userid": "wm1",
        "send_time": int(time.time() - age),
        "origin": 3,
        "msgtype": "text",
        "text": {"content": f"text of {msgid}"},
    }


@asynccontextmanager
async def kf_accounts() -> AsyncIterator[KfAccounts]:
    api = KfAccounts()
    server = await asyncio.start_server(api.serve, "127.0.0.1", 0)
    api.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield api
    finally:
        server.close()
