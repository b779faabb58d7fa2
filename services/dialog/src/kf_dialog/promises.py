"""What a company would be held to, or what nobody will do: promises, gifts, deeds, colleagues who call."""

import re
from collections.abc import Iterator

from kf_dialog.sentences import sentences
from kf_dialog.terms import same_script, terms

# Words of one promise in both languages: the passage may say it in the other one.
_PROMISES = [
    re.compile("|".join(words), re.IGNORECASE)
    for words in (
        (r"免费|不收费|不要钱|不用付|无需付|免单|free of charge|for free|\bfree\b|no charge|complimentary",),
        (r"赔偿|赔付|补偿|假一赔|退一赔|compensat|reimburse",),
        (r"赠送|赠品|送您|送你|送一|礼品|giveaway|\bgift|bonus",),
        (
            r"折扣|打折|[0-9一二三四五六七八九]折|优惠|立减|满减|代金券|红包|discount|coupon|voucher|% off",
            r"promo code",
        ),
        (r"退款|退钱|全退|refund|money back",),
        (r"保证|承诺|担保|一定能|百分之百|guarantee|we promise|100 ?%",),
        (r"包邮|免运费|免邮|free shipping|free delivery",),
        (r"破例|特批|例外处理|特殊处理|make an exception|special approval",),
        (r"终身|永久|无限期|lifetime|forever|unlimited",),
    )
]
_NAMED = re.compile(
    r"免费(?:版|套餐|用户|账号)|\bfree (?:plan|tier|version|edition|account|user)s?\b", re.IGNORECASE
)
_DENIAL = re.compile(
    r"不|没|无法|未|抱歉|谢绝|暂无|除外|\bnot?\b|n't\b|cannot|unable|unfortunately|sorry|without",
    re.IGNORECASE,
)
_CLAUSE = re.compile(r"[^，,；;。！？!?\n]+")
_TRANSFER = re.compile(
    r"(?:已|正在|正|马上|这就|立即|现在|稍后|会|将)[经就为会]{0,2}(?:为|帮|给|替"
    r"|把)您?[^，。？?！!\n]{0,6}?(?:转接|转给|转到|转人工|接通|联系|安排|通知)"
    r"|(?:专员|同事|客服|人工|工作人员|技术人员|经理|主管|销售)[^，。？?！!\n]{0,8}?(?:会|将|马上|稍后"
    r"|尽快)[^，。？?！!\n]{0,8}?(?:联系|回电|回复|致电|跟进|处理|接待)"
    r"|(?:会|将)(?:有|安排|派)[^，。？?！!\n]{0,4}(?:专员|同事|客服|人工|人员"
    r"|人)[^，。？?！!\n]{0,8}(?:联系|回电|回复|致电|跟进|处理|接待)"
    r"|(?:transferring|connecting|escalating|forwarding) (?:you|this|your)"
    r"|i(?:'ve| have|'ll| will|'m going to| am going to)? (?:transfer|connect|escalat|forward"
    r"|notif)\w* (?:you|this|your|the)"
    r"|(?:colleague|agent|specialist|representative|team|someone|manager)\b[^.?!\n]{0,20}? (?:will"
    r"|'ll) (?:contact|call|reach|follow|get back|email|be with)",
    re.IGNORECASE,
)
_DEED = re.compile(
    r"(?:已|已经|刚刚?)(?:为|帮|给|替)您(?!查|找|整理|列|说明|解释|准备|了解|介绍)"
    r"|(?:账[号户]|订单|会话|密码|地址|套餐|价格|退款|预约|发票|申请|工单)[^，。？?！!\n]{0,6}?已经?(?:被"
    r"|成功)?"
    r"(?:注销|删除|取消|结束|修改|重置|关闭|退回|开通|升级|生效|改|提交|登记|受理|开具)"
    r"|i(?:'ve| have) (?:just |already )?(?:cancel|refund|submit|order|updat|chang|book|record|report|issu"
    r"|sent|delet|register|upgrad|activat|clos|reset)",
    re.IGNORECASE,
)
_DONE = re.compile(r"已经?(?:被|成功|为您)?[^，。？?！!\n]{2}")
_SECRET = re.compile(
    r"(?:发|告诉|提供|回复|报|说|交)[^，。？?！!\n]{0,6}(?:给)?(?:我|客服|这里)[^，。？?！!\n]{0,12}(?:密码"
    r"|验证码|身份证|银行卡)"
    r"|(?:密码|验证码|身份证号?码?|银行卡号?)[^，。？?！!\n]{0,8}(?:发|告诉|提供|回复|报|说|交)(?:给)?(?:到"
    r"|过来|我|客服|一下)"
    r"|(?:send|tell|give|share|provide|confirm)\b[^.?!\n]{0,20}\b(?:me|us)\b[^.?!\n]{0,20}"
    r"(?:password|passcode|verification code|otp|pin\b|card number|cvv)"
    r"|(?:send|tell|give|share) (?:your|the) (?:password|passcode|verification code|otp|card number|cvv)",
    re.IGNORECASE,
)
_NEVER = re.compile(r"不要|请勿|切勿|勿|别|不会|不得|never|don't|do not|not", re.IGNORECASE)
_RUDE = re.compile(
    r"蠢|笨蛋|白痴|傻[逼瓜子]|滚(?:蛋|开)|闭嘴|有病|废物|垃圾人|stupid|idiot|moron|dumb\b|shut up|loser",
    re.IGNORECASE,
)
_OFFER = re.compile(
    r"[吗么?？]|如需|如果|若|需要的话|要是|可以(?:为|帮|给)您|是否|\bif\b|would you like|shall i"
    r"|do you want|can (?:also )?",
    re.IGNORECASE,
)


def unknown_promise(sentence: str, known: str) -> bool:
    """True when the sentence grants something that `known` does not grant; refusing it is no promise."""
    for words in _PROMISES:
        for clause in map(_unnamed, _clauses(sentence)):
            # 不要钱 denies nothing.
            granted = words.search(clause) and not _DENIAL.search(words.sub(" ", clause))
            if granted and not _granted(words, clause, known):
                return True
    return False


def _granted(words: re.Pattern[str], clause: str, known: str) -> bool:
    """True when a sentence of `known` promises the same of the same thing: 免费版 makes nothing else free."""
    about = terms(words.sub(" ", clause))
    for sentence in sentences(_unnamed(known)):
        if words.search(sentence):
            there = terms(sentence)
            if not about or about & there or not same_script(about, there):
                return True
    return False


def _unnamed(text: str) -> str:
    """The text without names of things that are free: a free plan makes nothing else free."""
    return _NAMED.sub(" ", text)


def announces_people(sentence: str, known: str = "") -> bool:
    """True when it says that a human is or will be there; an offer or a condition announces nobody.

    What `known` says in the same words is the company's own announcement.
    """
    if _OFFER.search(sentence):
        return False
    plain = "".join(known.split())
    return any("".join(match[0].split()) not in plain for match in _TRANSFER.finditer(sentence))


def claims_a_deed(sentence: str, known: str = "") -> bool:
    """True when it says that something was done for the customer, which only a tool can do or report."""
    match = _DEED.search(sentence)
    if match is None or _OFFER.search(sentence):
        return False
    done = _DONE.search(sentence)
    return done is None or "".join(done[0].split()) not in "".join(known.split())


def asks_for_a_secret(sentence: str) -> bool:
    """True when the customer is asked to hand us a password or the like, which no company does."""
    return _SECRET.search(sentence) is not None and not _NEVER.search(sentence)


def is_rude(sentence: str) -> bool:
    """True for abuse."""
    return _RUDE.search(sentence) is not None


def _clauses(sentence: str) -> Iterator[str]:
    return (match[0] for match in _CLAUSE.finditer(sentence))
