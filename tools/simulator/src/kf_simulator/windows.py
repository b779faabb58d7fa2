"""Sliding windows: how many calls were made in the last seconds."""

from __future__ import annotations

from collections import deque


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


class Penalty:
    """A limit per minute that blocks for a minute once it is exceeded (45009, section 10)."""

    def __init__(self) -> None:
        self._window = SlidingWindow()
        self._blocked_until = 0.0

    def blocked(self, now: float) -> bool:
        """Whether the minute after a breach still runs."""
        return now < self._blocked_until

    def exceeded(self, limit: int, now: float) -> bool:
        """Count a call; true while blocked and for the call that goes over. A limit of 0 is none."""
        if limit == 0:
            return False
        if self.blocked(now):
            return True
        if self._window.add(now) <= limit:
            return False
        self._blocked_until = now + 60.0
        return True
