"""Sliding windows: how many calls were made in the last seconds, and the blocks that follow too many."""

from __future__ import annotations

from collections import deque

_BUCKETS = 60


class SlidingWindow:
    """Times of recent calls."""

    def __init__(self, seconds: float = 60.0) -> None:
        self._seconds = seconds
        self._times: deque[float] = deque()

    def add(self, now: float) -> int:
        """Count a call and return how many fell into the window, this one included."""
        self._times.append(now)
        while self._times[0] <= now - self._seconds:
            self._times.popleft()
        return len(self._times)


class _CountedWindow:
    """As many calls as there may be, in 60 counters: an hour holds 600,000."""

    def __init__(self, seconds: float) -> None:
        self._bucket_seconds = seconds / _BUCKETS
        self._buckets: deque[tuple[int, int]] = deque()
        self._total = 0

    def add(self, now: float) -> int:
        bucket = int(now // self._bucket_seconds)
        if self._buckets and self._buckets[-1][0] >= bucket:
            last, counted = self._buckets.pop()
            self._buckets.append((last, counted + 1))
        else:
            self._buckets.append((bucket, 1))
        self._total += 1
        while self._buckets[0][0] <= bucket - _BUCKETS:
            self._total -= self._buckets.popleft()[1]
        return self._total


class Penalty:
    """A limit per minute or hour that blocks for as long once it is exceeded (45009, section 10)."""

    def __init__(self, seconds: float = 60.0) -> None:
        self._seconds = seconds
        self._window = _CountedWindow(seconds)
        self._blocked_until = 0.0

    def blocked(self, now: float) -> bool:
        """Whether the block after a breach still runs; it does not outlast a clock that was set back."""
        return self._blocked_until - self._seconds <= now < self._blocked_until

    def exceeded(self, limit: int, now: float) -> bool:
        """Count a call; true while blocked and for the call that goes over. A limit of 0 is none."""
        if limit == 0:
            return False
        if self.blocked(now):
            return True
        if self._window.add(now) <= limit:
            return False
        self._blocked_until = now + self._seconds
        return True
