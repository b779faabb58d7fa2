"""A finished span as the dashboard keeps it, and the terms by which it is found."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple, TypeAlias

Value: TypeAlias = "str | bool | int | float | list[Value] | dict[str, Value] | None"

# Families whose values are looked up by people and tests; the others are found by reading the spans.
INDEXED_PREFIXES = ("kf.", "messaging.", "gen_ai.", "rpc.", "http.", "error.")
MAX_TERM_CHARS = 200


class Event(NamedTuple):
    """Something that happened inside a span, at a Unix time in nanoseconds."""

    name: str
    time_ns: int
    attributes: Mapping[str, Value]


class Link(NamedTuple):
    """A pointer to a span that caused this one without being its parent; ids in lower-case hex."""

    trace_id: str
    span_id: str
    attributes: Mapping[str, Value]


class Span(NamedTuple):
    """One finished span: ids in lower-case hex, times in Unix nanoseconds, an empty parent for a root.

    kind is internal, server, client, producer or consumer; status is unset, ok or error.
    """

    trace_id: str
    span_id: str
    parent_span_id: str
    name: str
    service: str
    kind: str
    start_ns: int
    end_ns: int
    status: str
    status_message: str
    scope: str
    resource: Mapping[str, Value]
    attributes: Mapping[str, Value]
    events: tuple[Event, ...]
    links: tuple[Link, ...]


def is_indexed(key: str) -> bool:
    """Whether values of this attribute key have terms."""
    return key.startswith(INDEXED_PREFIXES)


def terms(attributes: Mapping[str, Value]) -> Iterator[tuple[str, str]]:
    """Yield (key, value as text) for each indexed scalar; a list yields one term per element."""
    for key, value in attributes.items():
        if is_indexed(key):
            for scalar in value if isinstance(value, list) else (value,):
                text = _text(scalar)
                if 0 < len(text) <= MAX_TERM_CHARS:
                    yield key, text


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None or isinstance(value, list | dict) else str(value)
