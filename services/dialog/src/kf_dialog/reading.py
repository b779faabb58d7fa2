"""What a customer's messages say, whatever their kind, as text that a model can read."""

from collections.abc import Iterable, Mapping, Sequence

from kf_wecom import models

from kf_dialog import wording
from kf_dialog.conversation import Question

MESSAGE_CHARS = 2000
_MERGED_ITEMS = 30
_CARD_CHARS = 600
_CHANNELS = {1: "视频号动态", 2: "视频号直播", 3: "视频号名片"}


def question_text(questions: Sequence[Question], seen: Mapping[str, str] | None = None) -> str:
    """A burst as one text, one message per line; what cannot be read appears as `[图片]`.

    seen: by msgid, what a vision or speech endpoint made of the media.
    """
    return "\n".join(line for _, line in lines(questions, seen))


def lines(questions: Sequence[Question], seen: Mapping[str, str] | None = None) -> list[tuple[bool, str]]:
    """Each message as text, and whether that text says something."""
    return [_line(question, (seen or {}).get(question.msgid, "")) for question in questions]


def readable(questions: Sequence[Question], seen: Mapping[str, str] | None = None) -> list[str]:
    """The texts of those messages that say something."""
    return [line for says, line in lines(questions, seen) if says]


def unread(questions: Iterable[Question], seen: Mapping[str, str] | None = None) -> list[Question]:
    """The messages whose content nobody could read."""
    return [
        question for question in questions if not _line(question, (seen or {}).get(question.msgid, ""))[0]
    ]


def _line(question: Question, seen: str) -> tuple[bool, str]:
    if question.text:
        return True, question.text[:MESSAGE_CHARS]
    if seen and question.msgtype == "voice":
        # Spoken words are the customer's words.
        return True, seen[:MESSAGE_CHARS]
    kind = wording.kind(question.msgtype, "zh")
    if seen:
        return True, f"[{kind}：{_short(seen, MESSAGE_CHARS)}]"
    described = describe(question.body) if question.body else ""
    return bool(described), f"[{described or kind}]"


def describe(body: models.MessageBody) -> str:
    """A card, place or bundle in words; empty for what holds nothing to read."""
    match body:
        case models.LocationBody():
            place = "，".join(filter(None, (body.name, body.address)))
            return f"位置：{_short(place)}（纬度 {body.latitude:.5f}，经度 {body.longitude:.5f}）"
        case models.LinkBody():
            return f"链接：{_joined(body.title, body.desc, body.url)}"
        case models.MiniprogramBody():
            return f"小程序：{_short(body.title)}" if body.title else ""
        case models.ChannelsShopProductBody():
            price = f"价格 {_yuan(body.sales_price)}" if body.sales_price else ""
            shop = _labelled("店铺", body.shop_nickname)
            return f"商品：{_joined(body.title, price, shop, f'商品编号 {body.product_id}')}"
        case models.ChannelsShopOrderBody():
            state = _labelled("状态", body.state)
            return (
                f"订单：{_joined(body.product_titles, body.price_wording, state, f'订单号 {body.order_id}')}"
            )
        case models.ChannelsBody():
            return f"{_CHANNELS.get(body.sub_type, '视频号内容')}：{_joined(body.nickname, body.title)}"
        case models.MergedMsgBody():
            return _bundle(body)
        case models.MsgmenuBody():
            return f"菜单：{_short(body.head_content)}" if body.head_content else ""
    return ""


def _bundle(body: models.MergedMsgBody) -> str:
    said = [f"{item.sender_name}：{_inner(item)}" for item in body.item[:_MERGED_ITEMS]]
    text = "\n".join(said)[:MESSAGE_CHARS]
    return f"聊天记录：{_short(body.title)}\n{text}" if text else ""


def _inner(item: models.MergedItem) -> str:
    body = item.body()
    if isinstance(body, models.TextBody):
        return _short(body.content)
    if body is None or isinstance(body, models.MergedMsgBody):
        return f"[{wording.kind(item.msgtype, 'zh')}]"
    return f"[{describe(body) or wording.kind(item.msgtype, 'zh')}]"


def _joined(*parts: str) -> str:
    return _short("，".join(filter(None, parts)))


def _labelled(label: str, value: str) -> str:
    return f"{label} {value}" if value else ""


def _yuan(cents: str) -> str:
    """WeCom gives 分, as text or number."""
    return f"{int(cents) / 100:g} 元" if cents.isdecimal() else cents


def _short(text: str, limit: int = _CARD_CHARS) -> str:
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= limit else f"{one_line[:limit]}…"
