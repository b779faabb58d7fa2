"""The environment's proxy is used for WeCom and never for loopback."""

import pytest
from kf_wecom.transport import Call, Transport

from tests.fakes.wecom_api import wecom_api

ASK = Call("GET", "/cgi-bin/gettoken", query={"corpid": "ww1"})


@pytest.fixture(autouse=True)
def _no_proxy_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


async def test_wecom_is_reached_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async with wecom_api() as proxy:
        monkeypatch.setenv("http_proxy", proxy.base_url)
        async with Transport("http://wecom.invalid") as transport:
            answer = await transport.call(ASK)
    assert answer["access_token"] == "SecretToken1"
    assert proxy.asked[0].headers["host"] == "wecom.invalid"
    assert proxy.asked[0].query == {"corpid": "ww1"}


async def test_loopback_is_reached_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    async with wecom_api() as proxy, wecom_api() as api:
        monkeypatch.setenv("http_proxy", proxy.base_url)
        async with Transport(api.base_url) as transport:
            await transport.call(ASK)
    assert (len(api.asked), len(proxy.asked)) == (1, 0)
