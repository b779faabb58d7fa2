"""How far each account has been read: the cursor in NATS KV, and which pulled items may be answered."""

from typing import Self

import structlog
from kf_wecom.replies import SyncPage
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue
from pydantic import BaseModel, ConfigDict, ValidationError

log = structlog.get_logger()

_SNAPSHOT_SECONDS = 10.0


class Progress(BaseModel):
    """What is known of one account after its last stored page; times are epoch seconds."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    cursor: str = ""
    """Empty: WeCom has given none yet, so the next pull begins at the oldest of 3 days."""
    answer_from: float = 0.0
    """Items sent before this are history: recorded, not answered. 0 once the stream is caught up with."""
    seen_until: float = 0.0
    """The newest send_time of an item that was published."""
    pulled_at: float = 0.0
    """When a pull last reached the end of the stream."""

    @classmethod
    def first_run(cls, now: float, window_seconds: float) -> Self:
        """No cursor is known: the 3 days that WeCom keeps are history, but for the last `window_seconds`.

        The border is stored with the cursor, so a crash between two pages of the history does not move it.
        """
        return cls(answer_from=now - window_seconds)

    def restarted(self) -> "Progress":
        """WeCom refuses the cursor: read all 3 days again, answer nothing older than what was read before.

        What lies in between was never read and is answered; doubles at the border end in dialog's inbox.
        """
        border = max(self.answer_from, self.seen_until)
        return self.model_copy(update={"cursor": "", "answer_from": border})

    def answerable(self, send_time: float) -> bool:
        """Whether an item of this age may be answered. Caught up, there is no age limit: outages happen."""
        return send_time >= self.answer_from

    def after(self, page: SyncPage, newest: float, now: float) -> "Progress":
        """Progress once every item of `page` is published; `newest` is their latest send_time, or 0.

        An empty next_cursor never replaces a stored one: it would mean the oldest of 3 days.
        """
        caught_up = not page.has_more
        return Progress(
            cursor=page.next_cursor or self.cursor,
            answer_from=0.0 if caught_up else self.answer_from,
            # A send_time from the future must not make later questions look old.
            seen_until=max(self.seen_until, min(newest, now)),
            pulled_at=now if caught_up else self.pulled_at,
        )


class CursorMovedError(Exception):
    """Another puller has stored a page since the cursor was read; its position stands."""


class Cursors:
    """The bucket of `Progress`, one key per open_kfid; every write compares the revision."""

    def __init__(self, bucket: KeyValue) -> None:
        self._bucket = bucket

    async def load(self, open_kfid: str) -> tuple[Progress | None, int]:
        """An account's progress and its revision; (None, 0) before the first pull. NatsError."""
        try:
            entry = await self._bucket.get(open_kfid)
        except KeyNotFoundError:
            return None, 0
        return _decoded(open_kfid, entry.value), entry.revision or 0

    async def store(self, open_kfid: str, progress: Progress, revision: int) -> int:
        """Write if nobody wrote since `revision`; the new revision.

        Raises:
            CursorMovedError: somebody did.
            NatsError: it is not known whether it was written.
        """
        try:
            return await self._bucket.update(open_kfid, progress.model_dump_json().encode(), last=revision)
        except KeyWrongLastSequenceError:
            raise CursorMovedError from None

    async def all(self) -> dict[str, Progress]:
        """Every account that was ever pulled. NatsError."""
        watcher = await self._bucket.watchall(ignore_deletes=True)
        found = {}
        try:
            # None marks the end of what was there when the watch began.
            while entry := await watcher.updates(timeout=_SNAPSHOT_SECONDS):  # type: ignore[no-untyped-call]
                found[entry.key] = _decoded(entry.key, entry.value) or Progress()
        finally:
            await watcher.stop()  # type: ignore[no-untyped-call]
        return found


def _decoded(open_kfid: str, value: bytes | None) -> Progress | None:
    try:
        return Progress.model_validate_json(value or b"")
    except ValidationError:
        # Going on as on a first run beats never pulling this account again.
        log.warning("cursor.unreadable", open_kfid=open_kfid)
        return None
