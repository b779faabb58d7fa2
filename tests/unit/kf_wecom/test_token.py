"""The access token of one process: renewed early and alone, refusals remembered, outages survived."""

import asyncio

import pytest
from kf_wecom.errors import ApiError, NotSentError, WecomError
from kf_wecom.replies import GrantedToken
from kf_wecom.token import LocalToken
from kf_wecom.vault import MemoryVault, TokenState, VaultUnavailableError


class Clock:
    """Time that moves only when told."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


class Gettoken:
    """Grants T1, T2, ... unless an error is set; counts its calls."""

    def __init__(self, expires_in: int = 7200) -> None:
        self.calls = 0
        self.expires_in = expires_in
        self.error: WecomError | None = None
        self.same: str | None = None
        self.hold = asyncio.Event()
        self.hold.set()

    async def __call__(self) -> GrantedToken:
        self.calls += 1
        number = self.calls
        await self.hold.wait()
        await asyncio.sleep(0)
        if self.error:
            raise self.error
        return GrantedToken(access_token=self.same or f"T{number}", expires_in=self.expires_in)


class BrokenVault:
    """A store that is out of reach, or that breaks when written."""

    def __init__(self, *, readable: bool) -> None:
        self.readable = readable
        self.attempts = 0

    async def load(self) -> tuple[TokenState, int]:
        self.attempts += 1
        if self.readable:
            return TokenState(), 0
        raise VaultUnavailableError

    async def store(self, state: TokenState, revision: int) -> int | None:
        raise VaultUnavailableError


class CountingVault(MemoryVault):
    """Counts how often it is read."""

    loads = 0

    async def load(self) -> tuple[TokenState, int]:
        self.loads += 1
        return await super().load()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def gettoken() -> Gettoken:
    return Gettoken()


@pytest.fixture
def tokens(gettoken: Gettoken, clock: Clock) -> LocalToken:
    return LocalToken(gettoken, clock=clock)


async def test_many_tasks_cause_one_fetch(tokens: LocalToken, gettoken: Gettoken) -> None:
    assert set(await asyncio.gather(*(tokens.get() for _ in range(20)))) == {"T1"}
    assert gettoken.calls == 1


async def test_the_token_is_renewed_five_minutes_before_its_end(
    tokens: LocalToken, gettoken: Gettoken, clock: Clock
) -> None:
    await tokens.get()
    clock.now += 7200 - 301
    assert await tokens.get() == "T1"
    clock.now += 2
    assert await tokens.get() == "T2"


async def test_while_one_task_renews_the_others_use_the_old_token(
    tokens: LocalToken, gettoken: Gettoken, clock: Clock
) -> None:
    await tokens.get()
    clock.now += 7000
    gettoken.hold.clear()
    renewal = asyncio.create_task(tokens.get())
    while gettoken.calls < 2:
        await asyncio.sleep(0)
    assert await tokens.get() == "T1"
    gettoken.hold.set()
    assert await renewal == "T2"


async def test_a_failed_early_renewal_leaves_the_old_token_in_use(
    tokens: LocalToken, gettoken: Gettoken, clock: Clock
) -> None:
    await tokens.get()
    clock.now += 7000
    gettoken.error = ApiError("/cgi-bin/gettoken", 60020, "not allow")
    assert [await tokens.get() for _ in range(5)] == ["T1"] * 5
    assert gettoken.calls == 2
    clock.now += 201
    gettoken.error = None
    assert await tokens.get() == "T3"


async def test_a_short_lived_token_is_not_renewed_at_once(clock: Clock) -> None:
    gettoken = Gettoken(expires_in=60)
    tokens = LocalToken(gettoken, clock=clock)
    await tokens.get()
    clock.now += 40
    assert await tokens.get() == "T1"
    clock.now += 10
    assert await tokens.get() == "T2"


async def test_refresh_replaces_a_stale_token_once_for_all(tokens: LocalToken, gettoken: Gettoken) -> None:
    await tokens.get()
    assert set(await asyncio.gather(*(tokens.refresh("T1") for _ in range(10)))) == {"T2"}
    assert await tokens.refresh("T1") == "T2"
    assert await tokens.get() == "T2"
    assert gettoken.calls == 2


async def test_forced_refreshes_are_rare(tokens: LocalToken, gettoken: Gettoken, clock: Clock) -> None:
    await tokens.get()
    assert await tokens.refresh("T1") == "T2"
    assert await tokens.refresh("T2") == "T2"
    assert gettoken.calls == 2
    clock.now += 11
    assert await tokens.refresh("T2") == "T3"


async def test_wecom_may_grant_the_same_token_again(
    tokens: LocalToken, gettoken: Gettoken, clock: Clock
) -> None:
    gettoken.same = "T"
    await tokens.get()
    assert [await tokens.refresh("T") for _ in range(5)] == ["T"] * 5
    assert gettoken.calls == 2


@pytest.mark.parametrize("code", [40001, 40013, 40091, 60020, 45009])
async def test_a_refusal_is_remembered_with_a_growing_pause(
    tokens: LocalToken, gettoken: Gettoken, clock: Clock, code: int
) -> None:
    errmsg = "refused, hint: [1_a], from ip: 1.2.3.4, more info at x"
    gettoken.error = ApiError("/cgi-bin/gettoken", code, errmsg)
    for _ in range(10):
        with pytest.raises(ApiError) as caught:
            await tokens.get()
        assert (caught.value.code, caught.value.from_ip, caught.value.hint) == (code, "1.2.3.4", "1_a")
    assert gettoken.calls == 1
    assert caught.value.retry_after == pytest.approx(60)
    clock.now += 61
    with pytest.raises(ApiError):
        await tokens.get()
    clock.now += 61
    with pytest.raises(ApiError):
        await tokens.get()
    assert gettoken.calls == 2


async def test_a_whole_day_of_refusals_stays_far_below_the_ban(
    tokens: LocalToken, gettoken: Gettoken, clock: Clock
) -> None:
    gettoken.error = ApiError("/cgi-bin/gettoken", 40001, "invalid credential")
    for _ in range(24 * 3600 // 5):
        with pytest.raises(ApiError):
            await tokens.get()
        clock.now += 5
    assert gettoken.calls < 24 * 15


async def test_a_mended_secret_is_noticed_and_the_refusal_forgotten(
    tokens: LocalToken, gettoken: Gettoken, clock: Clock
) -> None:
    gettoken.error = ApiError("/cgi-bin/gettoken", 40001, "invalid credential")
    with pytest.raises(ApiError):
        await tokens.get()
    gettoken.error = None
    clock.now += 61
    assert await tokens.get() == "T2"
    clock.now += 7200
    assert await tokens.get() == "T3"


async def test_an_outage_is_not_hammered_and_keeps_its_type(
    tokens: LocalToken, gettoken: Gettoken, clock: Clock
) -> None:
    gettoken.error = NotSentError("/cgi-bin/gettoken", "connect_error")
    for _ in range(10):
        with pytest.raises(NotSentError):
            await tokens.get()
    assert gettoken.calls == 1
    gettoken.error = None
    clock.now += 3
    assert await tokens.get() == "T2"


async def test_a_cancelled_fetch_gives_its_claim_back(tokens: LocalToken, gettoken: Gettoken) -> None:
    gettoken.hold.clear()
    task = asyncio.create_task(tokens.get())
    while not gettoken.calls:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gettoken.hold.set()
    assert await asyncio.wait_for(tokens.get(), 5) == "T2"


async def test_two_sources_over_one_vault_share_token_and_refusal(gettoken: Gettoken, clock: Clock) -> None:
    vault = MemoryVault()
    one, two = (LocalToken(gettoken, vault=vault, clock=clock) for _ in range(2))
    assert set(await asyncio.gather(one.get(), two.get())) == {"T1"}
    gettoken.error = ApiError("/cgi-bin/gettoken", 40001, "invalid credential")
    for source in (one, two):
        with pytest.raises(ApiError):
            await source.refresh("T1")
    assert gettoken.calls == 2


async def test_a_later_token_counts_although_it_ends_earlier(gettoken: Gettoken, clock: Clock) -> None:
    vault = MemoryVault()
    first, second = (LocalToken(gettoken, vault=vault, clock=clock) for _ in range(2))
    assert await first.get() == await second.get() == "T1"
    clock.now += 60
    gettoken.expires_in = 600
    assert await first.refresh("T1") == "T2"
    assert await second.refresh("T1") == "T2"
    assert gettoken.calls == 2


async def test_many_waiting_tasks_read_the_vault_once(gettoken: Gettoken, clock: Clock) -> None:
    vault = CountingVault()
    tokens = LocalToken(gettoken, vault=vault, clock=clock)
    await asyncio.gather(*(tokens.get() for _ in range(20)))
    assert vault.loads == 1


async def test_while_one_replica_renews_the_others_use_the_old_token(
    gettoken: Gettoken, clock: Clock
) -> None:
    vault = MemoryVault()
    one, two = (LocalToken(gettoken, vault=vault, clock=clock) for _ in range(2))
    await one.get()
    clock.now += 7000
    gettoken.hold.clear()
    renewal = asyncio.create_task(one.get())
    while gettoken.calls < 2:
        await asyncio.sleep(0)
    assert await asyncio.wait_for(two.get(), 5) == "T1"
    gettoken.hold.set()
    assert await renewal == await two.get() == "T2"


async def test_a_vault_refuses_a_write_over_a_newer_one() -> None:
    vault = MemoryVault()
    assert await vault.store(TokenState(claimed_until=1), 0) == 1
    assert await vault.store(TokenState(claimed_until=2), 0) is None
    assert await vault.load() == (TokenState(claimed_until=1), 1)


async def test_a_dead_claimant_holds_the_others_up_only_until_its_claim_ends(
    gettoken: Gettoken, clock: Clock
) -> None:
    vault = MemoryVault()
    await vault.store(TokenState(claimed_until=clock.now + 30), 0)
    waiting = asyncio.create_task(LocalToken(gettoken, vault=vault, clock=clock).get())
    await asyncio.sleep(0.25)
    assert not waiting.done()
    clock.now += 31
    assert await asyncio.wait_for(waiting, 5) == "T1"


async def test_without_the_vault_a_replica_goes_on_alone(gettoken: Gettoken, clock: Clock) -> None:
    vault = BrokenVault(readable=False)
    tokens = LocalToken(gettoken, vault=vault, clock=clock)
    assert await asyncio.gather(*(tokens.get() for _ in range(5))) == ["T1"] * 5
    assert (gettoken.calls, vault.attempts) == (1, 1)
    assert await tokens.refresh("T1") == "T2"
    assert vault.attempts == 1


async def test_alone_a_refusal_is_remembered_too(gettoken: Gettoken, clock: Clock) -> None:
    gettoken.error = ApiError("/cgi-bin/gettoken", 40001, "invalid credential")
    tokens = LocalToken(gettoken, vault=BrokenVault(readable=False), clock=clock)
    for _ in range(5):
        with pytest.raises(ApiError):
            await tokens.get()
    assert gettoken.calls == 1


async def test_a_vault_that_breaks_at_the_claim_is_as_good_as_none(gettoken: Gettoken, clock: Clock) -> None:
    tokens = LocalToken(gettoken, vault=BrokenVault(readable=True), clock=clock)
    assert await tokens.get() == "T1"


def test_repr_never_shows_the_token() -> None:
    assert "T1" not in repr(GrantedToken(access_token="T1", expires_in=7200))
