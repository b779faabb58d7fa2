"""The access token shared through a real nats-server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Protocol

import nats
import pytest
from kf_cli.embedded import Child
from kf_runtime import nats as kf_nats
from kf_wecom.errors import ApiError
from kf_wecom.replies import GrantedToken
from kf_wecom.token import SharedToken
from nats.js.api import KeyValueConfig
from nats.js.kv import KeyValue

BUCKET = "kf_token"


@dataclass
class Gettoken:
    """One WeCom for all replicas."""

    calls: int = 0
    error: ApiError | None = None

    async def __call__(self) -> GrantedToken:
        self.calls += 1
        number = self.calls
        await asyncio.sleep(0.05)
        if self.error:
            raise self.error
        return GrantedToken(access_token=f"PlainToken{number}", expires_in=7200)


@pytest.fixture
def gettoken() -> Gettoken:
    return Gettoken()


@pytest.fixture
async def bucket(nats_url: str) -> AsyncIterator["Opener"]:
    """Opens the bucket over a connection of its own at each call, as a replica would.

    seconds: when NATS counts as down. A busy machine can leave a living server silent for one.
    """
    async with AsyncExitStack() as stack:

        async def open_bucket(seconds: float) -> KeyValue:
            client = await nats.connect(nats_url, max_reconnect_attempts=-1, reconnect_time_wait=0.1)
            stack.push_async_callback(kf_nats.close, client)
            return await client.jetstream(timeout=seconds).create_key_value(KeyValueConfig(bucket=BUCKET))

        yield lambda seconds=10.0: asyncio.ensure_future(open_bucket(seconds))


def replica(bucket: KeyValue, gettoken: Gettoken, secret: str = "TopSecret") -> SharedToken:
    return SharedToken(gettoken, bucket=bucket, corp_id="wwCorp", secret=secret)


class Opener(Protocol):
    """What the fixture `bucket` gives."""

    def __call__(self, seconds: float = ...) -> "asyncio.Future[KeyValue]": ...


async def test_replicas_that_race_cause_one_gettoken(bucket: Opener, gettoken: Gettoken) -> None:
    replicas = [replica(await bucket(), gettoken) for _ in range(4)]
    got = await asyncio.gather(*(one.get() for one in replicas for _ in range(5)))
    assert set(got) == {"PlainToken1"}
    assert gettoken.calls == 1


async def test_replicas_that_meet_a_dead_token_together_cause_one_gettoken(
    bucket: Opener, gettoken: Gettoken
) -> None:
    replicas = [replica(await bucket(), gettoken) for _ in range(4)]
    await asyncio.gather(*(one.get() for one in replicas))
    got = await asyncio.gather(*(one.refresh("PlainToken1") for one in replicas for _ in range(5)))
    assert set(got) == {"PlainToken2"}
    assert gettoken.calls == 2


async def test_a_replica_that_missed_a_refresh_gets_the_newer_token(
    bucket: Opener, gettoken: Gettoken
) -> None:
    one, late = replica(await bucket(), gettoken), replica(await bucket(), gettoken)
    assert await late.get() == "PlainToken1"
    await one.refresh("PlainToken1")
    assert await late.refresh("PlainToken1") == "PlainToken2"
    assert gettoken.calls == 2


async def test_a_refusal_is_shared(bucket: Opener, gettoken: Gettoken) -> None:
    gettoken.error = ApiError("/cgi-bin/gettoken", 40001, "invalid credential")
    replicas = [replica(await bucket(), gettoken) for _ in range(3)]
    for one in replicas * 2:
        with pytest.raises(ApiError) as caught:
            await one.get()
        assert caught.value.code == 40001
    assert gettoken.calls == 1


async def test_a_new_secret_is_not_held_up_by_the_old_ones_refusal(
    bucket: Opener, gettoken: Gettoken
) -> None:
    gettoken.error = ApiError("/cgi-bin/gettoken", 40001, "invalid credential")
    with pytest.raises(ApiError):
        await replica(await bucket(), gettoken, "OldSecret").get()
    gettoken.error = None
    assert await replica(await bucket(), gettoken, "NewSecret").get() == "PlainToken2"


async def test_what_is_stored_shows_neither_token_nor_secret(bucket: Opener, gettoken: Gettoken) -> None:
    kv = await bucket()
    await replica(kv, gettoken).get()
    names = await kv.keys()
    stored = [(await kv.get(name)).value or b"" for name in names]
    assert len(names) == 1
    for secret in (b"PlainToken", b"TopSecret", b"wwCorp"):
        assert secret not in b"".join(stored)
        assert secret.decode() not in names[0]


async def test_a_record_that_was_tampered_with_is_fetched_anew(bucket: Opener, gettoken: Gettoken) -> None:
    kv = await bucket()
    await replica(kv, gettoken).get()
    (name,) = await kv.keys()
    stored = bytearray((await kv.get(name)).value or b"")
    for broken in (bytes([*stored[:-1], stored[-1] ^ 1]), b"", b"short"):
        await kv.put(name, broken)
        calls = gettoken.calls
        assert await replica(kv, gettoken).get() == f"PlainToken{calls + 1}"


async def test_a_deleted_record_is_fetched_anew(bucket: Opener, gettoken: Gettoken) -> None:
    kv = await bucket()
    await replica(kv, gettoken).get()
    await kv.delete((await kv.keys())[0])
    assert await replica(kv, gettoken).get() == "PlainToken2"
    assert await replica(kv, gettoken).get() == "PlainToken2"


async def test_without_nats_a_replica_goes_on_alone_and_comes_back(
    bucket: Opener, gettoken: Gettoken, nats_server: Child
) -> None:
    one, two = replica(await bucket(1.0), gettoken), replica(await bucket(1.0), gettoken)
    assert await one.get() == "PlainToken1"
    nats_server.stop()
    assert await one.get() == "PlainToken1"
    assert await two.get() == "PlainToken2"
    assert await one.refresh("PlainToken1") == "PlainToken3"
    nats_server.start()
    third = replica(await bucket(), gettoken)
    assert await third.get() == "PlainToken1"
    assert await third.refresh("PlainToken1") == "PlainToken4"
