"""Cuts a text into sentences and lines, Chinese and English; joined again they are the text."""

import re

_CLOSING = "”’」』）)\\]"
# A half-width mark ends a sentence only where something new begins: v1.2, a?b=c and ![x] go on.
_SENTENCE = re.compile(
    rf"(?:[^。！？\n.!?]|[.!?]+(?![.!?\s{_CLOSING}\u3400-\u9fff]|$))*"
    rf"(?:[。！？]+[{_CLOSING}]*|[.!?]+[{_CLOSING}]*(?:[^\S\n]+|$|(?=[\u3400-\u9fff]))|\n+|$|[.!?])"
)


def sentences(text: str) -> list[str]:
    """The text in pieces that each end with a full stop, a question or exclamation mark, or a line."""
    return [match[0] for match in _SENTENCE.finditer(text) if match[0]]
