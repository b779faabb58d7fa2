"""The client against a real HTTP server: what it sends, how it judges answers, what it keeps secret."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
from kf_wecom.client import WecomClient, fetch_token
from kf_wecom.models import Menu, MenuClick, Text
from kf_wecom.token import LocalToken
from kf_wecom.transport import Transport

from tests.fakes.wecom_api import Raw, WecomApi, wecom_api

KF = "/cgi-bin/kf"


@pytest.fixture
async def api() -> AsyncIterator[WecomApi]:
    async with wecom_api() as api:
        yield api


@pytest.fixture
async def client(api: WecomApi) -> AsyncIterator[WecomClient]:
    async with Transport(api.base_url) as transport:
        yield WecomClient(transport, LocalToken(partial(fetch_token, transport, "wwCorp", "TopSecret")))


async def test_the_token_is_fetched_once_and_used_in_the_query(api: WecomApi, client: WecomClient) -> None:
    await client.sync_msg(open_kfid="wk1")
    await client.sync_msg(open_kfid="wk1")
    assert api.paths() == ["/cgi-bin/gettoken", f"{KF}/sync_msg", f"{KF}/sync_msg"]
    assert api.asked[0].query == {"corpid": "wwCorp", "corpsecret": "TopSecret"}
    assert [asked.query for asked in api.asked[1:]] == [{"access_token": "SecretToken1"}] * 2


async def test_sync_msg_leaves_empty_optionals_out(api: WecomApi, client: WecomClient) -> None:
    await client.sync_msg(open_kfid="wk1")
    await client.sync_msg(open_kfid="wk1", cursor="c1", token="ENC1", limit=100, voice_format=0)
    assert [asked.json for asked in api.asked[1:]] == [
        {"open_kfid": "wk1", "limit": 1000},
        {"open_kfid": "wk1", "cursor": "c1", "token": "ENC1", "limit": 100, "voice_format": 0},
    ]


async def test_a_page_keeps_its_items_raw(api: WecomApi, client: WecomClient) -> None:
    item = {"msgid": "m", "msgtype": "hologram", "nested": {"null": None, "list": [1, "二"]}}
    api.on(f"{KF}/sync_msg", {"errcode": 0, "next_cursor": "c2", "has_more": 1, "msg_list": [item]})
    page = await client.sync_msg(open_kfid="wk1")
    assert (page.next_cursor, page.has_more, page.msg_list) == ("c2", True, (item,))


async def test_half_an_emoji_from_wecom_can_be_encoded_again(api: WecomApi, client: WecomClient) -> None:
    whole, half = r'"\ud83d\ude00"', r'"\ud83d x"'
    api.on(f"{KF}/sync_msg", Raw(f'{{"msg_list":[{{"a":{whole},"b":[{half}]}}]}}'.encode()))
    page = await client.sync_msg(open_kfid="wk1")
    assert page.msg_list == ({"a": "😀", "b": ["\ufffd x"]},)


async def test_text_goes_out_as_real_utf8(api: WecomApi, client: WecomClient) -> None:
    api.on(f"{KF}/send_msg", {"errcode": 0, "errmsg": "ok", "msgid": "reply1"})
    sent = await client.send_msg(
        touser="wm1", open_kfid="wk1", content=Text(content="您好😀\n“ok”"), msgid="reply1"
    )
    asked = api.asked[-1]
    assert sent == "reply1"
    assert "您好😀".encode() in asked.body
    assert b"\\u" not in asked.body
    assert asked.headers["content-type"] == "application/json; charset=utf-8"
    assert asked.json == {
        "touser": "wm1",
        "open_kfid": "wk1",
        "msgid": "reply1",
        "msgtype": "text",
        "text": {"content": "您好😀\n“ok”"},
    }


async def test_a_missing_errcode_is_success(api: WecomApi, client: WecomClient) -> None:
    api.on(f"{KF}/send_msg", Raw(b'{"msgid":"m1"}'))
    assert await client.send_msg(touser="wm1", open_kfid="wk1", content=Text(content="x")) == "m1"
    assert "msgid" not in api.asked[-1].json


@pytest.mark.parametrize("msgid", ["x" * 33, "a b", "é", "a.b"])
async def test_a_msgid_that_wecom_would_refuse_is_never_sent(
    api: WecomApi, client: WecomClient, msgid: str
) -> None:
    with pytest.raises(ValueError, match="msgid"):
        await client.send_msg(touser="wm1", open_kfid="wk1", content=Text(content="x"), msgid=msgid)
    assert api.asked == []


async def test_a_message_on_an_event_needs_only_its_code(api: WecomApi, client: WecomClient) -> None:
    menu = Menu(head_content="欢迎", items=(MenuClick(content="人工"),))
    await client.send_msg_on_event(code="code43", content=menu)
    assert api.asked[-1].path == f"{KF}/send_msg_on_event"
    assert api.asked[-1].json == {"code": "code43"} | menu.wire()


async def test_the_state_is_read_and_changed(api: WecomApi, client: WecomClient) -> None:
    api.on(f"{KF}/service_state/get", {"errcode": 0, "service_state": 3, "servicer_userid": "s1"})
    api.on(f"{KF}/service_state/trans", {"errcode": 0, "msg_code": "code"}, {"errcode": 0})
    ids = {"open_kfid": "wk1", "external_userid": "wm1"}
    state = await client.service_state_get(**ids)
    assert (state.service_state, state.servicer_userid) == (3, "s1")
    assert await client.service_state_trans(**ids, service_state=3, servicer_userid="s2") == "code"
    assert await client.service_state_trans(**ids, service_state=0) == ""
    assert [asked.json for asked in api.asked[-3:]] == [
        ids,
        ids | {"service_state": 3, "servicer_userid": "s2"},
        ids | {"service_state": 0},
    ]


def accounts(first: int, count: int) -> dict[str, Any]:
    rows = [
        {"open_kfid": f"wk{n}", "name": "客服", "manage_privilege": True} for n in range(first, first + count)
    ]
    return {"errcode": 0, "account_list": rows}


async def test_accounts_are_listed_over_all_pages(api: WecomApi, client: WecomClient) -> None:
    api.on(f"{KF}/account/list", accounts(0, 100), accounts(100, 100), accounts(200, 3))
    listed = await client.account_list()
    assert [account.open_kfid for account in listed] == [f"wk{n}" for n in range(203)]
    assert [asked.json["offset"] for asked in api.asked[1:]] == [0, 100, 200]


async def test_an_account_list_that_ignores_paging_ends(api: WecomApi, client: WecomClient) -> None:
    api.on(f"{KF}/account/list", accounts(0, 150), accounts(0, 150))
    assert len(await client.account_list()) == 150


async def test_servicers_are_listed_by_query(api: WecomApi, client: WecomClient) -> None:
    rows = [
        {"userid": "s1", "status": 0},
        {"userid": "s2", "status": 1, "stop_type": 1},
        {"department_id": 2},
    ]
    api.on(f"{KF}/servicer/list", {"errcode": 0, "servicer_list": rows})
    servicers = await client.servicer_list("wk1")
    assert [servicer.is_serving for servicer in servicers] == [True, False, False]
    assert (api.asked[-1].method, api.asked[-1].query["open_kfid"]) == ("GET", "wk1")


async def test_customers_are_fetched_in_one_batch(api: WecomApi, client: WecomClient) -> None:
    api.on(
        f"{KF}/customer/batchget",
        {
            "errcode": 0,
            "customer_list": [{"external_userid": "wm1", "nickname": "张三", "unionid": None}],
            "invalid_external_userid": ["wm2"],
        },
    )
    batch = await client.customer_batchget(["wm1", "wm2"], with_enter_session_context=True)
    assert (batch.customer_list[0].nickname, batch.invalid_external_userid) == ("张三", ("wm2",))
    assert api.asked[-1].json == {"external_userid_list": ["wm1", "wm2"], "need_enter_session_context": 1}


@pytest.mark.parametrize("created_at", ["1700000000", 1700000000])
async def test_a_file_is_uploaded_as_the_one_part_named_media(
    api: WecomApi, client: WecomClient, created_at: object
) -> None:
    api.on(
        "/cgi-bin/media/upload", {"errcode": 0, "type": "image", "media_id": "med1", "created_at": created_at}
    )
    media = await client.media_upload("image", "图.png", b"\x89PNG data", "image/png")
    asked = api.asked[-1]
    assert (media.media_id, media.created_at) == ("med1", 1700000000)
    assert asked.query == {"access_token": "SecretToken1", "type": "image"}
    assert asked.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert 'form-data; name="media"; filename="图.png"'.encode() in asked.body
    assert b"Content-Type: image/png\r\n\r\n\x89PNG data" in asked.body


@pytest.mark.parametrize(
    ("disposition", "filename"),
    [
        ('attachment; filename="a b.txt"', "a b.txt"),
        ("attachment; filename*=UTF-8''%E5%9B%BE.png", "图.png"),
        ("attachment", ""),
    ],
)
async def test_a_file_is_downloaded_with_its_name(
    api: WecomApi, client: WecomClient, disposition: str, filename: str
) -> None:
    headers = {"Content-Type": "image/png", "Content-Disposition": disposition}
    api.on("/cgi-bin/media/get", Raw(b"\x00\x01binary", headers=headers))
    media = await client.media_get("med1")
    assert (media.content, media.content_type, media.filename) == (b"\x00\x01binary", "image/png", filename)


async def test_a_json_file_of_a_customers_is_a_file(api: WecomApi, client: WecomClient) -> None:
    headers = {"Content-Type": "application/json", "Content-Disposition": 'attachment; filename="a.json"'}
    api.on("/cgi-bin/media/get", Raw(b'{"errcode": 40007}', headers=headers))
    assert (await client.media_get("med1")).content == b'{"errcode": 40007}'
