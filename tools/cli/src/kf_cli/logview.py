"""The merged log: one readable line for each JSON line of a service, everything else as it came."""

import json
import re
from datetime import datetime
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape

_STYLE = {"debug": "dim", "info": "", "warning": "yellow", "error": "red", "critical": "bold red"}
_SHOWN_FIRST = {"timestamp", "service", "level", "event"}
_LEFT_OUT = {"span_id", "exception"}
# nats-server and PostgreSQL say much at every start; what matters carries one of these.
_SEVERE = re.compile(r"\[(WRN|ERR|FTL)\]|\b(WARNING|ERROR|FATAL|PANIC):")
_QUIET_NAMES = ("nats", "postgres")
# What PostgreSQL answers to our own question whether it is ready yet.
_EXPECTED = "the database system is starting up"


def render(name: str, line: str) -> str | None:
    """One line as rich markup, or None when it is the chatter of an embedded server."""
    record = _record(line)
    if record is None:
        if name in _QUIET_NAMES and not _is_severe(line):
            return None
        return f"[dim]{'':8}[/] [cyan]{name:<12}[/] {escape(line)}"
    level = str(record.get("level", "info")).lower()
    style = _STYLE.get(level, "")
    head = f"[dim]{_clock(record)}[/] [cyan]{name:<12}[/] "
    event = escape(f"{level:<7} {record.get('event', '')}")
    text = head + (f"[{style}]{event}[/]" if style else event) + _pairs(record)
    if "exception" in record:
        text += "\n" + escape("\n".join(f"    {part}" for part in str(record["exception"]).splitlines()))
    return text


def is_warning(name: str, line: str) -> bool:
    """Whether a line tells of trouble."""
    record = _record(line)
    if record is None:
        return name in _QUIET_NAMES and _is_severe(line)
    return str(record.get("level", "")).lower() in ("warning", "error", "critical")


class MergedLog:
    """The lines of all children on one console; until it is open, only those that tell of trouble."""

    def __init__(self, console: Console) -> None:
        self.is_open = False
        self._console = console

    def add(self, name: str, line: str) -> None:
        """One line of one child."""
        if not (self.is_open or is_warning(name, line)):
            return
        text = render(name, line)
        if text is not None:
            self._console.print(text, soft_wrap=True, highlight=False)


def plain(text: object) -> str:
    """Any text as rich markup that shows just that text."""
    return escape(str(text))


def padded(text: str, width: int) -> str:
    """Text filled up to a width in terminal cells: a Chinese character takes two."""
    return text + " " * max(0, width - cell_len(text))


def _is_severe(line: str) -> bool:
    return _SEVERE.search(line) is not None and _EXPECTED not in line


def _record(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) and "event" in record else None


def _clock(record: dict[str, Any]) -> str:
    try:
        moment = datetime.fromisoformat(str(record["timestamp"]))
    except (KeyError, ValueError):
        return " " * 8
    return moment.astimezone().strftime("%H:%M:%S")


def _pairs(record: dict[str, Any]) -> str:
    rest = {key: value for key, value in record.items() if key not in _SHOWN_FIRST | _LEFT_OUT}
    # The trace id is long and rarely read: last and pale.
    trace_id = rest.pop("trace_id", None)
    text = escape("".join(f" {key}={_value(value)}" for key, value in rest.items()))
    return text + (f" [dim]trace_id={escape(str(trace_id))}[/]" if trace_id else "")


def _value(value: Any) -> str:
    if isinstance(value, str) and value and not re.search(r'[\s"=]', value):
        return value
    return json.dumps(value, ensure_ascii=False)
