"""The dead letters on KF_DEAD: read, run again, dropped. A letter's number is its place in the stream."""

import base64
from dataclasses import dataclass
from types import TracebackType

import nats
from kf_contracts import subjects
from kf_contracts.events import DeadLetter, PayloadError
from kf_contracts.streams import KF_DEAD
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from kf_cli.ledger import open_ledger


class DeadLetterError(Exception):
    """There is no such letter, it cannot be run again, or NATS does not answer; `str()` says the mend."""


@dataclass(frozen=True)
class Numbered:
    """A letter and its number."""

    number: int
    letter: DeadLetter


class DeadLetters:
    """A context manager around a NATS connection."""

    def __init__(self, nats_url: str) -> None:
        self._url = nats_url
        self._client = Client()

    async def __aenter__(self) -> "DeadLetters":
        try:
            self._client = await nats.connect(
                self._url, name="kf dead", connect_timeout=3, allow_reconnect=False, error_cb=_quiet
            )
        except (NatsError, OSError) as error:
            raise DeadLetterError(
                f"NATS does not answer ({type(error).__name__}). Is `kf run` running? Set NATS_URL. "
                "/ 无法连接 NATS，请检查服务是否启动以及 NATS_URL。"
            ) from None
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, frames: TracebackType | None
    ) -> None:
        await self._client.close()

    @property
    def jetstream(self) -> JetStreamContext:
        """The streams through this connection."""
        return self._client.jetstream()

    async def list(self, limit: int = 100) -> list[Numbered]:
        """The newest letters, newest first."""
        state = (await self._client.jetstream().stream_info(KF_DEAD)).state
        found: list[Numbered] = []
        number = state.last_seq if state.messages else 0
        while number >= max(state.first_seq, 1) and len(found) < limit:
            letter = await self._read(number)
            if letter is not None:
                found.append(Numbered(number, letter))
            number -= 1
        return found

    async def show(self, number: int) -> DeadLetter:
        """One letter."""
        letter = await self._read(number)
        if letter is None:
            raise DeadLetterError(f"There is no dead letter {number}. `kf dead list` shows them.")
        return letter

    async def replay(self, number: int, ledger_url: str) -> str:
        """Run the work again and drop the letter; what was done, in words.

        The ledger queues a command under the msgids it had, and a message of a stream is taken once by its
        id: a second replay, or one of something that had its effect, doubles nothing.
        """
        letter = await self.show(number)
        if letter.command_id:
            async with open_ledger(ledger_url) as ledger:
                if not await ledger.replay(letter.command_id):
                    raise DeadLetterError(
                        f"Command {letter.command_id} is neither failed nor expired now, or has no text: "
                        "nothing to run again. `kf dead drop` removes the letter."
                    )
            done = f"command {letter.command_id} is queued again"
        elif letter.payload and letter.subject.startswith((f"{subjects.INBOUND}.", f"{subjects.OUTBOUND}.")):
            await self._client.jetstream().publish(
                letter.subject,
                base64.b64decode(letter.payload),
                headers={"Nats-Msg-Id": f"replay:{KF_DEAD}:{number}"},
            )
            done = f"published on {letter.subject} again"
        else:
            raise DeadLetterError(f"Dead letter {number} holds nothing that can be run again.")
        await self.drop(number)
        return done

    async def drop(self, number: int) -> None:
        """Remove a letter."""
        await self.show(number)
        await self._client.jetstream().delete_msg(KF_DEAD, number)

    async def _read(self, number: int) -> DeadLetter | None:
        try:
            message = await self._client.jetstream().get_msg(KF_DEAD, number)
            return DeadLetter.decode(message.data or b"")
        except NotFoundError:
            return None
        except PayloadError:
            return DeadLetter(service="?", subject=message.subject or "", reason="unreadable dead letter")


async def _quiet(_: Exception) -> None:
    """The command says what is wrong once; the client would print a traceback for every try."""
