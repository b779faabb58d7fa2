"""The fallback poll: accounts that nobody has pulled for a while, one at a time, within the budget."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import structlog
from kf_contracts.subjects import is_open_kfid
from kf_wecom.client import WecomClient
from kf_wecom.errors import WecomError
from nats.errors import Error as NatsError

from kf_gateway.budget import TokenlessBudget
from kf_gateway.clocks import is_honest
from kf_gateway.cursor import Cursors, Progress
from kf_gateway.outage import Outages, is_passing
from kf_gateway.puller import HELD, Puller

log = structlog.get_logger()

_LIST_SECONDS = 3600.0
_LIST_AGAIN_SECONDS = 300.0
_TICK_SECONDS = 5.0
_NO_ACCOUNT_ZH = "没有授权给本应用的客服账号：请在「微信客服 → 通过API管理微信客服账号」中授权账号。"
_NO_ACCOUNT_EN = "No KF account is granted to this app: grant one under 微信客服 → 通过API管理微信客服账号."


@dataclass(frozen=True)
class Listing:
    """The accounts that WeCom last said the app may act on; `at` 0: it has not said so yet."""

    accounts: frozenset[str] = frozenset()
    at: float = 0.0


def due(known: Mapping[str, Progress], listing: Listing, now: float, poll_seconds: float) -> list[str]:
    """The accounts to poll, the longest unread first.

    An account outside the listing counts only if it was pulled since (it is newer than the listing): one that
    was taken from the app must not be polled for ever. A pull of the future was noted by a wrong clock.
    """
    pulled = {kfid: p.pulled_at if is_honest(p.pulled_at, now) else 0.0 for kfid, p in known.items()}
    candidates = listing.accounts | {kfid for kfid, at in pulled.items() if at >= listing.at}
    late = [kfid for kfid in candidates if pulled.get(kfid, 0.0) + poll_seconds <= now]
    return sorted(late, key=lambda kfid: (pulled.get(kfid, 0.0), kfid))


@dataclass
class Poller:
    """Polls for as long as the service runs; all replicas together stay within the budget."""

    client: WecomClient
    puller: Puller
    cursors: Cursors
    budget: TokenlessBudget
    outages: Outages
    poll_seconds: float
    clock: Callable[[], float] = time.time
    _listing: Listing = field(default_factory=Listing, init=False)
    _list_at: float = field(default=0.0, init=False)

    async def run(self, stop: asyncio.Event) -> None:
        """One account per tick at most, until `stop`."""
        tick = min(self.poll_seconds / 4, _TICK_SECONDS)
        while not stop.is_set():
            try:
                await self.poll_once()
            except (NatsError, OSError) as error:
                log.warning("poll.dependency_down", error=type(error).__name__)
            except Exception:
                # A bug in the fallback must not take the callback down with it.
                log.exception("poll.failed")
            try:
                await asyncio.wait_for(stop.wait(), tick)
            except TimeoutError:
                continue

    async def poll_once(self) -> None:
        """Pull the account that has waited longest, if one is due and the budget allows. NatsError.

        An account that another puller is reading costs nothing, and the next one has its turn.
        """
        if self.clock() >= self._list_at:
            await self._list()
        waiting = due(await self.cursors.all(), self._listing, self.clock(), self.poll_seconds)
        for open_kfid in waiting:
            if self.outages.remaining(open_kfid):
                continue
            if await self.budget.poll_wait():
                return
            if await self.puller.pull(open_kfid, poll=True) is not HELD:
                return

    async def _list(self) -> None:
        now = self.clock()
        try:
            accounts = await self.client.account_list()
        except WecomError as error:
            self._list_at = now + _LIST_AGAIN_SECONDS
            # At a fresh start this is the first call: it is where a wrong secret or IP shows.
            tell = log.warning if is_passing(error) else log.error
            tell(
                "poll.accounts_not_listed",
                detail=str(error),
                remedy_zh=error.remedy_zh,
                remedy_en=error.remedy_en,
            )
            return
        granted = {a.open_kfid for a in accounts if a.manage_privilege is not False}
        self._listing = Listing(frozenset(filter(is_open_kfid, granted)), now)
        self._list_at = now + _LIST_SECONDS
        log.info("poll.accounts_listed", accounts=len(self._listing.accounts))
        if not self._listing.accounts:
            log.warning("poll.no_account", remedy_zh=_NO_ACCOUNT_ZH, remedy_en=_NO_ACCOUNT_EN)
