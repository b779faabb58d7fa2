"""The scripted conversations of `kf demo`: who writes what to which account, what a right answer holds."""

from collections.abc import Sequence
from dataclasses import dataclass

PART_BYTES = 2048
"""The most that one text message of WeCom holds, in UTF-8 (doc 94677)."""


@dataclass(frozen=True)
class Answer:
    """What must be true of the messages that answer one step, joined in the order they came."""

    has: tuple[str, ...] = ()
    """All of these, in this order."""
    has_one_of: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    parts: tuple[int, int] = (1, 1)
    """Fewest and most messages."""


@dataclass(frozen=True)
class Step:
    """Messages sent one right after the other, and the answer to all of them together."""

    says: tuple[str, ...]
    answer: Answer
    msgtype: str = "text"
    """For anything else than text, `says` is shown but a body of that type is sent."""


@dataclass(frozen=True)
class Conversation:
    """One customer at one account."""

    nickname: str
    account: str
    shows: str
    steps: tuple[Step, ...]


def faults(answer: Answer, parts: Sequence[str]) -> list[str]:
    """What is wrong with the messages that answered a step; empty when they are right."""
    found = []
    least, most = answer.parts
    if not least <= len(parts) <= most:
        wanted = str(least) if least == most else f"{least} to {most}"
        found.append(f"{len(parts)} messages came, {wanted} expected")
    if len(set(parts)) < len(parts):
        found.append("a message came twice")
    if any(len(part.encode()) > PART_BYTES for part in parts):
        found.append(f"a message is longer than {PART_BYTES} bytes")
    text = "\n".join(parts)
    if not _in_order(answer.has, text):
        found.append(f"the answer does not hold {' … '.join(answer.has)}")
    if answer.has_one_of and not any(words in text for words in answer.has_one_of):
        found.append(f"the answer holds none of: {', '.join(answer.has_one_of)}")
    found += [f"the answer holds {words}" for words in answer.lacks if words in text]
    return found


def _in_order(wanted: Sequence[str], text: str) -> bool:
    position = 0
    for words in wanted:
        position = text.find(words, position)
        if position < 0:
            return False
        position += len(words)
    return True


SHOP, SAAS = "禾屿之家", "云帆表单"

CONVERSATIONS = (
    Conversation(
        "小林",
        SHOP,
        "连发三条，合并成一次回答 / a burst of three messages is one question",
        (Step(("你好", "我想买一台扫地机器人", "X2 Pro 多少钱？"), Answer(has=("2999",))),),
    ),
    Conversation(
        "王姐",
        SHOP,
        "超长回答分段且不乱序 / a long answer comes in parts, in order",
        (
            Step(
                ("请把 X2 Pro 从安装到保养的完整指南发给我",),
                Answer(
                    has=("一、安装", "快速建图", "二、清洁保养", "每月：基站", "保养就完成了"), parts=(2, 4)
                ),
            ),
        ),
    ),
    Conversation(
        "阿杰",
        SHOP,
        "追问靠记忆 / a follow-up that needs memory",
        (
            Step(("扫地机器人 X2 Pro 多少钱？",), Answer(has=("2999",))),
            Step(("那个保修多久？",), Answer(has=("2 年",), lacks=("3 年",))),
        ),
    ),
    Conversation(
        "陈先生",
        SHOP,
        "知识库没有就如实说 / honest about what the knowledge lacks",
        (
            Step(
                ("你们老板的生日是哪一天？",),
                Answer(has_one_of=("没有相关", "没有查到", "未查到", "暂时无法回答"), lacks=("转接",)),
            ),
        ),
    ),
    Conversation(
        "小赵",
        SHOP,
        "同一个问题，这个客服账号 / one question at this account ...",
        (Step(("怎么开发票？",), Answer(has=("订单详情",), lacks=("套餐与账单",))),),
    ),
    Conversation(
        "李会计",
        SAAS,
        "同一个问题，另一个客服账号 / ... and at the other, from its own collection",
        (Step(("怎么开发票？",), Answer(has=("套餐与账单",), lacks=("订单详情",))),),
    ),
    Conversation(
        "小周",
        SHOP,
        "图片看不懂就直说 / a picture gets an honest sentence",
        (Step(("[图片]",), Answer(has=("图片", "文字")), msgtype="image"),),
    ),
)
