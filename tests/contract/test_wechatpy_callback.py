"""Callbacks encrypted by a library that nobody here wrote are accepted by the gateway."""

import re
import time
from collections.abc import AsyncIterator

import httpx
import pytest
from wechatpy.enterprise.crypto import WeChatCrypto

from tests.fakes.gateway_http import AES_KEY, CORP_ID, PATH, TOKEN, HttpGateway, http_gateway, notice_xml

NONCE = "1372623149"


@pytest.fixture
async def gateway(nats_url: str) -> AsyncIterator[HttpGateway]:
    async with http_gateway(nats_url) as one:
        yield one


async def send(gateway: HttpGateway, token: str, corp_id: str, kfid: str) -> httpx.Response:
    stamp = str(int(time.time()))
    body = WeChatCrypto(token, AES_KEY, corp_id).encrypt_message(notice_xml(kfid).decode(), NONCE, stamp)
    signature = re.search(r"<MsgSignature><!\[CDATA\[(\w+)", body)
    assert signature
    query = {"msg_signature": signature[1], "timestamp": stamp, "nonce": NONCE}
    return await gateway.http.post(PATH, params=query, content=body.encode())


@pytest.mark.parametrize("length", range(1, 65, 7))
async def test_a_callback_encrypted_by_wechatpy_is_accepted(length: int, gateway: HttpGateway) -> None:
    reply = await send(gateway, TOKEN, CORP_ID, "w" * length)
    assert (reply.status_code, reply.text) == (200, "success")
    assert [notice.open_kfid for notice in await gateway.stored()] == ["w" * length]


async def test_a_callback_of_wechatpy_with_another_token_is_refused(gateway: HttpGateway) -> None:
    assert (await send(gateway, "othertoken", CORP_ID, "wk1")).status_code == 403


async def test_a_callback_of_wechatpy_for_another_corp_is_refused(gateway: HttpGateway) -> None:
    assert (await send(gateway, TOKEN, "wwothercorp", "wk1")).status_code == 403
