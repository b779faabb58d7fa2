"""The way of a notice into JetStream, also while JetStream is away."""

from time import monotonic

import structlog
from kf_contracts import streams, subjects
from kf_contracts.events import NoticeReceived
from kf_runtime import nats as kf_nats
from nats.aio.client import Client
from nats.errors import Error as NatsError

log = structlog.get_logger()

ACK_SECONDS = 2.0
"""WeCom waits 5 s for the answer; reading the body may take another 1.5."""
_TEMPLATE = "kf.notice.{open_kfid}"
_READY_SECONDS = 1.0
_READY_FRESH_SECONDS = 1.0


class StreamUnavailableError(Exception):
    """JetStream did not acknowledge: the notice may or may not be stored."""


class NoticeStream:
    """KF_NOTICE as the callback sees it; before `attach` everything is refused."""

    def __init__(self) -> None:
        self._client: Client | None = None
        self._ready, self._ready_until = False, 0.0

    def attach(self, client: Client) -> None:
        """Go to work: the streams are there."""
        self._client = client

    async def publish(self, notice: NoticeReceived, dedup_id: str) -> None:
        """Store a notice and wait for the acknowledgement, 2 s at most.

        Raises:
            StreamUnavailableError: not acknowledged; the same again under the same id does no harm.
        """
        if self._client is None or not self._client.is_connected:
            raise StreamUnavailableError
        try:
            await kf_nats.publish(
                self._client.jetstream(),
                subjects.subject(subjects.NOTICE, notice.open_kfid),
                notice.encode(),
                msg_id=dedup_id,
                template=_TEMPLATE,
                timeout=ACK_SECONDS,
            )
        except (NatsError, OSError) as error:
            log.warning("notice.not_stored", error=type(error).__name__)
            raise StreamUnavailableError from None

    async def is_ready(self) -> bool:
        """Whether JetStream answers for the stream; asked once a second at most, since anyone may ask us."""
        if monotonic() >= self._ready_until:
            self._ready = await self._answers()
            self._ready_until = monotonic() + _READY_FRESH_SECONDS
        return self._ready

    async def _answers(self) -> bool:
        if self._client is None or not self._client.is_connected:
            return False
        try:
            await self._client.jetstream(timeout=_READY_SECONDS).stream_info(streams.KF_NOTICE)
        except (NatsError, OSError):
            return False
        return True
