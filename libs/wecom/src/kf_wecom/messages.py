"""The bodies of the messages in sync_msg, one class per msgtype (docs 94699 and 31078)."""

import json

from pydantic import AliasChoices, Field, ValidationError

from kf_wecom.wire import Wire


class MessageBody(Wire):
    """What a message carries under the name of its msgtype."""


class TextBody(MessageBody):
    """Text; `menu_id` only when the customer tapped a click item of a menu."""

    content: str
    menu_id: str = ""


class MediaBody(MessageBody):
    """A file at WeCom, fetched by media_get within 3 days."""

    media_id: str = Field(min_length=1)


class ImageBody(MediaBody):
    """A picture."""


class VoiceBody(MediaBody):
    """A voice message, AMR unless sync_msg asked for silk."""


class VideoBody(MediaBody):
    """A video."""


class FileBody(MediaBody):
    """A file; its name comes only with media_get."""


class LocationBody(MessageBody):
    """A place; degrees."""

    latitude: float
    longitude: float
    name: str = ""
    address: str = ""


class LinkBody(MessageBody):
    """A link card."""

    title: str = ""
    desc: str = ""
    url: str
    pic_url: str = ""


class BusinessCardBody(MessageBody):
    """A member's card; mostly from servicers."""

    userid: str


class MiniprogramBody(MessageBody):
    """A mini program card."""

    title: str = ""
    appid: str
    pagepath: str = ""
    thumb_media_id: str = ""


class MenuClickTarget(Wire):
    """A menu line that answers with its text."""

    id: str = ""
    content: str = ""


class MenuViewTarget(Wire):
    """A menu line that opens a page."""

    url: str = ""
    content: str = ""


class MenuMiniprogramTarget(Wire):
    """A menu line that opens a mini program."""

    appid: str = ""
    pagepath: str = ""
    content: str = ""


class MenuTextTarget(Wire):
    """A menu line of plain text; `no_newline` 1 joins it to the next."""

    content: str = ""
    no_newline: int = 0


class MenuLine(Wire):
    """One line of a menu; only the object named by `type` is present."""

    type: str
    click: MenuClickTarget | None = None
    view: MenuViewTarget | None = None
    miniprogram: MenuMiniprogramTarget | None = None
    text: MenuTextTarget | None = None


class MsgmenuBody(MessageBody):
    """A menu sent by a servicer or an automatic reply."""

    head_content: str = ""
    list_: tuple[MenuLine, ...] = Field(default=(), alias="list")
    tail_content: str = ""


class ChannelsShopProductBody(MessageBody):
    """A product of a channels shop; `sales_price` is in 分 and arrives as text or number."""

    product_id: str
    head_img: str = Field(default="", validation_alias=AliasChoices("head_img", "head_image"))
    title: str = ""
    sales_price: str = ""
    shop_nickname: str = ""
    shop_head_img: str = Field(default="", validation_alias=AliasChoices("shop_head_img", "shop_head_image"))


class ChannelsShopOrderBody(MessageBody):
    """An order of a channels shop."""

    order_id: str
    product_titles: str = ""
    price_wording: str = ""
    state: str = ""
    image_url: str = ""
    shop_nickname: str = ""


class ChannelsBody(MessageBody):
    """A channels card: `sub_type` 1 post, 2 live, 3 profile."""

    sub_type: int = 0
    nickname: str = ""
    title: str = ""


class NoteBody(MessageBody):
    """A note; WeCom delivers no content."""


class MeetingBody(MessageBody):
    """A meeting; its fields are undocumented, the raw item has them."""


class ScheduleBody(MessageBody):
    """A calendar entry; its fields are undocumented, the raw item has them."""


class MergedItem(Wire):
    """One message inside a forwarded bundle; `msg_content` is the JSON text of its body."""

    send_time: int = 0
    msgtype: str = ""
    sender_name: str = ""
    msg_content: str = ""

    def body(self) -> MessageBody | None:
        """The parsed body, or None when it is of an unknown type or malformed."""
        try:
            content = json.loads(self.msg_content)
        except ValueError:
            return None
        inner = content.get(self.msgtype, content) if isinstance(content, dict) else None
        return parse_body(self.msgtype, inner)


class MergedMsgBody(MessageBody):
    """A forwarded bundle of messages."""

    title: str = ""
    item: tuple[MergedItem, ...] = ()


BODIES: dict[str, type[MessageBody]] = {
    "text": TextBody,
    "image": ImageBody,
    "voice": VoiceBody,
    "video": VideoBody,
    "file": FileBody,
    "location": LocationBody,
    "link": LinkBody,
    "business_card": BusinessCardBody,
    "miniprogram": MiniprogramBody,
    "msgmenu": MsgmenuBody,
    "channels_shop_product": ChannelsShopProductBody,
    "channels_shop_order": ChannelsShopOrderBody,
    "merged_msg": MergedMsgBody,
    "channels": ChannelsBody,
    "note": NoteBody,
    "meeting": MeetingBody,
    "schedule": ScheduleBody,
    "calendar": ScheduleBody,
}


def parse_body(msgtype: str, body: object) -> MessageBody | None:
    """The body of a known msgtype, or None when the type is unknown or the body malformed."""
    model = BODIES.get(msgtype)
    if model is None:
        return None
    try:
        return model.model_validate(body)
    except ValidationError:
        return None
