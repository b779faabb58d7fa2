"""How often an API may be called: per corp and per address, by the minute and by the hour (section 10)."""

from __future__ import annotations

from kf_simulator.clock import Clock
from kf_simulator.errors import WireError
from kf_simulator.switches import Switches
from kf_simulator.windows import Penalty

_MINUTE, _HOUR = 60.0, 3600.0


class Limits:
    """Counts every call; a breach is 45009 until the window's length has passed."""

    def __init__(self, clock: Clock, switches: Switches) -> None:
        self._clock = clock
        self._switches = switches
        self._penalties: dict[tuple[str, str, float], Penalty] = {}

    def admit(self, api: str, client_ip: str, *, debug: bool) -> None:
        """Count one call and refuse it with 45009 when a limit is reached."""
        switches = self._switches
        self._count(api, "corp", _MINUTE, switches.api_calls_per_minute)
        self._count(api, "corp", _HOUR, switches.api_calls_per_hour)
        self._count(api, client_ip, _MINUTE, switches.ip_calls_per_minute)
        self._count(api, client_ip, _HOUR, switches.ip_calls_per_hour)
        if debug:
            self._count(api, "debug", _MINUTE, switches.debug_calls_per_minute)

    def reset(self) -> None:
        """Forget all counts and blocks."""
        self._penalties.clear()

    def _count(self, api: str, scope: str, seconds: float, limit: int) -> None:
        key = (api, scope, seconds)
        penalty = self._penalties.get(key)
        if penalty is None:
            penalty = self._penalties[key] = Penalty(seconds)
        if penalty.exceeded(self._switches.scaled(limit), self._clock.now()):
            raise WireError(45009)
