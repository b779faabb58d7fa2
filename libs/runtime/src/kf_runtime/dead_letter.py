"""How work that can never succeed gets to the dead letters; what a letter holds is the contracts' matter."""

import base64
from collections.abc import Callable, Mapping
from typing import Protocol

from nats.aio.msg import Msg
from nats.js import JetStreamContext

from kf_runtime import instruments
from kf_runtime.nats import OnPark, publish

TEMPLATE = "kf.dead.{service}"
# A server takes messages of 1 MiB; base64 adds a third.
_PAYLOAD_BYTES = 512 * 1024


class Letter(Protocol):
    """kf_contracts.events.DeadLetter, as far as its way goes."""

    @property
    def service(self) -> str:
        """Who gave the work up."""

    def encode(self) -> bytes:
        """As it goes on the wire."""


async def bury(
    js: JetStreamContext, letter: Letter, *, key: str, headers: Mapping[str, str] | None = None
) -> None:
    """Publish a letter on kf.dead.<service>, once per `key`; `headers` as in `publish`. NatsError."""
    await publish(
        js,
        TEMPLATE.format(service=letter.service),
        letter.encode(),
        msg_id=f"{letter.service}:{key}",
        template=TEMPLATE,
        headers=headers,
    )
    instruments.dead_letters.add(1)


def burying(js: JetStreamContext, service: str, letter: Callable[..., Letter]) -> OnPark:
    """The `on_park` of a service's consumers: the message goes to the dead letters, whole if it fits.

    `letter` is the class DeadLetter, called with service, subject, reason and payload.
    """

    async def on_park(msg: Msg, reason: str) -> None:
        made = letter(service=service, subject=msg.subject, reason=reason, payload=payload_base64(msg))
        place = msg.metadata
        await bury(js, made, key=f"{place.stream}:{place.sequence.stream}")

    return on_park


def payload_base64(msg: Msg) -> str:
    """The message's body as a dead letter keeps it; empty when the letter would be too big for the stream."""
    return base64.b64encode(msg.data).decode() if len(msg.data) <= _PAYLOAD_BYTES else ""
