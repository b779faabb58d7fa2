"""What WeCom gave and nobody else knows: codes for notices, and the ids of media."""

from kf_contracts.events import SessionHolder

from kf_sender.claimed import Claimed
from kf_sender.tables import Tables


class Keepsakes(Tables):
    """Kept with a part (codes) or by content (media)."""

    async def keep_code(
        self,
        claimed: Claimed,
        code: str,
        text: str,
        holder: SessionHolder = SessionHolder.UNKNOWN,
        servicer_userid: str = "",
    ) -> None:
        """What WeCom gave for a notice, its words, and who has the session now: known nowhere else."""
        command = (*claimed.customer, claimed.command_id, claimed.part_no)
        await self._pool.execute(self._sql.keep_code, *command, code, text, holder, servicer_userid)

    async def code_of(self, claimed: Claimed) -> str:
        """The code that an earlier attempt was given; empty without one."""
        command = (*claimed.customer, claimed.command_id, claimed.part_no)
        return str(await self._pool.fetchval(self._sql.code_of, *command))

    async def media_id(self, digest: str) -> str:
        """What WeCom calls a media that it still keeps; empty otherwise."""
        return str(await self._pool.fetchval(self._sql.media_id, digest) or "")

    async def keep_media(self, digest: str, media_id: str) -> None:
        """WeCom keeps a media now."""
        await self._pool.execute(self._sql.keep_media, digest, media_id)

    async def forget_media(self, digest: str) -> None:
        """WeCom does not keep it any more."""
        await self._pool.execute(self._sql.forget_media, digest)
