"""The Token of a notice, which sync_msg accepts for ten minutes (section 1.6)."""

from __future__ import annotations

from collections import OrderedDict

from kf_simulator import ids
from kf_simulator.clock import Clock
from kf_simulator.journal import Journal
from kf_simulator.records import Json

LIFETIME_SECONDS = 600


class SyncTokens:
    """Tokens given out, with the epoch second of each."""

    def __init__(self, clock: Clock, journal: Journal) -> None:
        self._clock = clock
        self._journal = journal
        self._issued: OrderedDict[str, float] = OrderedDict()

    def issue(self) -> str:
        """A fresh Token; expired ones are forgotten on the way."""
        now = self._clock.now()
        while self._issued and next(iter(self._issued.values())) <= now - LIFETIME_SECONDS:
            self._journal.drop("sync_token", self._issued.popitem(last=False)[0])
        token = ids.notice_token()
        self._keep(token, now)
        return token

    def valid(self, token: str) -> bool:
        """Whether a Token was given out within ten minutes."""
        issued = self._issued.get(token)
        return issued is not None and self._clock.now() - issued <= LIFETIME_SECONDS

    def restore(self, documents: dict[str, Json]) -> None:
        """Take back what a run before this one gave out."""
        for token, document in documents.items():
            self._keep(token, document["at"])

    def keep_all(self) -> None:
        """Put every Token into the journal again, after it was rewritten."""
        for token, at in list(self._issued.items()):
            self._keep(token, at)

    def _keep(self, token: str, at: float) -> None:
        self._issued[token] = at
        self._journal.put("sync_token", token, {"at": at})
