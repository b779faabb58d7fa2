"""How the ledger stands as a whole: what waits and for how long, the limiter's use, quotas, open circuits."""

from dataclasses import dataclass

from kf_sender.tables import Tables


@dataclass(frozen=True)
class Standing:
    """commands: (number, age of the oldest in seconds) by status; quota: customers by messages left."""

    commands: dict[str, tuple[int, float]]
    limiter_use: float
    quota: dict[int, int]
    suspended_accounts: int


class Standings(Tables):
    """Numbers over all customers, for the metrics."""

    async def standing(self) -> Standing:
        """How things stand now."""
        async with self._pool.acquire() as connection:
            commands = await connection.fetch(self._sql.commands_waiting)
            used = await connection.fetchval(self._sql.slots_used)
            quota = await connection.fetch(self._sql.quota_left, self._pacing.budget)
            suspended = await connection.fetchval(self._sql.accounts_suspended)
        left = {row["quota"]: row["customers"] for row in quota}
        return Standing(
            commands={row["status"]: (row["commands"], row["age"]) for row in commands},
            limiter_use=used / self._pacing.slots,
            quota={number: left.get(number, 0) for number in range(self._pacing.budget + 1)},
            suspended_accounts=suspended,
        )
