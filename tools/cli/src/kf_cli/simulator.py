"""The simulator's control API as the demo and the end-to-end tests use it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

_SECONDS = 30.0
_LONG_POLL_SECONDS = 5.0
# The server closes what was idle for 5 s, and a request into a connection that just closes fails.
_LIMITS = httpx.Limits(max_keepalive_connections=0)


@dataclass(frozen=True)
class Choice:
    """A line of a menu that a customer may tap."""

    id: str
    title: str


@dataclass(frozen=True)
class Line:
    """One line of a transcript; `direction` is customer, app, servicer or event."""

    number: int
    direction: str
    msgid: str
    msgtype: str
    text: str
    """Of a menu: everything that can be read on it."""
    failed: bool
    at: float = 0.0
    """Seconds since the epoch by the simulator's clock."""
    menu: tuple[Choice, ...] = ()


@dataclass(frozen=True)
class Chat:
    """One customer at one KF account."""

    open_kfid: str
    external_userid: str

    @property
    def path(self) -> str:
        """Its place in the control API."""
        return f"/control/chats/{self.open_kfid}/{self.external_userid}"


class Simulator:
    """Customers who write, and what they see; a context manager around one HTTP client."""

    def __init__(self, url: str) -> None:
        self._client = httpx.AsyncClient(base_url=url, timeout=_SECONDS, trust_env=False, limits=_LIMITS)

    async def __aenter__(self) -> "Simulator":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def accounts(self) -> dict[str, str]:
        """open_kfid of each KF account by its name."""
        return {
            account["name"]: account["open_kfid"] for account in await self._call("GET", "/control/accounts")
        }

    async def meet(self, open_kfid: str, nickname: str) -> Chat:
        """A new customer at an account."""
        customer = await self._call("POST", "/control/customers", {"nickname": nickname})
        return Chat(open_kfid, customer["external_userid"])

    async def write(self, chat: Chat, text: str) -> str:
        """The customer sends a text; returns its msgid."""
        line = await self._call("POST", f"{chat.path}/messages", {"text": text})
        return str(line["msgid"])

    async def send(self, chat: Chat, msgtype: str, body: dict[str, Any]) -> str:
        """The customer sends something else than text; returns its msgid."""
        line = await self._call("POST", f"{chat.path}/messages", {"msgtype": msgtype, "body": body})
        return str(line["msgid"])

    async def tap(self, chat: Chat, choice: Choice) -> str:
        """The customer taps a line of a menu; returns the msgid."""
        body = {"text": choice.title, "menu_id": choice.id}
        return str((await self._call("POST", f"{chat.path}/messages", body))["msgid"])

    async def state(self, chat: Chat) -> int:
        """service_state of the chat."""
        return int((await self._call("GET", f"{chat.path}/transcript"))["state"]["service_state"])

    async def transcript(self, chat: Chat, after: int = -1, *, wait: bool = False) -> list[Line]:
        """The lines behind number `after`; with `wait` it lasts up to five seconds until there is one."""
        seconds = _LONG_POLL_SECONDS if wait else 0
        reply = await self._call("GET", f"{chat.path}/transcript?after={after}&wait_seconds={seconds}")
        return [_line(entry) for entry in reply["entries"]]

    async def judge(self) -> dict[str, Any]:
        """Calls by API and errcode, and the rules that a correct client would not have broken."""
        found: dict[str, Any] = await self._call("GET", "/judge")
        return found

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        """Anything else of the control API, such as ("POST", "/control/faults", {...})."""
        return await self._call(method, path, body)

    async def _call(self, method: str, path: str, body: Any = None) -> Any:
        reply = await self._client.request(method, path, json=body)
        reply.raise_for_status()
        return reply.json() if reply.content else None


def _line(entry: dict[str, Any]) -> Line:
    body = entry["body"] if isinstance(entry["body"], dict) else {}
    menu = tuple(_choices(body))
    shown = [body.get("head_content", ""), *(choice.title for choice in menu), body.get("tail_content", "")]
    text = str(body.get("content", "")) or "\n".join(filter(None, shown))
    return Line(
        number=entry["number"],
        direction=entry["direction"],
        msgid=entry["msgid"],
        msgtype=entry["msgtype"],
        text=text or f"[{entry['msgtype']}]",
        failed=entry["fail_type"] is not None,
        at=entry["at"],
        menu=menu,
    )


def _choices(body: dict[str, Any]) -> Iterator[Choice]:
    """The lines of a msgmenu, in order; those that open something instead have no id."""
    for item in body.get("list", []):
        content = item.get(item.get("type"), {})
        yield Choice(str(content.get("id", "")), str(content.get("content", "")))
