"""Sender replicas inside the test's event loop, and the streams around them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
from kf_contracts import streams
from kf_contracts.commands import Command, EndSession, FindHolder, HandOver, SendContent, SendOnEvent
from kf_contracts.events import DeadLetter, DeliveryChanged, MessageReceived, SendReply
from kf_runtime import nats as kf_nats
from kf_runtime import postgres
from kf_sender.__main__ import serve
from kf_sender.pacing import Pacing
from kf_sender.plan import plan_of
from kf_sender.settings import Settings
from kf_sender.store import Store
from kf_sender.tables import SCHEMA
from nats.aio.client import Client

OPEN_KFID = "wkTest0001"
FAST = Pacing(
    slots=1000,
    window=60.0,
    lease=2.0,
    poll=0.05,
    retry_first=0.05,
    retry_most=0.4,
    account_first=0.3,
    account_most=1.0,
)


def command(command_id: str, customer: str = "wmA", text: str = "", **fields: Any) -> SendReply:
    """A reply; its text names it unless given."""
    values = {
        "command_id": command_id,
        "open_kfid": OPEN_KFID,
        "external_userid": customer,
        "turn_id": f"turn-{command_id}",
        "in_reply_to": ("m1",),
        "text": text or f"answer {command_id}",
    }
    return SendReply.model_validate(values | fields)


def addressed(command_id: str, customer: str, fields: dict[str, Any]) -> dict[str, Any]:
    return {"command_id": command_id, "open_kfid": OPEN_KFID, "external_userid": customer, **fields}


def welcome(command_id: str, customer: str = "wmA", lives: float = 20.0, **fields: Any) -> SendOnEvent:
    """A welcome whose code, named after it, lives so many seconds."""
    expires_at = datetime.now(UTC) + timedelta(seconds=lives)
    values = {"code": f"code-{command_id}", "text": "欢迎", "expires_at": expires_at} | fields
    return SendOnEvent.model_validate(addressed(command_id, customer, values))


def content(command_id: str, msgtype: str, customer: str = "wmA", **fields: Any) -> SendContent:
    """Something richer than text, with words to say instead."""
    values = {"msgtype": msgtype, "text": f"instead of {command_id}"} | fields
    return SendContent.model_validate(addressed(command_id, customer, values))


def hand_over(command_id: str, customer: str = "wmA", **fields: Any) -> HandOver:
    """A wish for a human."""
    return HandOver.model_validate(addressed(command_id, customer, fields))


def find_holder(command_id: str, customer: str = "wmA") -> FindHolder:
    """A question about the session."""
    return FindHolder.model_validate(addressed(command_id, customer, {}))


def end_session(command_id: str, customer: str = "wmA", **fields: Any) -> EndSession:
    """A wish to end."""
    return EndSession.model_validate(addressed(command_id, customer, fields))


@dataclass
class Office:
    """Where senders work: the servers' addresses, a client for the streams, and the replicas that run."""

    nats_url: str
    database_url: str
    api_base: str
    client: Client
    running: list[tuple[asyncio.Event, asyncio.Task[None]]] = field(default_factory=list)

    def start(self, pacing: Pacing = FAST, **settings: Any) -> tuple[asyncio.Event, asyncio.Task[None]]:
        """One more replica; set the event for a clean stop, cancel the task for a crash."""
        config = Settings.model_validate(
            {
                "wecom_corp_id": "ww0123456789abcdef",
                "wecom_kf_secret": "test-secret",
                "wecom_api_base": self.api_base,
                "database_url": self.database_url,
                "nats_url": self.nats_url,
                "kf_sender_health_port": 0,
                **settings,
            }
        )
        stop = asyncio.Event()
        replica = (stop, asyncio.create_task(serve(config, pacing, stop)))
        self.running.append(replica)
        return replica

    async def publish(self, *commands: Command, msg_id: str = "") -> None:
        """Put commands on KF_OUTBOUND in this order."""
        for each in commands:
            await kf_nats.publish(
                self.client.jetstream(),
                f"kf.outbound.{'urgent.' if isinstance(each, SendOnEvent) else ''}{each.open_kfid}",
                each.encode(),
                msg_id=msg_id or each.command_id,
                template="kf.outbound.{open_kfid}",
            )

    async def hear(
        self,
        msgid: str,
        customer: str = "wmA",
        text: str = "你好",
        *,
        event: dict[str, Any] | None = None,
        origin: int = 3,
        at: datetime | None = None,
    ) -> None:
        """Put what the gateway would pull on KF_INBOUND: a customer's text, or an event about them."""
        item: dict[str, Any] = {"msgid": msgid, "send_time": int((at or datetime.now(UTC)).timestamp())}
        ids = {"open_kfid": OPEN_KFID, "external_userid": customer}
        if event:
            item |= {"origin": 4, "msgtype": "event", "event": ids | event}
        else:
            item |= {"origin": origin, "msgtype": "text", "text": {"content": text}, **ids}
        message = MessageReceived(
            **ids,
            msgid=msgid,
            msgtype=item["msgtype"],
            origin=item["origin"],
            send_time=datetime.fromtimestamp(item["send_time"], UTC),
            item=item,
        )
        await kf_nats.publish(
            self.client.jetstream(),
            f"kf.inbound.{OPEN_KFID}",
            message.encode(),
            msg_id=f"{msgid}:{uuid4().hex}",
            template="kf.inbound.{open_kfid}",
        )

    async def heard(self, msgid: str, customer: str = "wmA") -> None:
        """Wait until the senders know of this message of the customer."""
        sql = "SELECT 1 FROM customer_queue WHERE external_userid = $1 AND spoke_msgid = $2"
        async with asyncio.timeout(30):
            while not await self.row(sql, customer, msgid):
                await asyncio.sleep(0.03)

    async def store(self, *commands: Command) -> None:
        """Put commands into the ledger without a replica's intake."""
        pool = await postgres.connect(self.database_url, SCHEMA, max_size=1)
        try:
            for each in commands:
                await Store(pool, FAST).accept(each, plan_of(each, 4), {})
        finally:
            await pool.close()

    async def row(self, sql: str, *arguments: Any) -> Any:
        """The first row of a query in the sender's schema."""
        connection = await asyncpg.connect(
            self.database_url, server_settings={"search_path": f"{SCHEMA},public"}
        )
        try:
            return await connection.fetchrow(sql, *arguments)
        finally:
            await connection.close()

    async def until(self, command_id: str, status: str, seconds: float = 40) -> Any:
        """The command's row, once it has this status."""
        row = None
        try:
            async with asyncio.timeout(seconds):
                while row is None or row["status"] != status:
                    await asyncio.sleep(0.03)
                    row = await self.row("SELECT * FROM command WHERE command_id = $1", command_id)
        except TimeoutError:
            raise AssertionError(f"{command_id} never became {status}: {row and dict(row)}") from None
        return row

    async def deliveries(self, command_id: str) -> list[DeliveryChanged]:
        """What KF_DELIVERY has about a command, oldest first."""
        events = [DeliveryChanged.decode(data) for data in await self._messages("KF_DELIVERY")]
        return [event for event in events if event.command_id == command_id]

    async def until_delivered(
        self, command_id: str, status: str, seconds: float = 20
    ) -> list[DeliveryChanged]:
        """`deliveries`, once the last one has this status."""
        events: list[DeliveryChanged] = []
        async with asyncio.timeout(seconds):
            while not events or events[-1].status != status:
                await asyncio.sleep(0.05)
                events = await self.deliveries(command_id)
        return events

    async def dead(self) -> list[DeadLetter]:
        """All dead letters."""
        return [DeadLetter.decode(data) for data in await self._messages("KF_DEAD")]

    async def until_dead(self, seconds: float = 20) -> DeadLetter:
        """The first dead letter."""
        letters: list[DeadLetter] = []
        async with asyncio.timeout(seconds):
            while not letters:
                await asyncio.sleep(0.05)
                letters = await self.dead()
        return letters[0]

    async def _messages(self, stream: str) -> list[bytes]:
        js = self.client.jetstream()
        state = (await js.stream_info(stream)).state
        numbers = range(state.first_seq, state.last_seq + 1) if state.messages else range(0)
        return [(await js.get_msg(stream, number)).data or b"" for number in numbers]


async def step_clock(hall: Office, by: str) -> None:
    """Set PostgreSQL's clock, as far as the sender reads it, ahead or back of the true one by so much."""
    sql = (
        "CREATE OR REPLACE FUNCTION wall() RETURNS timestamptz LANGUAGE sql VOLATILE AS "
        f"$$ SELECT clock_timestamp() + interval '{by}' $$"
    )
    await hall.row(sql)


@asynccontextmanager
async def office(nats_url: str, database_url: str, api_base: str) -> AsyncIterator[Office]:
    """Streams and schema made; at the end every replica is stopped and must have ended well."""
    client = await kf_nats.connect(nats_url, "test")
    await kf_nats.ensure_streams(client.jetstream(), streams.stream_configs(1))
    pool = await postgres.connect(database_url, SCHEMA, max_size=1)
    await postgres.migrate(pool, SCHEMA, postgres.load_migrations("kf_sender"))
    await pool.close()
    made = Office(nats_url, database_url, api_base, client)
    try:
        yield made
    finally:
        for stop, _ in made.running:
            stop.set()
        ended = await asyncio.gather(*(task for _, task in made.running), return_exceptions=True)
        await client.close()
    faults = [e for e in ended if isinstance(e, Exception)]
    assert not faults, faults
