"""What every part of the store needs: the pool, the statements, the numbers."""

from datetime import timedelta

from kf_runtime import postgres
from kf_runtime.postgres import Pool

from kf_sender.pacing import Pacing

SCHEMA = "sender"


class Tables:
    """The sender's schema; each part of the store adds the methods of one noun."""

    def __init__(self, pool: Pool, pacing: Pacing) -> None:
        self._pool = pool
        self._sql = postgres.load_queries("kf_sender")
        self._pacing = pacing


def interval(seconds: float) -> timedelta:
    """Seconds as PostgreSQL takes them."""
    return timedelta(seconds=seconds)
