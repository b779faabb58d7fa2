"""The limiter that all replicas share: a claim is a slot of the window and the customer whose turn it is."""

import json
from time import monotonic

from kf_runtime.postgres import Pool
from kf_wecom.content import TEXT_MAX_BYTES

from kf_sender.claimed import Claimed, Wait
from kf_sender.pacing import Pacing
from kf_sender.plan import OFFER
from kf_sender.tables import Tables, interval
from kf_sender.verdict import SharedPause


class SteadyClock:
    """What the limiter's clock should show, by this process's monotonic one: late perhaps, never early.

    PostgreSQL's clock may be stepped; the first replica to see it says so with its claim, and the others take
    over what it found (migration 0010).
    """

    def __init__(self, tolerance: float) -> None:
        self._tolerance = tolerance
        self._offset: float | None = None
        self.mends = 0
        """How many steps this replica knows of."""

    def expected(self) -> float | None:
        """Unix seconds; None before the first answer."""
        return None if self._offset is None else monotonic() + self._offset

    def saw(self, epoch: float, mends: int, said: float | None) -> None:
        """An answer of the limiter to what we `said`: its clock, and how often a step has been mended.

        An answer that is off although nobody else has mended anything was late on its way, or our own mend
        was: what we knew before stands, and the next claim says it again.
        """
        ours = said is not None and abs(epoch - said) <= self._tolerance
        by_others = mends != self.mends and not ours
        expected = self.expected()
        if expected is None or by_others or abs(epoch - expected) <= self._tolerance:
            self._offset = epoch - monotonic()
        self.mends = mends


class Limiter(Tables):
    """Begins sends, within the limits."""

    def __init__(self, pool: Pool, pacing: Pacing) -> None:
        super().__init__(pool, pacing)
        self._clock = SteadyClock(pacing.clock_tolerance)

    async def claim(self) -> Claimed | Wait:
        """Take a slot and the customer whose turn it is, in one statement; the attempt is counted with it."""
        p, said = self._pacing, self._clock.expected()
        [row] = await self._pool.fetch(
            self._sql.claim,
            p.slots,
            p.calls,
            p.span,
            interval(p.recovery),
            interval(p.lease),
            min(p.kept, p.slots // 10),
            interval(p.ahead),
            p.budget,
            OFFER,
            TEXT_MAX_BYTES,
            p.account_slots,
            p.burst or p.slots,
            said,
            self._clock.mends,
            p.clock_tolerance,
            interval(p.stacked),
        )
        fields = dict(row)
        self._clock.saw(fields.pop("clock_epoch"), fields.pop("mended"), said)
        wait = fields.pop("wait_seconds")
        if wait is None or wait > 0:
            return Wait(wait)
        return Claimed(**{**fields, "carrier": json.loads(fields["carrier"])})

    async def extend(self, claimed: Claimed) -> bool:
        """Prolong the lease; False when it has run out or somebody else has the customer."""
        return bool(
            await self._pool.fetchval(
                self._sql.extend_lease,
                *claimed.customer,
                claimed.fence,
                interval(self._pacing.lease),
                claimed.slot_id,
                self._pacing.span,
            )
        )

    async def pause_all(self, pause: SharedPause) -> None:
        """Make all replicas wait, and begin slower afterwards."""
        p = self._pacing
        await self._pool.execute(
            self._sql.pause_all,
            pause.seconds,
            p.slots,
            p.calls,
            pause.halve_slots,
            pause.halve_calls,
            interval(p.recovery),
        )
