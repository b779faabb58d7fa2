"""What a company would be held to, or what nobody will do: promises, gifts, deeds, colleagues who call."""

import re
from collections.abc import Iterator

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
    r"(?:已|已经|刚刚?)(?:经)?(?:为|帮|给|替)您[^，。？?！!\n]{0,8}?(?:取消|退款|下单|修改|提交|登记|办理"
    r"|申请|发货|开具|预约|更新|记录|反馈|上报|开通|关闭|删除|发送)"
    r"|i(?:'ve| have) (?:just |already )?(?:cancel|refund|submit|order|updat|chang|book|record|report|issu"
    r"|sent|delet|register)",
    re.IGNORECASE,
)
_OFFER = re.compile(
    r"[吗么?？]|如需|如果|若|需要的话|要是|可以(?:为|帮|给)您|是否|\bif\b|would you like|shall i"
    r"|do you want|can (?:also )?",
    re.IGNORECASE,
)


def unknown_promise(sentence: str, known: str) -> bool:
    """True when the sentence grants something of which `known` does not speak; refusing it is no promise."""
    for words in _PROMISES:
        said = any(words.search(clause) and not _DENIAL.search(clause) for clause in _clauses(sentence))
        if said and not words.search(known):
            return True
    return False


def announces_people(sentence: str, known: str = "") -> bool:
    """True when it says that a human is or will be there; an offer or a condition announces nobody.

    What `known` says in the same words is the company's own announcement.
    """
    if _OFFER.search(sentence):
        return False
    plain = "".join(known.split())
    return any("".join(match[0].split()) not in plain for match in _TRANSFER.finditer(sentence))


def claims_a_deed(sentence: str) -> bool:
    """True when it says that something was done for the customer, which only a tool can do."""
    return bool(_DEED.search(sentence)) and not _OFFER.search(sentence)


def _clauses(sentence: str) -> Iterator[str]:
    return (match[0] for match in _CLAUSE.finditer(sentence))
