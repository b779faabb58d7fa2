"""The start of the pull while JetStream is still electing its leaders."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from kf_gateway.__main__ import pull
from kf_gateway.notices import NoticeStream
from kf_gateway.settings import Settings
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js import JetStreamContext
from nats.js.kv import KeyValue

from tests.fakes.gateway import until
from tests.fakes.gateway_http import AES_KEY, CORP_ID, TOKEN
from tests.fakes.kf_account import KfAccounts


def settings(nats_url: str, api: str) -> Settings:
    return Settings.model_validate(
        {
            "wecom_corp_id": CORP_ID,
            "wecom_kf_secret": "secret",
            "wecom_token": TOKEN,
            "wecom_encoding_aes_key": AES_KEY,
            "wecom_api_base": api,
            "nats_url": nats_url,
        }
    )


@pytest.mark.parametrize("late", [1, 5])
async def test_one_bucket_that_answers_late_does_not_end_the_service(
    nats_url: str, wecom: KfAccounts, monkeypatch: pytest.MonkeyPatch, late: int
) -> None:
    calls = 0
    real = JetStreamContext.key_value

    async def key_value(self: JetStreamContext, bucket: str) -> KeyValue:
        nonlocal calls
        calls += 1
        if calls == late:
            raise NatsTimeoutError
        return await real(self, bucket)

    monkeypatch.setattr(JetStreamContext, "key_value", key_value)
    stop = asyncio.Event()
    async with AsyncExitStack() as connections:
        started = pull(settings(nats_url, wecom.base_url), NoticeStream(), connections, stop)
        pulling = asyncio.create_task(started)
        wecom.write("wk1", "m1")
        await until(lambda: pulling.done() or wecom.pulls())
        stop.set()
        await asyncio.wait_for(pulling, 30)
    assert wecom.pulls()
