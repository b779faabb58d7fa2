"""The access token: kept, shared by all replicas, renewed by one of them, never asked for in a loop.

WeCom bans an IP for an hour after many bad gettoken calls, so a refusal is remembered with a growing pause
and raised at once meanwhile. Without NATS a replica goes on alone under the same rules.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

from nats.js.kv import KeyValue

from kf_wecom import metrics
from kf_wecom.errors import ApiError, TransportError, WecomError
from kf_wecom.replies import GrantedToken
from kf_wecom.vault import (
    AccessToken,
    MemoryVault,
    Refusal,
    SharedVault,
    TokenState,
    Vault,
    VaultUnavailableError,
)

_GETTOKEN = "/cgi-bin/gettoken"
_RENEW_AHEAD_SECONDS = 300.0
_CLAIM_SECONDS = 30.0
_CLAIM_POLL_SECONDS = 0.1
_REFUSAL_PAUSE_SECONDS = 30
_REFUSAL_PAUSE_MAX_SECONDS = 300
_FORCED_PAUSE_SECONDS = 10.0
_OUTAGE_PAUSE_SECONDS = 2.0
_SKEW_SECONDS = 2.0
"""How far the clocks of replicas may differ."""

Fetch = Callable[[], Awaitable[GrantedToken]]
"""One gettoken call, such as `partial(fetch_token, transport, corp_id, secret)`."""

log = logging.getLogger(__name__)


class TokenSource(Protocol):
    """Where the client gets its access token."""

    async def get(self) -> str:
        """A token that should be good. WecomError when there is none to be had."""

    async def refresh(self, stale: str) -> str:
        """A token other than `stale`, which WeCom has just refused.

        Returns `stale` itself when nothing newer is to be had yet; then the refusal stands.
        """


class LocalToken:
    """The token of one process, for tools and tests; over another vault, of many.

    All decisions are here: who fetches (a claim with an expiry in the vault), when (five minutes before the
    end, or when WeCom refused it, at most every 10 s), and when not (a refusal that still holds).
    """

    def __init__(
        self, fetch: Fetch, *, vault: Vault | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._fetch = fetch
        self._alone = MemoryVault()
        self._vault = vault or self._alone
        self._clock = clock
        self._mutex = asyncio.Lock()
        self._cached: AccessToken | None = None
        self._vault_down_until = 0.0
        self._outage: tuple[TransportError, float] | None = None

    async def get(self) -> str:
        """From memory while it is fresh, and while another task renews it; else as the vault says."""
        cached = self._cached
        if cached and self._clock() < (cached.expires_at if self._mutex.locked() else cached.renew_at):
            return cached.value
        return await self._obtain(None)

    async def refresh(self, stale: str) -> str:
        """The newer token if any replica has one, else a fetched one, else `stale`."""
        return await self._obtain(stale)

    async def look_again(self) -> None:
        """Take over what another replica has fetched meanwhile, before ours is refused too. WecomError."""
        async with self._mutex:
            self._cached = await self._from_reachable_vault(None)

    async def _obtain(self, stale: str | None) -> str:
        async with self._mutex:
            cached = self._cached
            if cached and cached.value != stale and self._clock() < cached.renew_at:
                return cached.value
            self._cached = await self._from_reachable_vault(stale)
            return self._cached.value

    async def _from_reachable_vault(self, stale: str | None) -> AccessToken:
        if not _holds(self._vault_down_until, self._clock(), _OUTAGE_PAUSE_SECONDS):
            try:
                return await self._from_vault(self._vault, stale)
            except VaultUnavailableError:
                self._vault_down_until = self._clock() + _OUTAGE_PAUSE_SECONDS
                log.warning("NATS KV does not answer: this replica keeps an access token of its own")
        return await self._from_vault(self._alone, stale)

    async def _from_vault(self, vault: Vault, stale: str | None) -> AccessToken:
        while True:
            state, revision = await vault.load()
            token = self._settled(state, stale)
            if token:
                return token
            now = self._clock()
            if not _holds(state.claimed_until, now, _CLAIM_SECONDS):
                claim = state.model_copy(update={"claimed_until": now + _CLAIM_SECONDS})
                claimed = await vault.store(claim, revision)
                if claimed is not None:
                    return await self._renew(vault, state, claimed, stale)
            await asyncio.sleep(_CLAIM_POLL_SECONDS)

    def _settled(self, state: TokenState, stale: str | None) -> AccessToken | None:
        """The token to use without a fetch, or None when one is due; raises what still forbids a fetch."""
        now = self._clock()
        best, usable = self._best(state), self._usable(state, stale)
        if usable and (now < usable.renew_at or _holds(state.claimed_until, now, _CLAIM_SECONDS)):
            return usable
        forbidden = _forbidden(state.refusal, self._outage, now)
        if forbidden and not usable:
            raise forbidden
        forced_lately = _holds(state.forced_at + _FORCED_PAUSE_SECONDS, now, _FORCED_PAUSE_SECONDS)
        if best and (best.value == stale and forced_lately):
            return best
        return usable if forbidden else None

    async def _renew(self, vault: Vault, state: TokenState, revision: int, stale: str | None) -> AccessToken:
        """Fetch under the claim; the old token, if it still serves, stands in for one that cannot be had."""
        after = state
        try:
            token = _token(await self._fetch(), self._clock())
        except WecomError as error:
            metrics.refreshed("refused" if isinstance(error, ApiError) else "unreachable")
            after = self._after_failure(state, error)
            usable = self._usable(state, stale)
            if usable is None:
                raise
            return usable
        else:
            metrics.refreshed("ok")
            forced_at = self._clock() if stale else state.forced_at
            after, self._outage = TokenState(token=token, forced_at=forced_at), None
            return token
        finally:
            await _release(vault, after, revision)

    def _after_failure(self, state: TokenState, error: WecomError) -> TokenState:
        now = self._clock()
        if isinstance(error, ApiError):
            log.warning("gettoken was refused: %s", error)
            return state.model_copy(update={"refusal": _refusal(error, state.refusal, now)})
        if isinstance(error, TransportError):
            self._outage = (error, now + _OUTAGE_PAUSE_SECONDS)
        return state

    def _best(self, state: TokenState) -> AccessToken | None:
        """The newer of the vault's token and the cached one, which differ when the vault was out of reach."""
        tokens = [token for token in (state.token, self._cached) if token]
        return max(tokens, key=lambda token: (token.fetched_at, token.expires_at), default=None)

    def _usable(self, state: TokenState, stale: str | None) -> AccessToken | None:
        best = self._best(state)
        return best if best and best.value != stale and self._clock() < best.expires_at else None


class SharedToken(LocalToken):
    """The token of all replicas, in the KV bucket that the caller made, sealed with a key from the secret.

    While the bucket is out of reach each replica keeps a token of its own under the same rules.
    """

    def __init__(
        self,
        fetch: Fetch,
        *,
        bucket: KeyValue,
        corp_id: str,
        secret: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(fetch, vault=SharedVault(bucket, corp_id, secret), clock=clock)


async def _release(vault: Vault, state: TokenState, revision: int) -> None:
    """Write what the fetch led to, which ends the claim; lost writes cost another fetch, nothing else."""
    try:
        await vault.store(state, revision)
    except VaultUnavailableError:
        log.warning("NATS KV does not answer: the access token could not be shared")


def _token(granted: GrantedToken, now: float) -> AccessToken:
    ahead = min(_RENEW_AHEAD_SECONDS, granted.expires_in / 5)
    expires_at = now + granted.expires_in
    value, renew_at = granted.access_token, expires_at - ahead
    return AccessToken(value=value, renew_at=renew_at, expires_at=expires_at, fetched_at=now)


def _refusal(error: ApiError, previous: Refusal | None, now: float) -> Refusal:
    """A refusal that holds twice as long as the one before it."""
    failures = previous.failures + 1 if previous else 1
    pause = (error.entry.wait_seconds or _REFUSAL_PAUSE_SECONDS) * 2 ** min(failures - 1, 10)
    errmsg = f"{error.errmsg}, hint: [{error.hint or ''}], from ip: {error.from_ip or ''}"
    until = now + min(pause, _REFUSAL_PAUSE_MAX_SECONDS)
    return Refusal(code=error.code, errmsg=errmsg, failures=failures, until=until)


def _holds(until: float, now: float, longest: float) -> bool:
    """Whether `until` is still to come, and no further ahead than the `longest` that is ever set.

    What lies further ahead was written by a clock that was wrong, or before the clock was set back.
    """
    return now < until <= now + longest + _SKEW_SECONDS


def _forbidden(
    refusal: Refusal | None, outage: tuple[TransportError, float] | None, now: float
) -> WecomError | None:
    if refusal and _holds(refusal.until, now, _REFUSAL_PAUSE_MAX_SECONDS):
        return ApiError(_GETTOKEN, refusal.code, refusal.errmsg, retry_after=refusal.until - now)
    if outage and _holds(outage[1], now, _OUTAGE_PAUSE_SECONDS):
        return type(outage[0])(outage[0].api, outage[0].reason)
    return None
