"""How fast and how patient the sender is: the numbers that all of its loops share."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class Pacing:
    """Durations in seconds; the defaults are right for WeCom, tests shrink them."""

    slots: int = 20
    """send_msg calls in any window, all replicas together."""
    account_slots: int = 0
    """The same for each account; 0: only the corp's limit."""
    window: float = 60.0
    guard: float = 0.1
    """Added to the window, since the two clocks need not tick alike."""
    clock_tolerance: float = 1.0
    """A smaller step of PostgreSQL's clock is not told from a slow call."""
    calls: int = 50
    """Calls at the same time, all replicas together; 45033 lowers it for a while."""
    recovery: float = 300.0
    """From half speed after 45009 back to full."""
    lease: float = 15.0
    """A customer whose sender died is taken over after this long."""
    poll: float = 0.5
    """How often a replica looks for work that another one stored."""
    burst: int = 0
    """Ordinary sends at once; so many again when as much of the window has passed. 0: the whole window's."""
    kept: int = 2
    """Slots that ordinary sends leave to urgent ones, besides as many as those took in the last window..."""
    ahead: float = 1.0
    """...unless others will be free after so many seconds. A welcome_code lives 20 s."""
    budget: int = 4
    """Messages that answers may take per customer message; of WeCom's 5 one is for a handover notice."""
    stacked: float = 120.0
    """An answer that has waited so long goes out in one message with those behind it."""
    fresh: float = 24 * 3600.0
    """What could not be sent for so long is of no use any more."""
    keep: float = 30 * 24 * 3600.0
    """How long a command that ended stays in the ledger."""
    retry_first: float = 1.0
    retry_most: float = 60.0
    account_first: float = 30.0
    account_most: float = 600.0
    alert_every: float = 600.0
    """One alert per account and this time, while it is refused."""

    @property
    def span(self) -> timedelta:
        """How long an ended call counts."""
        return timedelta(seconds=self.window + self.guard)

    def backoff(self, attempts: int) -> float:
        """Seconds before the next attempt: doubling from `retry_first` up to `retry_most`."""
        return float(min(self.retry_first * 2 ** min(max(attempts, 1) - 1, 16), self.retry_most))
