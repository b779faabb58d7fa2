"""The sentences we say ourselves, in the customer's language: what we cannot read, when we cannot answer."""

import re
from collections.abc import Iterable
from typing import Literal

Language = Literal["zh", "en"]

_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
_LATIN = re.compile(r"[A-Za-z]{2}")

_KINDS: dict[str, dict[Language, str]] = {
    "image": {"zh": "图片", "en": "picture"},
    "voice": {"zh": "语音", "en": "voice message"},
    "video": {"zh": "视频", "en": "video"},
    "file": {"zh": "文件", "en": "file"},
    "location": {"zh": "位置", "en": "location"},
    "link": {"zh": "链接", "en": "link"},
    "miniprogram": {"zh": "小程序", "en": "mini program"},
    "business_card": {"zh": "名片", "en": "contact card"},
    "merged_msg": {"zh": "聊天记录", "en": "chat record"},
    "channels_shop_product": {"zh": "商品卡片", "en": "product card"},
    "channels_shop_order": {"zh": "订单卡片", "en": "order card"},
    "channels": {"zh": "视频号内容", "en": "channels post"},
}
_OTHER: dict[Language, str] = {"zh": "消息", "en": "message"}

_ASK: dict[Language, str] = {
    "zh": "您发来的{kind}我收到了，但我暂时只能看懂文字。请用文字说明您的问题，我马上为您解答。",
    "en": "I received your {kind}, but I can only read text for now. "
    "Please describe your question in words and I will answer right away.",
}
_BLANK: dict[Language, str] = {
    "zh": "我没有看到文字内容。请用文字告诉我您想咨询的问题。",
    "en": "I could not find any text in your message. Please tell me your question in words.",
}
_APOLOGY: dict[Language, str] = {
    "zh": "非常抱歉，系统暂时繁忙，我现在没能回答您的问题。请过几分钟再发一次，我会继续为您解答。",
    "en": "I am sorry, the system is busy and I could not answer your question just now. "
    "Please send it again in a few minutes and I will help you.",
}


def language_of(texts: Iterable[str]) -> Language:
    """The language of the first text that shows one; Chinese when none does (digits, emoji, pictures)."""
    for text in texts:
        if _HAN.search(text):
            return "zh"
        if _LATIN.search(text):
            return "en"
    return "zh"


def kind(msgtype: str, language: Language) -> str:
    """A word for a kind of message that customers know."""
    return _KINDS.get(msgtype, _OTHER)[language]


def ask_for_text(msgtypes: Iterable[str], language: Language) -> str:
    """We got something but cannot read it; each kind is named once, in order of arrival."""
    kinds = list(dict.fromkeys(kind(msgtype, language) for msgtype in msgtypes if msgtype != "text"))
    if not kinds:
        return _BLANK[language]
    return _ASK[language].format(kind=("和" if language == "zh" else " and ").join(kinds))


def apology(language: Language) -> str:
    """We cannot answer now; promises nothing that nobody will do."""
    return _APOLOGY[language]
