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
_UNKNOWN: dict[Language, str] = {
    "zh": "抱歉，我没有查到与您的问题相关的信息，不想给您不准确的答复。",
    "en": "I am sorry, I could not find reliable information on your question and do not want to guess.",
}
_SEARCH_DOWN: dict[Language, str] = {
    "zh": "抱歉，我暂时查不到资料，没能回答您的问题。请过几分钟再发一次。",
    "en": "I am sorry, I cannot look things up at the moment. Please send your question again in a while.",
}
_FILTERED: dict[Language, str] = {
    "zh": "抱歉，这个内容我无法回答。请换一种说法，或问我其他问题。",
    "en": "I am sorry, I cannot answer this. Please put it differently, or ask me something else.",
}
_OFFER: dict[Language, str] = {
    "zh": "需要人工客服的话，请回复“转人工”。",
    "en": 'If you would like a human, please reply "human agent".',
}
_SOURCES: dict[Language, str] = {"zh": "来源：", "en": "Source: "}
_CONFIRM: dict[Language, str] = {"zh": "请确认是否执行：{what}", "en": "Please confirm: {what}"}
_CONFIRM_HEAD: dict[Language, str] = {"zh": "确认执行吗？", "en": "Shall I go ahead?"}
_YES_NO: dict[Language, tuple[str, str]] = {"zh": ("确认", "不用了"), "en": ("Confirm", "No, thanks")}
_NOT_DONE: dict[Language, str] = {
    "zh": "好的，没有执行。还有什么可以帮您？",
    "en": "All right, nothing was changed. Is there anything else?",
}
_UNCERTAIN: dict[Language, str] = {
    "zh": "抱歉，系统没有及时确认这次操作是否成功，请勿重复提交，稍后查询结果。",
    "en": "I am sorry, the system did not confirm in time whether this succeeded. "
    "Please do not submit it again; check the result a little later.",
}
_DONE: dict[Language, str] = {"zh": "已提交，系统返回：{what}", "en": "Done. The system says: {what}"}
_GREETING: dict[Language, str] = {
    "zh": "您好，请问有什么可以帮您？",
    "en": "Hello, how can I help you?",
}
_FAREWELL: dict[Language, str] = {
    "zh": "感谢您的咨询，祝您生活愉快！",
    "en": "Thank you for contacting us. Have a nice day!",
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


def unknown(language: Language) -> str:
    """Nothing that was found answers the question."""
    return _UNKNOWN[language]


def search_down(language: Language) -> str:
    """The knowledge cannot be asked now."""
    return _SEARCH_DOWN[language]


def filtered(language: Language) -> str:
    """The provider's filter keeps every answer to this back."""
    return _FILTERED[language]


def offer(language: Language) -> str:
    """How to get a human; the reply it asks for is understood as that wish."""
    return _OFFER[language]


def sources(titles: Iterable[str], language: Language) -> str:
    """The line that names what an answer rests on."""
    return _SOURCES[language] + ("、" if language == "zh" else "; ").join(titles)


def confirm(what: str, language: Language) -> str:
    """Asks whether something may be changed."""
    return _CONFIRM[language].format(what=what)


def confirm_head(language: Language) -> str:
    """Stands above the two lines to tap."""
    return _CONFIRM_HEAD[language]


def yes_no(language: Language) -> tuple[str, str]:
    """The two lines to tap."""
    return _YES_NO[language]


def not_done(language: Language) -> str:
    """The customer did not consent."""
    return _NOT_DONE[language]


def uncertain(language: Language) -> str:
    """Nobody can say whether the change took place."""
    return _UNCERTAIN[language]


def done(what: str, language: Language) -> str:
    """The change took place, in the words of the company's system."""
    return _DONE[language].format(what=what)


def greeting(language: Language) -> str:
    """Answers a greeting."""
    return _GREETING[language]


def farewell(language: Language) -> str:
    """The last words of a session."""
    return _FAREWELL[language]
