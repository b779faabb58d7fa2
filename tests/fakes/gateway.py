"""The gateway's pulling half over a real nats-server and a WeCom on loopback."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

from kf_contracts import streams
from kf_contracts.events import DeadLetter, MessageReceived, NoticeReceived
from kf_gateway.__main__ import NOTICES
from kf_gateway.budget import TokenlessBudget
from kf_gateway.cursor import Cursors
from kf_gateway.inbound import Inbound
from kf_gateway.lease import Leases
from kf_gateway.outage import Outages
from kf_gateway.poller import Poller
from kf_gateway.puller import Puller
from kf_runtime import nats as kf_nats
from kf_wecom.client import WecomClient, fetch_token
from kf_wecom.token import LocalToken
from kf_wecom.transport import Transport
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError


class Clock:
    """Real time plus what the test adds."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@dataclass
class Replica:
    """One replica's puller and poller."""

    client: Client
    js: JetStreamContext
    puller: Puller
    poller: Poller
    cursors: Cursors
    leases: Leases
    budget: TokenlessBudget
    clock: Clock
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def notify(self, open_kfid: str, token: str = "ENC1", msg_id: str = "") -> None:
        notice = NoticeReceived(open_kfid=open_kfid, token=token)
        await kf_nats.publish(
            self.js,
            f"kf.notice.{open_kfid}",
            notice.encode(),
            msg_id=msg_id or f"{time.time_ns()}",
            template="kf.notice.{open_kfid}",
        )

    async def consume(self) -> None:
        """Handle notices as the service does, until `stop`."""

        async def on_park(msg: Msg, reason: str) -> None:
            raise AssertionError(f"parked: {reason}")

        transient = (NatsError, OSError)
        handle = self.puller.handle
        await kf_nats.consume(self.js, NOTICES, handle, stop=self.stop, on_park=on_park, transient=transient)

    async def inbound(self) -> list[MessageReceived]:
        """Everything on KF_INBOUND, oldest first."""
        return [MessageReceived.decode(data) for data in await stored(self.js, streams.KF_INBOUND)]

    async def msgids(self) -> list[str]:
        return [event.msgid for event in await self.inbound()]

    async def dead(self) -> list[DeadLetter]:
        return [DeadLetter.decode(data) for data in await stored(self.js, streams.KF_DEAD)]


@asynccontextmanager
async def replica(nats_url: str, api_url: str, *, poll_seconds: float = 60.0) -> AsyncIterator[Replica]:
    client = await kf_nats.connect(nats_url, "test")
    js = client.jetstream()
    await kf_nats.ensure_streams(js, streams.stream_configs(1))
    await kf_nats.ensure_buckets(js, streams.bucket_configs(1))
    async with Transport(api_url) as transport:
        tokens = LocalToken(partial(fetch_token, transport, "ww1", "secret"))
        wecom, clock, stop = WecomClient(transport, tokens), Clock(), asyncio.Event()
        lease_bucket = await js.key_value(streams.KV_LEASE)
        cursors = Cursors(await js.key_value(streams.KV_CURSOR))
        leases, budget = Leases(lease_bucket, clock), TokenlessBudget(lease_bucket, clock)
        outages = Outages(clock)
        puller = Puller(wecom, Inbound(js), cursors, leases, budget, outages, 600, stop, clock)
        poller = Poller(wecom, puller, cursors, budget, outages, poll_seconds, clock)
        try:
            yield Replica(client, js, puller, poller, cursors, leases, budget, clock, stop)
        finally:
            await client.close()


async def stored(js: JetStreamContext, stream: str) -> list[bytes]:
    """Every payload of a stream; deleted ones are skipped."""
    state = (await js.stream_info(stream)).state
    found = []
    for sequence in range(max(state.first_seq, 1), state.last_seq + 1):
        try:
            message = await js.get_msg(stream, sequence)
        except NotFoundError:
            continue
        found.append(message.data or b"")
    return found


async def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait until an awaited or plain condition is true."""
    async with asyncio.timeout(seconds):
        while True:
            result = condition()
            if asyncio.iscoroutine(result):
                result = await result
            if result:
                return
            await asyncio.sleep(0.05)
