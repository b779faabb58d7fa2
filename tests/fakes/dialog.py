"""The dialog service with its peers: real NATS and PostgreSQL, a fake knowledge service and a fake model."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from time import monotonic
from typing import Any, Self, TypeVar

import asyncpg
from kf_contracts import streams
from kf_contracts.commands import Command, decode_command
from kf_contracts.events import DeliveryChanged, DeliveryStatus, MessageReceived, Payload, SendReply
from kf_dialog.__main__ import serve
from kf_dialog.settings import Settings
from kf_runtime import nats as kf_nats
from nats.aio.client import Client
from nats.js import JetStreamContext

from tests.fakes.chat_model import FakeModel
from tests.fakes.knowledge import FakeKnowledge

ACCOUNT = "wk1"
WAIT_SECONDS = 45.0
CommandT = TypeVar("CommandT", bound=Payload)


@dataclass
class Town:
    """Customers, the streams they are heard through, and everything the dialog service talks to."""

    client: Client
    js: JetStreamContext
    nats_url: str
    database_url: str
    knowledge: FakeKnowledge
    model: FakeModel
    _numbers: Any = field(default_factory=lambda: count(1))

    def environment(self, **changes: str) -> dict[str, str]:
        """The service's settings as environment variables, quick rather than patient."""
        return {
            "NATS_URL": self.nats_url,
            "DATABASE_URL": self.database_url,
            "DEEPSEEK_API_KEY": "key",
            "DEEPSEEK_BASE_URL": self.model.base_url,
            "KF_DIALOG_KNOWLEDGE_TARGET": self.knowledge.target,
            "KF_DIALOG_HEALTH_PORT": "0",
            "KF_DIALOG_MERGE_MS": "300",
            "KF_DIALOG_JOIN_SECONDS": "20",
            "KF_DIALOG_LEASE_SECONDS": "2",
            "KF_DIALOG_DRAIN_SECONDS": "10",
            **changes,
        }

    @asynccontextmanager
    async def replica(self, **changes: str) -> AsyncIterator[None]:
        """One replica in this process, drained at the end."""
        values = {name.lower(): value for name, value in self.environment(**changes).items()}
        stop = asyncio.Event()
        serving = asyncio.create_task(serve(Settings.model_validate(values), stop))
        try:
            yield
        finally:
            stop.set()
            await serving

    async def process(self, folder: Path, **changes: str) -> asyncio.subprocess.Process:
        """One replica as a process of its own, output in `folder`; the caller stops it."""
        with (folder / "dialog.log").open("ab") as out:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "kf_dialog"),
                env={"PATH": os.environ["PATH"], **self.environment(**changes)},
                cwd=folder,
                stdout=out,
                stderr=out,
            )

    async def say(self, customer: str, text: str, **fields: Any) -> str:
        """One text of a customer on KF_INBOUND; returns its msgid. `fields` replace the event's."""
        body = {"msgtype": "text", "text": {"content": text}}
        return await self.send(customer, body, **fields)

    async def send(self, customer: str, body: dict[str, Any], **fields: Any) -> str:
        """One item of sync_msg on KF_INBOUND; returns its msgid."""
        msgid = fields.pop("msgid", None) or f"m{next(self._numbers)}"
        dedup = fields.pop("dedup", msgid)
        now = datetime.now(UTC)
        origin = fields.get("origin", 3)
        item = {
            "msgid": msgid,
            "open_kfid": ACCOUNT,
            "external_userid": customer,
            "send_time": int(now.timestamp()),
            "origin": origin,
            **body,
        }
        event = MessageReceived.model_validate(
            {
                "open_kfid": ACCOUNT,
                "external_userid": customer,
                "msgid": msgid,
                "msgtype": body["msgtype"],
                "origin": origin,
                "send_time": now,
                "item": item,
                **fields,
            }
        )
        await self.publish(event.encode(), dedup, event.open_kfid)
        return msgid

    async def publish(self, payload: bytes, dedup: str, account: str = ACCOUNT) -> None:
        """Raw bytes on KF_INBOUND."""
        await kf_nats.publish(
            self.js,
            f"kf.inbound.{account}",
            payload,
            msg_id=f"{account}-{dedup}",
            template="kf.inbound.{open_kfid}",
        )

    async def enters(self, customer: str, **fields: Any) -> str:
        """The customer opens the chat, as an event of sync_msg."""
        return await self.event(customer, event_type="enter_session", **fields)

    async def event(self, customer: str, **fields: Any) -> str:
        """An event of sync_msg about a customer."""
        body = {"open_kfid": ACCOUNT, "external_userid": customer, **fields}
        return await self.send(customer, {"msgtype": "event", "event": body}, origin=4)

    async def tell(self, command: Command, status: DeliveryStatus, **fields: Any) -> None:
        """What the sender says about a command, on KF_DELIVERY."""
        change = DeliveryChanged(
            command_id=command.command_id,
            kind=command.kind,
            turn_id=command.turn_id,
            open_kfid=command.open_kfid,
            external_userid=command.external_userid,
            status=status,
            parts_sent=1,
            parts_total=1,
            **fields,
        )
        await kf_nats.publish(
            self.js,
            f"kf.delivery.{command.open_kfid}",
            change.encode(),
            msg_id=f"d{next(self._numbers)}",
            template="kf.delivery.{open_kfid}",
        )

    async def commands(self) -> list[Command]:
        """Everything on KF_OUTBOUND so far, in order, without consuming it."""
        state = (await self.js.stream_info(streams.KF_OUTBOUND)).state
        return [
            decode_command((await self.js.get_msg(streams.KF_OUTBOUND, sequence)).data or b"")
            for sequence in range(1, state.last_seq + 1)
        ]

    async def commanded(self, kind: type[CommandT], number: int = 1) -> list[CommandT]:
        """The commands of one kind once there are `number`; fails after a generous wait."""
        deadline = monotonic() + WAIT_SECONDS
        while True:
            everything: list[Any] = await self.commands()
            found = [command for command in everything if isinstance(command, kind)]
            if len(found) >= number or monotonic() > deadline:
                assert len(found) == number, f"{len(found)} of {kind.__name__} instead of {number}"
                return found
            await asyncio.sleep(0.05)

    async def replies(self) -> list[SendReply]:
        """The replies on KF_OUTBOUND so far, in order."""
        return [command for command in await self.commands() if isinstance(command, SendReply)]

    async def replied(self, number: int) -> list[SendReply]:
        """The replies once there are `number`."""
        return await self.commanded(SendReply, number)

    async def asked(self, number: int) -> None:
        """Wait until the model was called `number` times."""
        async with asyncio.timeout(WAIT_SECONDS):
            while len(self.model.prompts) < number:
                await asyncio.sleep(0.02)

    async def rows(self, query: str, *arguments: Any) -> list[Any]:
        """A query on the dialog schema."""
        connection = await asyncpg.connect(
            self.database_url, server_settings={"search_path": "dialog,public"}
        )
        try:
            return await connection.fetch(query, *arguments)
        finally:
            await connection.close()

    async def until(self, query: str, *arguments: Any) -> list[Any]:
        """The rows of a query on the dialog schema once there are any."""
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                # The replica may still be making its tables.
                with suppress(asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError):
                    if rows := await self.rows(query, *arguments):
                        return rows
                await asyncio.sleep(0.05)

    async def stored(self, number: int) -> None:
        """Wait until the inbox holds `number` items."""
        async with asyncio.timeout(WAIT_SECONDS):
            while (await self.rows("SELECT count(*) FROM inbox"))[0][0] < number:
                await asyncio.sleep(0.05)

    @classmethod
    @asynccontextmanager
    async def open(cls, nats_url: str, database_url: str) -> AsyncIterator[Self]:
        """Streams, knowledge and model, ready to be talked to."""
        client = await kf_nats.connect(nats_url, "town")
        js = client.jetstream()
        await kf_nats.ensure_streams(js, streams.stream_configs(1))
        try:
            async with FakeKnowledge() as knowledge, FakeModel() as model:
                yield cls(client, js, nats_url, database_url, knowledge, model)
        finally:
            await client.close()
