"""Sendable contents: the exact wire JSON, empty optionals left out, limits in bytes."""

from typing import Any

import pytest
from kf_wecom.models import (
    BusinessCard,
    CaLink,
    Content,
    File,
    Image,
    Link,
    Location,
    Menu,
    MenuClick,
    MenuItem,
    MenuMiniprogram,
    MenuText,
    MenuView,
    Miniprogram,
    Text,
    Video,
    Voice,
)
from pydantic import ValidationError

WIRE: list[tuple[Content, dict[str, Any]]] = [
    (Text(content="你好"), {"msgtype": "text", "text": {"content": "你好"}}),
    (Image(media_id="m"), {"msgtype": "image", "image": {"media_id": "m"}}),
    (Voice(media_id="m"), {"msgtype": "voice", "voice": {"media_id": "m"}}),
    (Video(media_id="m"), {"msgtype": "video", "video": {"media_id": "m"}}),
    (File(media_id="m"), {"msgtype": "file", "file": {"media_id": "m"}}),
    (
        Link(title="t", url="https://x", thumb_media_id="m"),
        {"msgtype": "link", "link": {"title": "t", "url": "https://x", "thumb_media_id": "m"}},
    ),
    (
        Miniprogram(appid="a", thumb_media_id="m", pagepath="p.html"),
        {
            "msgtype": "miniprogram",
            "miniprogram": {"appid": "a", "thumb_media_id": "m", "pagepath": "p.html"},
        },
    ),
    (
        Location(latitude=0, longitude=-180),
        {"msgtype": "location", "location": {"latitude": 0.0, "longitude": -180.0}},
    ),
    (BusinessCard(userid="u"), {"msgtype": "business_card", "business_card": {"userid": "u"}}),
    (CaLink(link_url="https://x"), {"msgtype": "ca_link", "ca_link": {"link_url": "https://x"}}),
    (Menu(head_content="h"), {"msgtype": "msgmenu", "msgmenu": {"head_content": "h"}}),
]
ITEMS: list[tuple[MenuItem, dict[str, Any]]] = [
    (MenuClick(content="c"), {"type": "click", "click": {"content": "c"}}),
    (MenuClick(id="1", content="c"), {"type": "click", "click": {"id": "1", "content": "c"}}),
    (MenuView(url="https://x", content="c"), {"type": "view", "view": {"url": "https://x", "content": "c"}}),
    (
        MenuMiniprogram(appid="a", pagepath="p", content="c"),
        {"type": "miniprogram", "miniprogram": {"appid": "a", "pagepath": "p", "content": "c"}},
    ),
    (MenuText(content="a\nb"), {"type": "text", "text": {"content": "a\nb"}}),
    (MenuText(content="a", no_newline=0), {"type": "text", "text": {"content": "a", "no_newline": 0}}),
]


@pytest.mark.parametrize(("content", "wire"), WIRE)
def test_a_content_becomes_exactly_its_wire_json(content: Content, wire: dict[str, Any]) -> None:
    assert content.wire() == wire


@pytest.mark.parametrize(("item", "wire"), ITEMS)
def test_a_menu_item_has_only_the_object_of_its_type(item: MenuItem, wire: dict[str, Any]) -> None:
    assert item.wire() == wire


def test_a_menu_lists_its_items_in_order() -> None:
    menu = Menu(items=(MenuText(content="a"), MenuClick(content="b")), tail_content="t")
    assert menu.wire()["msgmenu"] == {
        "list": [{"type": "text", "text": {"content": "a"}}, {"type": "click", "click": {"content": "b"}}],
        "tail_content": "t",
    }


def test_text_is_measured_in_bytes() -> None:
    assert Text(content="好" * 682 + "ab")
    for content in ("好" * 683, "a" * 2049, ""):
        with pytest.raises(ValidationError):
            Text(content=content)


@pytest.mark.parametrize(
    "build",
    [
        lambda: Menu(),
        lambda: Menu(items=tuple(MenuClick(content=str(n)) for n in range(11))),
        lambda: Menu(items=tuple(MenuText(content=str(n)) for n in range(51))),
        lambda: Menu(head_content="好" * 342),
        lambda: MenuClick(content="好" * 43),
        lambda: MenuClick(content=""),
        lambda: MenuView(url="x.com", content="c"),
        lambda: Link(title="t", url="ftp://x", thumb_media_id="m"),
        lambda: Location(latitude=90.1, longitude=0),
        lambda: Image(media_id=""),
        lambda: Text(content="half \ud83d emoji"),
        lambda: Text.model_validate({"content": "c", "contnet": "typo"}),
    ],
)
def test_what_wecom_would_refuse_is_refused_here(build: Any) -> None:
    with pytest.raises(ValidationError):
        build()


def test_neither_repr_nor_errors_show_the_words() -> None:
    assert "secret" not in repr(Text(content="secret"))
    with pytest.raises(ValidationError) as caught:
        Text(content="secret" * 1000)
    assert "secret" not in str(caught.value)
