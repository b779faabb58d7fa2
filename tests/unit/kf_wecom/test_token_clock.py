"""The access token when clocks are wrong: nobody waits for a time that no right clock could have written."""

import asyncio

import pytest
from kf_wecom.errors import ApiError, NotSentError, WecomError
from kf_wecom.replies import GrantedToken
from kf_wecom.token import LocalToken
from kf_wecom.vault import MemoryVault, TokenState

HOUR = 3600.0


class Clock:
    """Time that moves only when told."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Gettoken:
    """Grants T1, T2, ... unless an error is set."""

    def __init__(self) -> None:
        self.calls = 0
        self.error: WecomError | None = None

    async def __call__(self) -> GrantedToken:
        self.calls += 1
        if self.error:
            raise self.error
        return GrantedToken(access_token=f"T{self.calls}", expires_in=7200)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gettoken() -> Gettoken:
    return Gettoken()


async def test_the_claim_of_a_replica_whose_clock_was_ahead_holds_nobody_up(
    gettoken: Gettoken, clock: Clock
) -> None:
    vault = MemoryVault()
    await vault.store(TokenState(claimed_until=clock.now + HOUR + 30), 0)
    assert await asyncio.wait_for(LocalToken(gettoken, vault=vault, clock=clock).get(), 5) == "T1"


async def test_a_forced_refresh_of_the_future_forbids_none_now(gettoken: Gettoken, clock: Clock) -> None:
    vault, ahead = MemoryVault(), Clock(clock.now + HOUR)
    other = LocalToken(gettoken, vault=vault, clock=ahead)
    assert await other.get() == "T1"
    assert await other.refresh("T1") == "T2"
    assert await LocalToken(gettoken, vault=vault, clock=clock).refresh("T2") == "T3"


@pytest.mark.parametrize(
    "error",
    [ApiError("/cgi-bin/gettoken", 40001, "refused"), NotSentError("/cgi-bin/gettoken", "connect_error")],
)
async def test_a_clock_set_back_does_not_prolong_the_pause_after_a_failure(
    gettoken: Gettoken, clock: Clock, error: WecomError
) -> None:
    tokens = LocalToken(gettoken, clock=clock)
    gettoken.error = error
    with pytest.raises(type(error)):
        await tokens.get()
    gettoken.error = None
    clock.now -= HOUR
    assert await tokens.get() == "T2"
