"""How often sync_msg may be called without a valid callback token: WeCom blocks an app at ten a minute."""

import json
import time
from collections.abc import Callable, Sequence

from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from kf_gateway.clocks import is_honest

WINDOW_SECONDS = 60.0
CALLS_PER_WINDOW = 6
"""Below the ten of wecom-kf-api §3.5, whose scope and window nobody outside knows exactly."""
POLLS_PER_WINDOW = 4
"""The rest is kept for notices whose token has died (95007): a customer waits behind those."""

_KEY = "tokenless"
_POLL_SPACING = WINDOW_SECONDS / POLLS_PER_WINDOW


class BudgetSpentError(Exception):
    """No token-less call is allowed for `wait` seconds."""

    def __init__(self, wait: float) -> None:
        super().__init__(f"token-less budget spent for {wait:.0f} s")
        self.wait = wait


def wait_for_call(calls: Sequence[float], now: float, limit: int, spacing: float = 0.0) -> float:
    """Seconds until another call is allowed, 0 for now; `calls` are the times of earlier ones.

    At most `limit` in any window, and `spacing` seconds after the last one.
    """
    recent = _counting(calls, now)
    free_at = recent[-limit] + WINDOW_SECONDS if len(recent) >= limit else now
    spaced_at = recent[-1] + spacing if recent else now
    return max(free_at, spaced_at, now) - now


def _counting(calls: Sequence[float], now: float) -> list[float]:
    """The calls of the window, ascending; those of the future were noted by a clock that was wrong."""
    return sorted(at for at in calls if at > now - WINDOW_SECONDS and is_honest(at, now))


class TokenlessBudget:
    """The budget of all replicas: the times of the last calls under one key of a KV bucket."""

    def __init__(self, bucket: KeyValue, clock: Callable[[], float] = time.time) -> None:
        self._bucket, self._clock = bucket, clock

    async def claim(self) -> None:
        """Take one call for a notice whose token is of no use.

        Raises:
            BudgetSpentError: not now; nothing was taken.
            NatsError: nothing is known.
        """
        await self._take(CALLS_PER_WINDOW, 0.0)

    async def claim_poll(self) -> None:
        """Take one call for a poll: fewer of them, and spread evenly. Errors as in `claim`."""
        await self._take(POLLS_PER_WINDOW, _POLL_SPACING)

    async def poll_wait(self) -> float:
        """Seconds until a poll is allowed, 0 for now; nothing is taken. NatsError."""
        calls, _ = await self._read()
        return wait_for_call(calls, self._clock(), POLLS_PER_WINDOW, _POLL_SPACING)

    async def record(self) -> None:
        """Count a call that was already made: one with a wrong token weighs as much as one without."""
        await self._take(None, 0.0)

    async def _take(self, limit: int | None, spacing: float) -> None:
        while True:
            calls, revision = await self._read()
            now = self._clock()
            wait = 0.0 if limit is None else wait_for_call(calls, now, limit, spacing)
            if wait:
                raise BudgetSpentError(wait)
            kept = [*_counting(calls, now), now]
            try:
                await self._bucket.update(_KEY, json.dumps({"calls": kept}).encode(), last=revision)
            except KeyWrongLastSequenceError:
                continue
            return

    async def _read(self) -> tuple[list[float], int]:
        try:
            entry = await self._bucket.get(_KEY)
        except KeyNotFoundError:
            return [], 0
        return list(json.loads(entry.value or b"{}").get("calls", [])), entry.revision or 0
