"""Which servicer has which sessions, as far as the sender knows."""

from collections.abc import Sequence

from kf_sender.tables import Tables


class Servicers(Tables):
    """Fewest open sessions first, in turn among equals."""

    async def least_busy(self, servicer_userids: Sequence[str]) -> list[str]:
        """These servicers, who has the fewest open sessions first, then who has waited longest."""
        rows = await self._pool.fetch(self._sql.least_busy, list(servicer_userids))
        return [row["servicer_userid"] for row in rows]

    async def session_given(self, open_kfid: str, external_userid: str, servicer_userid: str) -> None:
        """A servicer has the session now."""
        await self._pool.execute(self._sql.session_given, open_kfid, external_userid, servicer_userid)

    async def session_over(self, open_kfid: str, external_userid: str) -> None:
        """No servicer has the session any more."""
        await self._pool.execute(self._sql.session_over, open_kfid, external_userid)
