"""What can be sent to a customer, one class per msgtype, with the limits past which WeCom refuses.

Source: doc 94677. `wire()` gives exactly the JSON that WeCom wants: the msgtype, the object
of that name, no empty optionals.
"""

from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

TEXT_MAX_BYTES = 2048
MENU_MAX_LINES = 50
MENU_MAX_TAPPABLE = 10


def _utf8_at_most(limit: int) -> AfterValidator:
    def check(text: str) -> str:
        if len(text.encode()) > limit:
            raise ValueError(f"longer than {limit} bytes of UTF-8")
        return text

    return AfterValidator(check)


def _http_url(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise ValueError("a url needs http:// or https://")
    return url


_Required = Annotated[str, Field(min_length=1)]
_Url = Annotated[str, _utf8_at_most(2048), AfterValidator(_http_url)]


class _Part(BaseModel):
    """Frozen; validation errors never show values, which are words for or about a customer."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    def fields(self) -> dict[str, Any]:
        """The object as WeCom wants it: empty optionals left out."""
        return {name: value for name, value in self.model_dump().items() if value not in (None, "", [], ())}

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        return []


class Content(_Part):
    """Something sendable."""

    msgtype: ClassVar[str]

    def wire(self) -> dict[str, Any]:
        """`{"msgtype": ..., <msgtype>: {...}}`."""
        return {"msgtype": self.msgtype, self.msgtype: self.fields()}


class Text(Content):
    """Plain text, at most 2048 bytes of UTF-8; Markdown shows literally."""

    msgtype = "text"
    content: Annotated[_Required, _utf8_at_most(TEXT_MAX_BYTES)]


class _Media(Content):
    media_id: _Required


class Image(_Media):
    """A picture that was uploaded."""

    msgtype = "image"


class Voice(_Media):
    """An AMR voice that was uploaded."""

    msgtype = "voice"


class Video(_Media):
    """A video that was uploaded."""

    msgtype = "video"


class File(_Media):
    """A file that was uploaded."""

    msgtype = "file"


class Link(Content):
    """A link card; WeCom cuts the title at 128 and the description at 512 bytes."""

    msgtype = "link"
    title: _Required
    desc: str = ""
    url: _Url
    thumb_media_id: _Required


class Miniprogram(Content):
    """A mini program card; WeCom cuts the title at 64 bytes."""

    msgtype = "miniprogram"
    appid: _Required
    title: str = ""
    thumb_media_id: _Required
    pagepath: _Required


class MenuItem(_Part):
    """One line of a menu."""

    type: ClassVar[str]
    tappable: ClassVar[bool] = True

    def wire(self) -> dict[str, Any]:
        """`{"type": ..., <type>: {...}}`; an empty sibling object would be refused."""
        return {"type": self.type, self.type: self.fields()}


class MenuClick(MenuItem):
    """A line that comes back as a text of the customer with `id` as its menu_id."""

    type = "click"
    id: Annotated[str, _utf8_at_most(128)] = ""
    content: Annotated[_Required, _utf8_at_most(128)]


class MenuView(MenuItem):
    """A line that opens a page."""

    type = "view"
    url: _Url
    content: Annotated[_Required, _utf8_at_most(1024)]


class MenuMiniprogram(MenuItem):
    """A line that opens a mini program."""

    type = "miniprogram"
    appid: Annotated[_Required, _utf8_at_most(32)]
    pagepath: Annotated[_Required, _utf8_at_most(1024)]
    content: Annotated[_Required, _utf8_at_most(1024)]


class MenuText(MenuItem):
    """A line of plain text; `no_newline` 1 joins it to the next."""

    type = "text"
    tappable = False
    content: Annotated[_Required, _utf8_at_most(256)]
    no_newline: int | None = Field(default=None, ge=0, le=1)


class Menu(Content):
    """A menu; at least one of head, items and tail."""

    msgtype = "msgmenu"
    head_content: Annotated[str, _utf8_at_most(1024)] = ""
    items: tuple[MenuClick | MenuView | MenuMiniprogram | MenuText, ...] = Field(
        default=(), max_length=MENU_MAX_LINES
    )
    tail_content: Annotated[str, _utf8_at_most(1024)] = ""

    @model_validator(mode="after")
    def _within_limits(self) -> "Menu":
        if not (self.head_content or self.items or self.tail_content):
            raise ValueError("a menu needs a head, an item or a tail")
        if sum(item.tappable for item in self.items) > MENU_MAX_TAPPABLE:
            raise ValueError(f"a menu takes at most {MENU_MAX_TAPPABLE} tappable items")
        return self

    def fields(self) -> dict[str, Any]:
        """Head, list and tail, each only if it is there."""
        parts = {
            "head_content": self.head_content,
            "list": [item.wire() for item in self.items],
            "tail_content": self.tail_content,
        }
        return {name: value for name, value in parts.items() if value}


class Location(Content):
    """A place; degrees."""

    msgtype = "location"
    name: str = ""
    address: str = ""
    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)


class BusinessCard(Content):
    """A member's card."""

    msgtype = "business_card"
    userid: _Required


class CaLink(Content):
    """A customer acquisition link (获客链接)."""

    msgtype = "ca_link"
    link_url: _Url
