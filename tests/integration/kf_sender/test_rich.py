"""Menus, links, pictures and files: uploaded once, uploaded again when gone, and text where refused."""

import base64
from typing import Any

import pytest

from tests.fakes.kf_desk import SEND_MSG, UPLOAD, KfDesk
from tests.fakes.senders import Office, content

PICTURE = {"media_base64": base64.b64encode(b"picture bytes").decode(), "media_filename": "p.png"}
MENU: dict[str, Any] = {
    "fields": {"head_content": "请选择", "items": [{"type": "click", "id": "1", "content": "转人工"}]}
}
LINK: dict[str, Any] = {"fields": {"title": "说明书", "url": "https://example.com/a"}, **PICTURE}


def uploaded(media_id: str) -> dict[str, Any]:
    return {"errcode": 0, "type": "image", "media_id": media_id, "created_at": "1700000000"}


def refusal(code: int) -> dict[str, Any]:
    return {"errcode": code, "errmsg": "refused"}


def sends(desk: KfDesk) -> list[Any]:
    return [asked.json for asked in desk.asked if asked.path == SEND_MSG]


async def test_a_menu_is_sent_as_wecom_wants_it(hall: Office, desk: KfDesk) -> None:
    hall.start()
    await hall.publish(content("c1", "msgmenu", **MENU))
    await hall.until("c1", "sent")
    [sent] = sends(desk)
    assert sent["msgtype"] == "msgmenu"
    assert sent["msgmenu"]["list"] == [{"type": "click", "click": {"id": "1", "content": "转人工"}}]


@pytest.mark.parametrize(("msgtype", "fields"), [("image", PICTURE), ("file", PICTURE), ("link", LINK)])
async def test_media_are_uploaded_once(
    hall: Office, desk: KfDesk, msgtype: str, fields: dict[str, Any]
) -> None:
    desk.on(UPLOAD, uploaded("M1"))
    hall.start()
    await hall.publish(content("c1", msgtype, **fields), content("c2", msgtype, **fields))
    await hall.until("c2", "sent")
    name = "thumb_media_id" if msgtype == "link" else "media_id"
    assert [sent[msgtype][name] for sent in sends(desk)] == ["M1", "M1"]
    assert desk.paths().count(UPLOAD) == 1


async def test_media_that_wecom_lost_are_uploaded_again_once(hall: Office, desk: KfDesk) -> None:
    desk.on(UPLOAD, uploaded("M1"), uploaded("M2"))
    desk.refuse("wmA", refusal(40007))
    hall.start()
    await hall.publish(content("c1", "image", **PICTURE))
    await hall.until("c1", "sent")
    assert [sent["image"]["media_id"] for sent in sends(desk)] == ["M1", "M2"]


@pytest.mark.parametrize("code", [95008, 95030, 40058])
async def test_what_wecom_will_not_have_goes_out_as_text(hall: Office, desk: KfDesk, code: int) -> None:
    desk.refuse("wmA", refusal(code))
    hall.start()
    await hall.publish(content("c1", "msgmenu", **MENU))
    await hall.until("c1", "sent")
    assert desk.texts("wmA") == ["instead of c1"]
    rich, text = sends(desk)
    assert rich["msgid"] == text["msgid"]


async def test_an_upload_that_is_refused_and_a_malformed_menu_become_text(hall: Office, desk: KfDesk) -> None:
    desk.on(UPLOAD, refusal(40006))
    hall.start()
    bad: dict[str, Any] = {"fields": {"items": [{"type": "nonsense"}]}}
    await hall.publish(content("c1", "image", **PICTURE), content("c2", "msgmenu", **bad))
    await hall.until("c2", "sent")
    assert desk.texts("wmA") == ["instead of c1", "instead of c2"]


async def test_a_session_that_a_human_has_parks_rich_messages_too(hall: Office, desk: KfDesk) -> None:
    desk.refuse("wmA", refusal(95018))
    desk.on("/cgi-bin/kf/service_state/get", {"errcode": 0, "service_state": 3})
    hall.start()
    await hall.publish(content("c1", "msgmenu", **MENU))
    await hall.until("c1", "parked")
