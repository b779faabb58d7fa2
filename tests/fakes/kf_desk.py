"""WeCom's side of sending: accepts send_msg, keeps what customers would see, refuses a msgid twice."""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from tests.fakes.wecom_api import Asked, Raw, WecomApi, as_json

SEND_MSG = "/cgi-bin/kf/send_msg"
SEND_ON_EVENT = "/cgi-bin/kf/send_msg_on_event"
SERVICERS = "/cgi-bin/kf/servicer/list"
UPLOAD = "/cgi-bin/media/upload"
STATE_GET = "/cgi-bin/kf/service_state/get"
STATE_TRANS = "/cgi-bin/kf/service_state/trans"


@dataclass(frozen=True)
class Shown:
    """One message on a customer's phone."""

    customer: str
    msgid: str
    text: str
    at: float


@dataclass
class KfDesk(WecomApi):
    """`refuse` answers a customer's next sends without effect; `swallow` lets them take effect unanswered."""

    shown: list[Shown] = field(default_factory=list)
    calls: list[tuple[str, float]] = field(default_factory=list)
    """touser and arrival of each send_msg, whatever came of it."""
    parallel: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    overlaps: int = 0
    refusals: dict[str, deque[dict[str, Any] | Raw]] = field(default_factory=lambda: defaultdict(deque))
    swallowed: dict[str, deque[Raw]] = field(default_factory=lambda: defaultdict(deque))
    delay: float = 0.0
    dead: dict[str, int] = field(default_factory=dict)
    """Access tokens that WeCom has ended early, with the errcode they get."""

    def end_token(self, token: str, errcode: int) -> None:
        self.dead[token] = errcode

    def refuse(self, customer: str, *answers: dict[str, Any] | Raw) -> None:
        self.refusals[customer].extend(answers)

    def swallow(self, customer: str, *answers: Raw) -> None:
        self.swallowed[customer].extend(answers)

    def texts(self, customer: str) -> list[str]:
        return [shown.text for shown in self.shown if shown.customer == customer]

    def answer(self, asked: Asked) -> Raw:
        if errcode := self.dead.get(asked.query.get("access_token", "")):
            self.asked.append(asked)
            return as_json({"errcode": errcode, "errmsg": "invalid credential"})
        if asked.path == SEND_ON_EVENT and not self.script[SEND_ON_EVENT]:
            self.asked.append(asked)
            return as_json({"errcode": 0, "errmsg": "ok", "msgid": asked.json["msgid"]})
        if asked.path != SEND_MSG or self.script[SEND_MSG]:
            if asked.path == SEND_MSG:
                self.calls.append((asked.json["touser"], monotonic()))
            return super().answer(asked)
        self.asked.append(asked)
        body = asked.json
        customer = body["touser"]
        self.calls.append((customer, monotonic()))
        if self.refusals[customer]:
            refusal = self.refusals[customer].popleft()
            return refusal if isinstance(refusal, Raw) else as_json(refusal)
        if any(shown.msgid == body["msgid"] for shown in self.shown):
            return as_json({"errcode": 95099, "errmsg": "msgid has been used"})
        self.shown.append(
            Shown(
                customer,
                body["msgid"],
                body.get("text", {}).get("content", f"[{body['msgtype']}]"),
                monotonic(),
            )
        )
        if self.swallowed[customer]:
            return self.swallowed[customer].popleft()
        done = as_json({"errcode": 0, "errmsg": "ok", "msgid": body["msgid"]})
        return Raw(done.body, headers=done.headers, delay=self.delay)

    async def until(self, shown: int, seconds: float = 40) -> None:
        """Wait until customers have seen this many messages."""
        async with asyncio.timeout(seconds):
            while len(self.shown) < shown:
                await asyncio.sleep(0.02)


@asynccontextmanager
async def kf_desk() -> AsyncIterator[KfDesk]:
    desk = KfDesk()
    server = await asyncio.start_server(desk.serve, "127.0.0.1", 0)
    desk.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield desk
    finally:
        server.close()
