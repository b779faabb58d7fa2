"""One account's stream of messages and events, read with cursors (section 3.4)."""

from __future__ import annotations

from dataclasses import dataclass

from kf_simulator import ids
from kf_simulator.records import Json

RETENTION_SECONDS = 3 * 24 * 3600


@dataclass(frozen=True)
class Page:
    """One answer of sync_msg."""

    items: list[Json]
    next_cursor: str
    has_more: bool


class Stream:
    """Items in order of arrival, numbered from 0; what is older than three days cannot be read any more."""

    def __init__(self, open_kfid: str) -> None:
        self.open_kfid = open_kfid
        self.pulled = 0
        self._first = 0
        self._items: list[Json] = []
        self._expired = 0

    @property
    def end(self) -> int:
        """The sequence number the next item will get."""
        return self._first + len(self._items)

    def append(self, item: Json) -> int:
        """Add an item and return its sequence number."""
        self._items.append(item)
        return self.end - 1

    def restore(self, sequence: int, item: Json) -> None:
        """Put back an item that was kept over a restart; called in order of sequence."""
        if not self._items:
            self._first = sequence
        self._items.append(item)

    def start_at(self, sequence: int) -> None:
        """Go on numbering from here when every kept item was too old to restore."""
        if not self._items:
            self._first = max(self._first, sequence)

    def kept(self) -> list[tuple[int, Json]]:
        """Every item in memory with its sequence number."""
        return list(enumerate(self._items, self._first))

    def page(self, cursor: str, limit: int, now: float) -> Page:
        """Up to `limit` items after the cursor ("": from the oldest kept); ValueError on a bad cursor."""
        wanted = ids.decode_cursor(self.open_kfid, cursor) if cursor else 0
        if wanted > self.end:
            raise ValueError("cursor lies beyond the end of the stream")
        self._expire(now)
        begin = max(wanted, self._first + self._expired)
        items = self._items[begin - self._first : begin - self._first + limit]
        following = begin + len(items)
        self.pulled = max(self.pulled, following)
        return Page(items, ids.encode_cursor(self.open_kfid, following), following < self.end)

    def _expire(self, now: float) -> None:
        oldest = now - RETENTION_SECONDS
        while self._expired < len(self._items) and self._items[self._expired]["send_time"] < oldest:
            self._expired += 1
        if self._expired > 1000 and self._expired * 2 > len(self._items):
            del self._items[: self._expired]
            self._first += self._expired
            self._expired = 0
