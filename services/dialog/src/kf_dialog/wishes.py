"""What a customer wants of us rather than of the knowledge: a human, to be heard in anger, to go."""

import re
from collections.abc import Iterable, Sequence

from kf_dialog.accounts import Account
from kf_dialog.conversation import Exchange, Handover, HandoverReason

_HUMAN = re.compile(
    r"转\s*(?:接|到|给|成)?\s*(?:一下)?\s*(?:个|一个)?\s*(?:人工|真人|客服|专员|坐席)"
    r"|人工\s*(?:客服|服务|坐席|座席|处理|帮)"
    r"|(?:找|要|叫|换|喊|接|来|派|让|联系|我想要?|给我)\s*(?:一下)?\s*(?:你们?的?|贵司|个|一个|位"
    r"|一位)?\s*(?:人工|真人|活人|客服(?:人员|小姐姐|专员)|经理|主管|领导|负责人|老板|值班人员|工作人员"
    r"|人(?:来)?(?:聊|谈|说|沟通|处理|解决|回复|接待))"
    r"|(?:跟|和|与)\s*(?:你们?的?|个)?\s*(?:人工|真人|活人|客服人员|人类|大活人)"
    r"|(?:不想?要?|别|不跟|不和)\s*(?:再)?(?:跟|和|用|给我)?\s*(?:个)?(?:机器人?|智能客服|ai"
    r"|自动回复)\s*(?:聊|说|谈|回复|对话|了)?|没有人吗|有没有人工|有人工吗|能不能来个人|来个人"
    r"|^\s*(?:人工|真人|活人|客服)\s*[!！。.~～?？]*\s*$"
    r"|(?:speak|talk|chat|connect|transfer|switch|escalate)\w*\s+(?:me\s+)?(?:directly\s+)?(?:to"
    r"|with)\s+(?:an?|the|your|some|any)?\s*(?:actual\s+|real\s+|live\s+|human\s+)*(?:human|person|people"
    r"|someone|somebody|agent|representative|rep|manager|supervisor|operator|staff)"
    r"|(?:real|actual|live)\s+(?:person|human|agent|people)"
    r"|human\s+(?:agent|support|service|being|help|please|operator)|customer service rep"
    r"|(?:want|need|get me|give me|like|have)\s+(?:to have\s+)?(?:an?\s+|the\s+|your\s+|some\s+)?(?:human"
    r"|agent|representative|manager|supervisor|operator|real one)\b"
    r"|(?:not|no|stop|don'?t want)\s+(?:talking to\s+|with\s+|more\s+)?(?:a\s+|this\s+|the\s+)?(?:bot|robot"
    r"|machine)s?\b|^\s*(?:human|agent|operator|representative)\s*[!.?]*\s*$",
    re.IGNORECASE,
)
_NOT_HUMAN = re.compile(
    r"(?:不用|不要|不需要|无需|别|先不|不必|不想)\s*(?:再|给我|帮我)?\s*(?:转接?|找|接|叫|要)?\s*(?:到"
    r"|给)?\s*(?:人工|真人|客服)"
    r"|人工\s*(?:智能|费|成本|合成|草坪|降|呼吸|授粉|养殖|湖)"
    r"|(?:是|算)\s*(?:真人|人工|机器人)\s*(?:吗|还是|么|客服吗|\?|？)|是不是\s*(?:真人|人工|机器人)"
    r"|人工(?:客服|服务)?\s*(?:是|在|的)?\s*(?:几点|什么时候|什么时间|工作时间|上班|下班|在线时间|电话|多少)"
    r"|(?:几点|什么时候|什么时间)[^。？?]{0,8}人工"
    r"|\b(?:don'?t|do not|no)\s+(?:need|want|have to)\s+(?:to (?:speak|talk) (?:to|with)\s+)?(?:an?\s+"
    r"|any\s+)?(?:human|agent|person|representative)"
    r"|are you (?:an?\s+)?(?:human|real|bot|robot|ai)|human (?:resources|hair|rights)"
    r"|(?:when|what time|hours)\b.{0,40}\b(?:human|agent)s?\b",
    re.IGNORECASE,
)
_ANGRY = re.compile(
    r"投诉|举报|曝光|12315|消协|工商局|市场监管|起诉|律师|法院|报警|维权|骗子|骗人|欺骗|诈骗|忍无可忍|气死"
    r"|气炸|火大|恶心|无语死|滚(?:蛋|开|远点|犊子)|(?:快|给我)滚|^\s*滚\s*[!！。]*$|垃圾(?:服务|客服|公司|店|产品|东西|平台|软件|系统)"
    r"|(?:太|真|什么)\s*(?:垃圾|烂|坑人?|差劲|过分|离谱|恶劣|敷衍)|(?:你|他)妈|傻[逼b叉]|脑残|智障|废物"
    r"|王八蛋|混蛋|sb\b"
    r"|\b(?:scam|fraud|ridiculous|unacceptable|outrageous|disgusting|pathetic|furious|lawsuit|lawyer"
    r"|attorney|sue you|report you|complain(?:t|ing)?|worst (?:service|company|support|experience)"
    r"|terrible (?:service|support|experience)|fed up|piece of (?:crap|shit|junk)|bullshit|fuck\w*|wtf)\b",
    re.IGNORECASE,
)
_NOT_ANGRY = re.compile(
    r"(?:怎么|如何|哪里|在哪|可以|能)\s*(?:进行)?\s*(?:投诉|举报)(?:吗|建议)?\s*[?？]?\s*$"
    r"|投诉(?:率|电话|渠道|入口)|垃圾(?:分类|桶|袋|箱|邮件|短信)|防骗|会不会被骗|是不是骗子"
    r"|how (?:do|can|to)\b.{0,30}\bcomplaint|complaints? (?:policy|process|department|channel)|spam",
    re.IGNORECASE,
)
_STUCK = re.compile(
    r"答非所问|没(?:有)?(?:回答|解决|明白|听懂|看懂|理解)|不是(?:我)?(?:问|想问|要问)的|听不懂|看不懂"
    r"|你(?:根本|到底|完全)?(?:不|没)(?:懂|明白|理解)|还是(?:不行|没用|不对|没解决|不能)|说了(?:等于)?没说"
    r"|(?:说|问)了?(?:好)?几遍|(?:第)?[三四五六3-6][次遍]了|没用|鸡同鸭讲|车轱辘话"
    r"|(?:not|n't) (?:what i (?:asked|meant)|helpful|helping|answer(?:ing)?|understand(?:ing)?)"
    r"|(?:still|again) (?:not|doesn'?t|does not|isn'?t|no)|you (?:keep|already) (?:saying|said|repeat)"
    r"|useless|makes no sense|(?:third|3rd|fourth) time",
    re.IGNORECASE,
)
_YES = re.compile(
    r"(?:好的?|可以|行|要|要的|需要|是的?|嗯+|对|麻烦了?|帮我转|转吧?|转一下|那就转吧?|好吧|ok(?:ay)?|yes"
    r"|yeah|yep|sure|please|yes,? please|please do|go ahead)[\s，,。.!！~～了啊呀吧您你谢谢]*",
    re.IGNORECASE,
)
_GOODBYE = re.compile(
    r"再见|拜拜|8{2,3}\b|没有?(?:别的|其他|什么)?(?:问题|事)了|没了|不用了|就这样|先这样"
    r"|结束(?:会话|对话|服务)?|谢谢|感谢"
    r"|\b(?:bye|goodbye|see you|that'?s (?:all|it)|nothing else|no more questions|thank(?:s| you)"
    r"|end (?:the )?(?:chat|session))\b",
    re.IGNORECASE,
)
_OFFERED = re.compile(
    r"[^。！？!?\n]{0,40}(?:人工|human|colleague)[^。！？!?\n]{0,60}[。！？!?.]?\s*$", re.IGNORECASE
)


def wish_for_human(text: str, account: Account, history: Sequence[Exchange]) -> Handover | None:
    """Why this message goes to a human before anything is looked up; None when it does not.

    text: all that the customer wrote in this turn, a message per line.
    """
    lines = text.splitlines()
    if any(wants_human(line, account.handover.words) for line in lines):
        return Handover(HandoverReason.WISH)
    if history and accepts_offer(text, history[-1].reply):
        return Handover(HandoverReason.WISH)
    if topic := reserved_topic(text, account):
        return Handover(HandoverReason.POLICY, topic=topic)
    if any(map(is_angry, lines)):
        return Handover(HandoverReason.ANGER)
    stuck_again = len(history) > 1 and is_stuck(text) and is_stuck(history[-1].question)
    return Handover(HandoverReason.FAILURE) if stuck_again else None


def wants_human(text: str, words: Iterable[str] = ()) -> bool:
    """True when the text asks for a person; `words`: what an account counts as such a wish.

    Asking when people work, whether this is one, or declining one is no wish.
    """
    if _NOT_HUMAN.search(text):
        return False
    lowered = text.lower()
    # A short word such as 人工 inside a long sentence is a subject, not a wish.
    named = any(word.lower() in lowered for word in words if len(word) > 2 or len(text) <= 8)
    return named or _HUMAN.search(text) is not None


def is_angry(text: str) -> bool:
    """True for abuse, threats and complaints; asking how to complain is a question."""
    return _ANGRY.search(text) is not None and not _NOT_ANGRY.search(text)


def is_stuck(text: str) -> bool:
    """True when the customer says that our answers do not help."""
    return _STUCK.search(text) is not None


def accepts_offer(text: str, last_reply: str) -> bool:
    """True when the reply before this message ended with the offer of a human, and this says yes."""
    return _YES.fullmatch(text.strip()) is not None and _OFFERED.search(last_reply.strip()) is not None


def says_goodbye(text: str) -> bool:
    """True when the newest line takes leave or says that nothing is left to ask."""
    lines = [line for line in text.splitlines() if line.strip()]
    return bool(lines) and _GOODBYE.search(lines[-1]) is not None


def reserved_topic(text: str, account: Account) -> str:
    """The name of the reserved topic the text touches; empty when it touches none."""
    lowered = text.lower()
    for topic in account.topics.reserved:
        if any(word.lower() in lowered for word in topic.words):
            return topic.name
    return ""
