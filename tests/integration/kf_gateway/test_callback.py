import asyncio
import signal
from collections.abc import AsyncIterator
from urllib.parse import quote, urlencode

import httpx
import pytest
from kf_cli.embedded import Child
from kf_wecom.crypto import CallbackCrypto
from structlog.testing import capture_logs

from tests.fakes.gateway import until
from tests.fakes.gateway_http import (
    AES_KEY,
    CORP_ID,
    CRYPTO,
    PATH,
    TOKEN,
    HttpGateway,
    envelope,
    http_gateway,
    notice_xml,
    signed,
)

KIB = 1024


@pytest.fixture
async def gateway(nats_url: str) -> AsyncIterator[HttpGateway]:
    async with http_gateway(nats_url) as one:
        yield one


@pytest.mark.parametrize("path", ["/wecom/callback", "/api/v1/wecom/callback"])
async def test_the_url_check_gets_the_bare_plaintext(path: str, gateway: HttpGateway) -> None:
    echostr = CRYPTO.encrypt(b"1616140317555161061")
    reply = await gateway.http.get(path, params={**signed(echostr), "echostr": echostr})
    assert (reply.status_code, reply.content) == (200, b"1616140317555161061")
    assert reply.headers["content-type"].startswith("text/plain")


async def test_the_url_check_survives_a_proxy_that_turns_plus_into_space(gateway: HttpGateway) -> None:
    echostr = next(e for e in (CRYPTO.encrypt(b"42") for _ in range(1000)) if "+" in e)
    query = urlencode(signed(echostr)) + "&echostr=" + quote(echostr, safe="+")
    reply = await gateway.http.get(f"{PATH}?{query}")
    assert reply.content == b"42"


async def test_a_notice_is_stored_before_the_answer(gateway: HttpGateway) -> None:
    reply = await gateway.post(notice_xml("wk7", token="ENC7"))
    assert (reply.status_code, reply.text) == (200, "success")
    (notice,) = await gateway.stored()
    assert (notice.open_kfid, notice.token) == ("wk7", "ENC7")


async def test_the_retry_of_a_callback_is_stored_once(gateway: HttpGateway) -> None:
    encrypted = CRYPTO.encrypt(notice_xml())
    for _ in range(3):
        reply = await gateway.http.post(PATH, params=signed(encrypted), content=envelope(encrypted))
        assert reply.status_code == 200
    assert (await gateway.js.stream_info("KF_NOTICE")).state.last_seq == 1


async def test_a_newer_notice_is_no_double_and_replaces_the_older(gateway: HttpGateway) -> None:
    await gateway.post(notice_xml(token="ENC1"))
    await gateway.post(notice_xml(token="ENC1"))
    await gateway.post(notice_xml(token="ENC2"))
    assert [notice.token for notice in await gateway.stored()] == ["ENC2"]
    assert (await gateway.js.stream_info("KF_NOTICE")).state.last_seq == 3


async def test_added_accounts_are_pulled_and_removed_ones_only_logged(gateway: HttpGateway) -> None:
    xml = (
        b"<xml><FromUserName>sys</FromUserName><MsgType>event</MsgType><Event>kf_account_auth_change</Event>"
        b"<AuthAddOpenKfId>wk1</AuthAddOpenKfId><AuthAddOpenKfId>wk2</AuthAddOpenKfId>"
        b"<AuthAddOpenKfId>no.kfid</AuthAddOpenKfId><AuthDelOpenKfId>wk3</AuthDelOpenKfId></xml>"
    )
    assert (await gateway.post(xml)).text == "success"
    assert [(notice.open_kfid, notice.token) for notice in await gateway.stored()] == [
        ("wk1", ""),
        ("wk2", ""),
    ]


async def test_an_unknown_event_is_answered_logged_and_not_stored(gateway: HttpGateway) -> None:
    with capture_logs() as lines:
        reply = await gateway.post(notice_xml(event="kf_something_new"))
    assert (reply.status_code, reply.text) == (200, "success")
    assert any(line["event"] == "callback.unknown_event" for line in lines)
    assert await gateway.stored() == []


OTHER_TOKEN = CallbackCrypto("othertoken", AES_KEY, CORP_ID)
OTHER_CORP = CallbackCrypto(TOKEN, AES_KEY, "wwothercorp")
OTHER_KEY = CallbackCrypto(TOKEN, "B" * 43, CORP_ID)


@pytest.mark.parametrize(
    ("crypto", "inner", "status"),
    [
        (OTHER_TOKEN, notice_xml(), 403),
        (OTHER_CORP, notice_xml(), 403),
        (OTHER_KEY, notice_xml(), 400),
        (CRYPTO, b"not xml", 400),
        (CRYPTO, b"", 400),
        (CRYPTO, notice_xml("wk.1 "), 400),
        (CRYPTO, notice_xml(""), 400),
        (CRYPTO, notice_xml("w" * 65), 400),
        (CRYPTO, notice_xml(token="E" * 129), 400),
        (CRYPTO, b"<!DOCTYPE x [<!ENTITY a 'a'>]>" + notice_xml(), 400),
    ],
)
async def test_a_bad_message_is_refused_and_not_stored(
    crypto: CallbackCrypto, inner: bytes, status: int, gateway: HttpGateway
) -> None:
    reply = await gateway.post(inner, crypto)
    assert reply.status_code == status
    assert reply.json()["message"]
    assert reply.json()["message_zh"]
    assert await gateway.stored() == []


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"<xml></xml>", b"<xml><Encrypt></Encrypt></xml>", envelope("AA==") * 2, b"\xff" * 100],
)
async def test_a_body_without_one_encrypt_node_is_refused(body: bytes, gateway: HttpGateway) -> None:
    reply = await gateway.http.post(PATH, params=signed("x"), content=body)
    assert reply.status_code == 400


@pytest.mark.parametrize("encrypted", ["AAAA", "A" * 64, "/" * 43 + "="])
async def test_bad_ciphertext_with_a_valid_signature_is_refused(encrypted: str, gateway: HttpGateway) -> None:
    reply = await gateway.http.post(PATH, params=signed(encrypted), content=envelope(encrypted))
    assert (reply.status_code, reply.json()["error"]) == (400, "undecryptable")


@pytest.mark.parametrize("left_out", ["msg_signature", "timestamp", "nonce"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_missing_parameters_are_refused(method: str, left_out: str, gateway: HttpGateway) -> None:
    encrypted = CRYPTO.encrypt(notice_xml())
    query = {**signed(encrypted), "echostr": encrypted}
    del query[left_out]
    reply = await gateway.http.request(method, PATH, params=query, content=envelope(encrypted))
    assert (reply.status_code, reply.json()["error"]) == (400, "missing_parameters")
    assert await gateway.stored() == []


async def test_a_wrong_signature_on_the_url_check_is_refused(gateway: HttpGateway) -> None:
    echostr = CRYPTO.encrypt(b"1")
    reply = await gateway.http.get(PATH, params={**signed(echostr, OTHER_TOKEN), "echostr": echostr})
    assert reply.status_code == 403
    assert "WECOM_TOKEN" in reply.text


async def test_a_body_declared_too_large_is_refused_unread(gateway: HttpGateway) -> None:
    reply = await gateway.http.post(PATH, params=signed("x"), content=b"x" * (64 * KIB + 1))
    assert reply.status_code == 413


async def test_a_chunked_body_is_cut_off_at_the_limit(gateway: HttpGateway) -> None:
    """The server answers and hangs up long before the 64 MiB that the caller has in store."""
    port = httpx.URL(gateway.url).port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST {PATH}?{urlencode(signed('x'))} HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n"
    writer.write(head.encode())
    sent = 0
    try:
        for _ in range(16 * 1024):
            writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
            await writer.drain()
            sent += 4096
    except ConnectionError:
        pass
    assert sent < 64 * KIB * KIB
    answer = await _first_line(reader)
    assert b"413" in answer or answer == b""
    writer.close()
    assert await gateway.stored() == []


async def _first_line(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readline()
    except ConnectionError:
        return b""


async def test_a_small_chunked_body_over_the_limit_reads_413(gateway: HttpGateway) -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(17):
            yield b"x" * (4 * KIB)

    reply = await gateway.http.post(PATH, params=signed("x"), content=body())
    assert reply.status_code == 413


async def test_a_chunked_callback_within_the_limit_is_accepted(gateway: HttpGateway) -> None:
    encrypted = CRYPTO.encrypt(notice_xml())

    async def body() -> AsyncIterator[bytes]:
        for byte in envelope(encrypted):
            yield bytes([byte])

    assert (await gateway.http.post(PATH, params=signed(encrypted), content=body())).status_code == 200


async def test_a_body_that_never_comes_is_not_waited_for(gateway: HttpGateway) -> None:
    port = httpx.URL(gateway.url).port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        f"POST {PATH}?{urlencode(signed('x'))} HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\n".encode()
    )
    assert b"408" in await asyncio.wait_for(reader.readline(), 20)
    writer.close()


async def test_without_nats_wecom_is_asked_to_come_again(gateway: HttpGateway, nats_server: Child) -> None:
    assert (await gateway.http.get("/ready")).status_code == 200
    await asyncio.to_thread(nats_server.kill)
    reply = await gateway.post(notice_xml())
    assert (reply.status_code, reply.json()["error"]) == (503, "unavailable")
    await until(lambda: _status(gateway, "/ready", 503))
    assert (await gateway.http.get("/health")).status_code == 200
    await asyncio.to_thread(nats_server.start)
    await until(lambda: _status(gateway, "/ready", 200))
    assert (await gateway.post(notice_xml())).status_code == 200


async def _status(gateway: HttpGateway, path: str, status: int) -> bool:
    return (await gateway.http.get(path)).status_code == status


async def test_a_hanging_nats_is_not_waited_for_longer_than_wecom_waits(
    gateway: HttpGateway, nats_server: Child
) -> None:
    assert nats_server.process
    nats_server.process.send_signal(signal.SIGSTOP)
    try:
        reply = await asyncio.wait_for(gateway.post(notice_xml()), 20)
    finally:
        nats_server.process.send_signal(signal.SIGCONT)
    assert reply.status_code == 503


async def test_nothing_of_a_request_is_logged_or_echoed(gateway: HttpGateway) -> None:
    with capture_logs() as lines:
        replies = [
            await gateway.post(notice_xml("wk1", token="ENCsecretToken")),
            await gateway.post(notice_xml("wk<script>", token="ENCsecretToken")),
            await gateway.http.post(PATH, params={**signed("x"), "nonce": "<script>"}, content=envelope("x")),
        ]
    for told in (*map(str, lines), *(reply.text for reply in replies)):
        assert "ENCsecretToken" not in told
        assert "script" not in told
        assert TOKEN not in told
        assert AES_KEY not in told


async def test_other_methods_and_paths_are_refused(gateway: HttpGateway) -> None:
    assert (await gateway.http.put(PATH)).status_code == 405
    for path in ("/", "/docs", "/openapi.json", "/wecom"):
        assert (await gateway.http.get(path)).status_code == 404


async def test_the_server_does_not_name_its_software(gateway: HttpGateway) -> None:
    assert "server" not in (await gateway.http.get("/health")).headers
