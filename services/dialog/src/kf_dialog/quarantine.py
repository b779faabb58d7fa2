"""Takes out of passages what is meant for a model, not for readers: documents give no orders."""

import re
from typing import NamedTuple

from kf_dialog.sentences import sentences

_COMMENT = re.compile(r"<!--.{0,2000}?(?:-->|\Z)", re.DOTALL)
_TO_THE_MODEL = re.compile(
    r"(?:AI|人工智能|智能|大?模型|客服机器人|聊天机器人|助手|助理|GPT)\s*(?:客服|助手|机器人)?\s*(?:请"
    r"|应当?|必须|需要?|要|不得|读到|看到|注意|[:：，,])"
    r"|[给对致]\s*(?:所有)?\s*(?:AI|人工智能|助手|机器人|大?模型)\s*(?:客服)?\s*的?\s*(?:指令|提示|话|要求"
    r"|命令|留言)"
    r"|(?:忽略|无视|忘记|忘掉|抛开|绕过|取消)[^。\n]{0,8}(?:规则|指令|提示|要求|设定|限制|约束)"
    r"|系统\s*(?:提示词?|指令|公告|消息|设定)|隐藏\s*(?:指令|提示|命令)|提示词"
    r"|(?:告诉|通知|引导|要求|对|向|让)\s*(?:每一?[位个]|所有|任何|全部)\s*(?:的)?\s*(?:客户|用户|顾客|人)"
    r"|(?:告诉|通知|引导|让)\s*(?:客户|用户|顾客)[^。\n]{0,20}(?:加|改拨|拨打|访问|打开|点击|见|http|QQ"
    r"|微信|转账|人工)"
    r"|回答[^。\n]{0,10}(?:时|后|前|里|中|完)\s*[，,]?\s*(?:请|都?要?说|必须|把|将|附|调用|输出|加上|带上"
    r"|声称)"
    r"|从(?:现在|此刻|今)(?:起|开始)[^。\n]{0,4}你|你(?:现在)?(?:必须|的新身份|被授权)"
    r"|(?:调用|执行|运行|call|run|invoke|execute|use)\s+`?[a-z]+_[a-z_]+"
    r"|\b(?:AI|assistant|chatbot|language model)\b\s*[:,，：]"
    r"|\b(?:the\s+)?(?:AI|assistant|chatbot|bot) (?:must|should|shall|will|has to|needs to)\b"
    r"|note to (?:the |any |all )?(?:assistant|AI|model|bot|chatbot)"
    r"|(?:instruction|message)s? (?:for|to) (?:the )?(?:AI|assistant|model|bot)"
    r"|(?:ignore|disregard|forget|override|bypass) (?:all |any |your |the |previous |prior |above "
    r"|earlier )+(?:\w+ )?(?:rules?|instructions?|prompts?|guidelines?|restrictions?)"
    r"|system prompt|(?:repeat|reveal|print|output|show) (?:your|the) (?:system|prompt|instructions|rules)"
    r"|(?:tell|inform|give|send|promise|ask) (?:every|all|each|any) (?:\w+ )?(?:customer|user|people"
    r"|visitor|reader|person|one)|\btell (?:people|customers|users|everyone|them) (?:to|that)\b"
    r"|(?:ask|make|have) (?:the|each|every) (?:customer|user)s? (?:for|to)\b"
    r"|(?:also |then )?(?:add|append|include|insert) (?:this|the following) (?:image|link|url|text|sentence)"
    r"|from now on,? (?:you|answer|reply|respond)|you are (?:now )?(?:an? |the )?\w+ (?:now|from now)"
    r"|you are now\b|(?:answer|reply|respond) only (?:in|with|as)\b|pretend (?:to be|that you)",
    re.IGNORECASE,
)


class Cleaned(NamedTuple):
    """A passage without orders."""

    text: str
    removed: int
    """How many sentences had to go."""


def quarantine(text: str) -> Cleaned:
    """Take out hidden comments and every sentence that tells a model what to do; the rest stays as it is."""
    visible, comments = _COMMENT.subn("", text)
    kept, removed = [], comments
    for sentence in sentences(visible):
        if _TO_THE_MODEL.search(sentence):
            removed += 1
            kept.append("\n" if sentence.endswith("\n") else "")
        else:
            kept.append(sentence)
    return Cleaned("".join(kept).strip(), removed) if removed else Cleaned(text, 0)
