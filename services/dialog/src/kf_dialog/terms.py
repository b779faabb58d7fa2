"""The words of a text that carry its meaning: Latin words and pairs of Chinese characters."""

import re
from collections.abc import Iterable

_HAN_RUN = re.compile(r"[\u3400-\u9fff]+")
_WORD = re.compile(r"[a-z0-9]+(?:[.\-][a-z0-9]+)*")
_EMPTY_WORDS = frozenset(
    re.findall(
        r"\w+",
        "a an the is are was were be do does did i you we it they to of in on for and or my your our can "
        "could how what when where which who please this that with at from will would me if as not no yes "
        "have has there here so but by all any",
    )
)
_EMPTY_SIGNS = re.compile(
    "您好|你好|请问|可以|我们|您的|如果|需要|或者|以及|因此|所以|因为|关于|根据|的话|一下|还有|就是|这个"
    "|那个|抱歉|谢谢|感谢|[的了吗呢吧啊呀嘛哦和与或及在是有把被就都也还又很会要请您你我它这那哪]"
)
_LEAST_STEM = 4


def terms(text: str) -> frozenset[str]:
    """Words without those that say nothing and without the plural's s; pairs of characters within a run."""
    text = text.lower()
    words = (_stem(word) for word in _WORD.findall(text) if word not in _EMPTY_WORDS)
    return frozenset([*words, *_pairs(_HAN_RUN.findall(_EMPTY_SIGNS.sub(" ", text)))])


def same_script(said: frozenset[str], known: frozenset[str]) -> bool:
    """True when both are mostly Chinese or both mostly Latin: else words cannot be compared."""
    return _is_han(said) == _is_han(known)


def _is_han(words: frozenset[str]) -> bool:
    return 2 * sum(1 for word in words if not word.isascii()) >= len(words)


def _stem(word: str) -> str:
    return word[:-1] if len(word) >= _LEAST_STEM and word.endswith("s") else word


def _pairs(runs: Iterable[str]) -> Iterable[str]:
    for run in runs:
        yield from (run[at : at + 2] for at in range(len(run) - 1))
