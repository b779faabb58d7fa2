"""Takes commands from KF_OUTBOUND into the ledger; from there on nothing can be lost."""

from dataclasses import replace

import structlog
from kf_contracts import subjects
from kf_contracts.commands import Command, decode_command
from kf_contracts.events import PayloadError
from kf_contracts.streams import KF_OUTBOUND
from kf_runtime import telemetry
from kf_runtime.bell import Bell
from kf_runtime.logging import hashed
from kf_runtime.nats import Consumer, Done, Outcome, Park, Retry
from kf_runtime.postgres import TRANSIENT
from nats.aio.msg import Msg
from opentelemetry import trace

from kf_sender.plan import plan_of
from kf_sender.store import Store

SERVICE = "sender"

# One message at a time, all replicas together: the order of the stream is the order of the ledger.
CONSUMER = Consumer(
    stream=KF_OUTBOUND,
    durable=SERVICE,
    filter_subject=f"{subjects.OUTBOUND}.*",
    template="kf.outbound.{open_kfid}",
    concurrency=1,
    max_ack_pending=1,
    ack_wait=8.0,
    # With a second between tries: more than two days without PostgreSQL.
    max_deliver=200_000,
)
# Codes that live 20 s have a way of their own: it is short, and a crash in one holds up only that one.
URGENT_CONSUMER = replace(
    CONSUMER,
    durable=f"{SERVICE}-urgent",
    filter_subject=f"{subjects.URGENT}.*",
    template="kf.outbound.urgent.{open_kfid}",
    concurrency=4,
    max_ack_pending=64,
    ack_wait=3.0,
)
_AGAIN_SECONDS = 1.0

log = structlog.get_logger()


class Intake:
    """The handler of KF_OUTBOUND; `wake` rings when there is something new to send."""

    def __init__(self, store: Store, budget: int, wake: Bell) -> None:
        self._store = store
        self._budget = budget
        self._wake = wake

    async def __call__(self, msg: Msg) -> Outcome:
        """Store one command with its parts; a redelivery changes nothing."""
        try:
            command = read(msg.data)
        except PayloadError as error:
            return Park(str(error))
        try:
            await self._store_it(command)
        except TRANSIENT as error:
            log.warning("intake.database_away", error=type(error).__name__)
            return Retry(_AGAIN_SECONDS, type(error).__name__)
        self._wake.ring()
        return Done()

    async def _store_it(self, command: Command) -> None:
        planned = plan_of(command, self._budget)
        facts: dict[str, str | int] = {
            "command_id": command.command_id,
            "kind": command.kind,
            "turn_id": command.turn_id,
            "open_kfid": command.open_kfid,
            "customer": hashed(command.external_userid),
            "parts": len(planned.parts),
        }
        span = trace.get_current_span()
        span.set_attributes({f"kf.{name}": value for name, value in facts.items()})
        outcome = "stored" if await self._store.accept(command, planned, telemetry.carrier()) else "duplicate"
        span.set_attribute("kf.outcome", outcome)
        log.info("command.accepted", outcome=outcome, **facts, remark=planned.remark)


def read(data: bytes) -> Command:
    """A command that can be stored and reported about; PayloadError otherwise."""
    command = decode_command(data)
    if not subjects.is_open_kfid(command.open_kfid):
        raise PayloadError("Command: open_kfid: cannot be an open_kfid")
    if not command.external_userid or "\x00" in command.external_userid + command.turn_id:
        raise PayloadError("Command: external_userid, turn_id: empty or with a NUL")
    return command
