"""The client when WeCom refuses, breaks or goes away: typed errors, one refresh, no secret anywhere."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import pytest
from kf_wecom.client import WecomClient, fetch_token
from kf_wecom.errcodes import ErrorClass
from kf_wecom.errors import AmbiguousError, ApiError, NotSentError, WecomError
from kf_wecom.models import Text
from kf_wecom.token import LocalToken
from kf_wecom.transport import Call, Transport

from tests.fakes.wecom_api import Raw, WecomApi, wecom_api

GETTOKEN = "/cgi-bin/gettoken"
SYNC = "/cgi-bin/kf/sync_msg"
SEND = "/cgi-bin/kf/send_msg"
TAIL = ", hint: [1634264791_224_abc], from ip: 1.2.3.4, more info at https://open.work.weixin.qq.com/x?e=1"


@pytest.fixture
async def api() -> AsyncIterator[WecomApi]:
    async with wecom_api() as api:
        yield api


@pytest.fixture
async def client(api: WecomApi) -> AsyncIterator[WecomClient]:
    async with Transport(api.base_url) as transport:
        yield WecomClient(transport, LocalToken(partial(fetch_token, transport, "wwCorp", "TopSecret")))


async def send(client: WecomClient, text: str = "private words") -> str:
    return await client.send_msg(touser="wmCustomer", open_kfid="wk1", content=Text(content=text))


@pytest.mark.parametrize(
    ("code", "error_class"),
    [
        (95018, ErrorClass.STATE),
        (45009, ErrorClass.BACK_OFF),
        (-1, ErrorClass.BACK_OFF),
        (48007, ErrorClass.CONFIG),
        (95001, ErrorClass.WINDOW),
        (40058, ErrorClass.PAYLOAD),
        (123456, ErrorClass.UNKNOWN),
    ],
)
async def test_an_errcode_in_a_200_is_a_typed_error_and_not_retried(
    api: WecomApi, client: WecomClient, code: int, error_class: ErrorClass
) -> None:
    api.on(SEND, {"errcode": code, "errmsg": "refused" + TAIL})
    with pytest.raises(ApiError) as caught:
        await send(client)
    error = caught.value
    assert (error.code, error.error_class, error.api) == (code, error_class, SEND)
    assert (error.hint, error.from_ip, error.errmsg) == ("1634264791_224_abc", "1.2.3.4", "refused")
    assert error.remedy_zh
    assert api.paths().count(SEND) == 1


@pytest.mark.parametrize("code", [40014, 42001, 40001])
async def test_a_dead_token_is_renewed_once_and_the_call_repeated(
    api: WecomApi, client: WecomClient, code: int
) -> None:
    api.on(SEND, {"errcode": code, "errmsg": "token"}, {"errcode": 0, "msgid": "m1"})
    assert await send(client) == "m1"
    assert [asked.query["access_token"] for asked in api.asked if asked.path == SEND] == [
        "SecretToken1",
        "SecretToken2",
    ]


async def test_a_token_that_stays_dead_is_renewed_only_once(api: WecomApi, client: WecomClient) -> None:
    api.on(SEND, *[{"errcode": 42001, "errmsg": "access_token expired"}] * 6)
    for _ in range(3):
        with pytest.raises(ApiError) as caught:
            await send(client)
        assert caught.value.code == 42001
    assert api.paths().count(GETTOKEN) == 2
    assert api.paths().count(SEND) == 4


async def test_many_calls_that_meet_a_dead_token_cause_one_gettoken(
    api: WecomApi, client: WecomClient
) -> None:
    await send(client)
    api.on(SEND, *[{"errcode": 42001, "errmsg": "access_token expired"}] * 5)
    await asyncio.gather(*(send(client) for _ in range(5)))
    assert api.paths().count(GETTOKEN) == 2


async def test_95007_leaves_the_access_token_alone(api: WecomApi, client: WecomClient) -> None:
    api.on(SYNC, {"errcode": 95007, "errmsg": "invalid msg token"})
    with pytest.raises(ApiError) as caught:
        await client.sync_msg(open_kfid="wk1", token="ENC")
    assert caught.value.error_class is ErrorClass.TOKEN_LESS
    assert api.paths() == [GETTOKEN, SYNC]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Raw(b'{"errcode":0,"errmsg":"o', declared=200), "remote_protocol_error"),
        (Raw(b'{"errcode":0,"errmsg":"o'), "malformed_reply"),
        (Raw(b"<html>Bad Gateway</html>", status=502), "http_502"),
        (Raw(b'{"errcode":0}', status=500), "http_500"),
        (Raw(b"", status=302, headers={"Location": "http://127.0.0.1:1/"}), "http_302"),
        (Raw(b"[]"), "malformed_reply"),
        (Raw(b'{"errcode":"zero"}'), "malformed_reply"),
        (Raw(b"\xff\xfe"), "malformed_reply"),
        (Raw(drop=True), "remote_protocol_error"),
    ],
)
async def test_an_answer_that_cannot_be_judged_is_ambiguous_and_not_retried(
    api: WecomApi, client: WecomClient, answer: Raw, reason: str
) -> None:
    api.on(SEND, answer)
    with pytest.raises(AmbiguousError) as caught:
        await send(client)
    assert (caught.value.reason, caught.value.error_class) == (reason, ErrorClass.BACK_OFF)
    assert api.paths().count(SEND) == 1


CALLS: dict[str, Callable[[WecomClient], Awaitable[object]]] = {
    "send_msg": lambda client: send(client),
    "send_msg_on_event": lambda client: client.send_msg_on_event(code="c", content=Text(content="x")),
    "sync_msg": lambda client: client.sync_msg(open_kfid="wk1"),
    "service_state/get": lambda client: client.service_state_get(open_kfid="wk1", external_userid="wm1"),
    "service_state/trans": lambda client: client.service_state_trans(
        open_kfid="wk1", external_userid="wm1", service_state=1
    ),
    "account/list": lambda client: client.account_list(),
    "servicer/list": lambda client: client.servicer_list("wk1"),
    "customer/batchget": lambda client: client.customer_batchget(["wm1"]),
}


@pytest.mark.parametrize("call", CALLS)
async def test_an_empty_object_of_a_proxy_is_no_success(
    api: WecomApi, client: WecomClient, call: str
) -> None:
    api.on(f"/cgi-bin/kf/{call}", Raw(b"{}"))
    with pytest.raises(AmbiguousError) as caught:
        await CALLS[call](client)
    assert caught.value.reason == "malformed_reply"


@pytest.mark.parametrize("call", ["send_msg", "send_msg_on_event", "sync_msg"])
@pytest.mark.parametrize("answer", [{}, {"msgid": ""}, {"msgid": None}])
async def test_what_must_not_be_lost_needs_more_than_errcode_0(
    api: WecomApi, client: WecomClient, call: str, answer: dict[str, object]
) -> None:
    api.on(f"/cgi-bin/kf/{call}", {"errcode": 0, "errmsg": "ok", **answer})
    with pytest.raises(AmbiguousError):
        await CALLS[call](client)


@pytest.mark.parametrize("answer", [b"{}", b'{"errcode":0,"access_token":"","expires_in":7200}'])
async def test_a_grant_without_a_token_is_none(api: WecomApi, client: WecomClient, answer: bytes) -> None:
    api.on(GETTOKEN, Raw(answer))
    with pytest.raises(AmbiguousError):
        await send(client)
    assert api.paths() == [GETTOKEN]


async def test_an_errcode_counts_whatever_the_http_status(api: WecomApi, client: WecomClient) -> None:
    api.on(SEND, Raw(b'{"errcode":-1,"errmsg":"system busy"}', status=500))
    with pytest.raises(ApiError) as caught:
        await send(client)
    assert caught.value.code == -1


async def test_a_malformed_page_is_an_error_without_its_content(api: WecomApi, client: WecomClient) -> None:
    api.on(SYNC, {"errcode": 0, "msg_list": "private words"})
    with pytest.raises(AmbiguousError) as caught:
        await client.sync_msg(open_kfid="wk1")
    assert "private" not in str(caught.value)
    assert caught.value.__cause__ is None


async def test_a_late_answer_is_ambiguous(api: WecomApi) -> None:
    api.on(SEND, Raw(b"{}", delay=30))
    async with Transport(api.base_url) as transport:
        with pytest.raises(AmbiguousError) as caught:
            await transport.call(Call("POST", SEND, body={}, timeout_seconds=0.3))
    assert caught.value.reason == "timeout_error"


async def test_a_refused_connection_was_surely_not_sent() -> None:
    server = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    async with Transport(f"http://127.0.0.1:{port}") as transport:
        with pytest.raises(NotSentError) as caught:
            await transport.call(Call("POST", SEND, body={}))
    assert caught.value.reason == "connect_error"


@pytest.mark.parametrize("disposition", [{}, {"Content-Type": "text/plain"}])
async def test_a_media_error_is_read_though_it_is_not_declared_json(
    api: WecomApi, client: WecomClient, disposition: dict[str, str]
) -> None:
    api.on("/cgi-bin/media/get", Raw(b'{"errcode":40007,"errmsg":"invalid media_id"}', headers=disposition))
    with pytest.raises(ApiError) as caught:
        await client.media_get("med1")
    assert caught.value.code == 40007


async def test_no_secret_is_in_logs_or_errors_even_at_debug_level(
    api: WecomApi, client: WecomClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    api.on(
        SEND, {"errcode": 40058, "errmsg": "bad wmCustomer SecretToken1 private words" + TAIL}, Raw(drop=True)
    )
    shown = []
    for _ in range(2):
        with pytest.raises(WecomError) as caught:
            await send(client)
        shown.append(f"{caught.value} {caught.value!r}")
    api.on(SEND, {"errcode": 42001, "errmsg": "access_token expired"})
    api.on(GETTOKEN, {"errcode": 40013, "errmsg": "bad wwCorp TopSecret"})
    with pytest.raises(WecomError) as caught:
        await send(client)
    everything = "\n".join([*shown, f"{caught.value} {caught.value!r}", caplog.text])
    assert "HTTP Request: POST" in everything
    assert "gettoken was refused" in everything
    for secret in ("SecretToken", "TopSecret", "wmCustomer", "private words", "access_token=", "corpsecret="):
        assert secret not in everything
