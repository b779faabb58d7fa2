"""The clock of the simulated world, which tests can move forward."""

from __future__ import annotations

import time


class Clock:
    """Wall clock plus an offset in seconds."""

    def __init__(self, offset: float = 0.0) -> None:
        self.offset = offset

    def now(self) -> float:
        """Seconds since the epoch in the simulated world."""
        return time.time() + self.offset

    def advance(self, seconds: float) -> None:
        """Move time; a negative step is a clock that was set back."""
        self.offset += seconds
