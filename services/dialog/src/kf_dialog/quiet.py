"""How long a customer is given to go on typing: after a greeting for long, after a question not."""

import re

from kf_wecom import models

_OPENER = re.compile(
    r"(?:你好|您好|亲|嗨|哈喽|在吗|在不在|有人吗|[早上下晚]午?上?好|打扰一下|有个问题|请问(?:一下)?"
    r"|(?:我?想|麻烦)?(?:问|咨询)一下|hi|hello|hey|excuse me|i have a question"
    r"|good (?:morning|afternoon|evening))"
    r"[\s，,。.!！~～?？啊呀哈]*",
    re.IGNORECASE,
)
_QUESTION = re.compile(r"[?？]\s*$|[吗呢么]\s*[~～。.!！]*$")
_GOES_ON = re.compile(r"(?:[，,、:：;；…]|\.\.\.|还有|另外|and|but|also|然后|就是|因为)\s*$", re.IGNORECASE)
_STOP = re.compile(r"[。.!！]\s*$")

_AFTER_QUESTION, _AFTER_SENTENCE, _AFTER_OPENER, _UNFINISHED, _AFTER_FRAGMENT = 0.6, 0.8, 2.5, 2.0, 1.3
_BEFORE_WORDS = 4.0
"""A picture or a file comes first, the sentence about it seconds later."""
_FRAGMENT_CHARS = 4
_SPEAKS_FOR_ITSELF = frozenset({"voice", "event"})


def seconds_after(item: models.SyncItem, merge: float) -> float:
    """The quiet period after a message, as a share of `merge` seconds, the account's ordinary one."""
    body = item.body if isinstance(item, models.Message) else None
    if isinstance(body, models.TextBody):
        return 0.0 if body.menu_id else merge * _share(body.content.strip())
    return merge if item.msgtype in _SPEAKS_FOR_ITSELF else merge * _BEFORE_WORDS


def _share(text: str) -> float:
    if _OPENER.fullmatch(text):
        return _AFTER_OPENER
    if _QUESTION.search(text):
        return _AFTER_QUESTION
    if _GOES_ON.search(text):
        return _UNFINISHED
    if len(text) <= _FRAGMENT_CHARS:
        return _AFTER_FRAGMENT
    return _AFTER_SENTENCE if _STOP.search(text) else 1.0
