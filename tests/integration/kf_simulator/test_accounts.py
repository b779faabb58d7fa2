"""KF accounts, their servicers, chat links and kf_account_auth_change (sheet section 7)."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.fakes.simulator import SimulatorClient


async def fetch(sim: SimulatorClient, path: str, **query: str) -> dict[str, Any]:
    """GET /cgi-bin/kf/<path>."""
    await sim.token()
    reply = await sim.http.get(f"/cgi-bin/kf/{path}", params={"access_token": sim.access_token} | query)
    return dict(reply.json())


async def test_an_account_is_added_renamed_and_deleted(sim: SimulatorClient) -> None:
    added = await sim.api("account/add", name="第三个", media_id="m")
    ids = {"open_kfid": added["open_kfid"]}
    assert (await sim.api("account/update", **ids, name="改名"))["errcode"] == 0
    listed = (await sim.api("account/list", offset=2, limit=1))["account_list"]
    assert (listed[0]["open_kfid"], listed[0]["name"]) == (added["open_kfid"], "改名")
    assert (await sim.api("account/del", **ids))["errcode"] == 0
    assert (await sim.api("sync_msg", **ids))["errcode"] == 95004
    assert (await sim.api("account/add", name="第四个", media_id="m"))["open_kfid"] != added["open_kfid"]


async def test_account_calls_check_their_fields(sim: SimulatorClient) -> None:
    account = await sim.account()
    assert (await sim.api("account/add", name="一" * 17, media_id="m"))["errcode"] == 95006
    assert (await sim.api("account/update", open_kfid=account))["errcode"] == 40058
    await sim.api("account/del", open_kfid=await sim.account(1))
    assert (await sim.api("account/del", open_kfid=account))["errcode"] == 95005


async def test_servicers_are_named_for_an_account(sim: SimulatorClient) -> None:
    account = await sim.account()
    await sim.control("POST", "/control/servicers", userid="wangwu")
    removed = await sim.api("servicer/del", open_kfid=account, userid_list=["lisi", "wangwu", "nobody"])
    assert [one["errmsg"] for one in removed["result_list"]] == ["success", "success", "ignored"]
    added = await sim.api(
        "servicer/add",
        open_kfid=account,
        userid_list=["zhangsan", "wangwu", "nobody"],
        department_id_list=[2],
    )
    assert [(one["errcode"], one["errmsg"]) for one in added["result_list"]] == [
        (0, "ignored"),
        (0, "success"),
        (60111, "userid not found"),
        (0, "success"),
    ]
    listed = (await fetch(sim, "servicer/list", open_kfid=account))["servicer_list"]
    assert listed == [
        {"userid": "zhangsan", "status": 0},
        {"userid": "wangwu", "status": 0},
        {"department_id": 2},
    ]
    assert (await sim.api("servicer/add", open_kfid=account))["errcode"] == 40058


async def test_who_does_not_serve_an_account_cannot_be_given_its_chats(sim: SimulatorClient) -> None:
    chat = await sim.chat()
    await chat.write()
    await sim.api("servicer/del", open_kfid=chat.open_kfid, userid_list=["lisi"])
    assert (await chat.trans(3, servicer_userid="lisi"))["errcode"] == 95014
    assert (await chat.trans(3, servicer_userid="zhangsan"))["errcode"] == 0


async def test_a_chat_link_brings_its_scene_and_the_parameter_as_it_was_encoded(sim: SimulatorClient) -> None:
    chat = await sim.chat()
    url = (await sim.api("add_contact_way", open_kfid=chat.open_kfid, scene="oamenu3"))["url"]
    parts = urlsplit(url)
    assert (parts.netloc, parts.path[:8]) == ("work.weixin.qq.com", "/kf/kfc" + parts.path[7])
    assert parse_qs(parts.query)["enc_scene"][0].startswith("ENC")
    link = f"{url}&scene_param=%E5%9C%BA%E6%99%AF3"
    await sim.control("POST", "/control/links/enter", url=link, external_userid=chat.external_userid)
    event = (await chat.pull())["msg_list"][-1]["event"]
    assert (event["scene"], event["scene_param"]) == ("oamenu3", "%E5%9C%BA%E6%99%AF3")
    assert (await sim.api("add_contact_way", open_kfid=chat.open_kfid, scene="a b"))["errcode"] == 40058
    wrong = {"url": "https://work.weixin.qq.com/kf/x", "external_userid": chat.external_userid}
    assert (await sim.http.post("/control/links/enter", json=wrong)).status_code == 404
