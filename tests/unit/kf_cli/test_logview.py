"""The merged log: JSON lines become readable, everything else passes through, chatter is left out."""

import io

from kf_cli.logview import MergedLog, is_warning, padded, render
from rich.console import Console
from rich.text import Text

LINE = (
    '{"service": "sender", "event": "send.done", "command_id": "c1", "parts": 2, "note": "two words", '
    '"level": "warning", "timestamp": "2026-01-02T03:04:05.678901Z", "trace_id": "ab12", "span_id": "cd"}'
)


def shown(name: str, line: str) -> str | None:
    markup = render(name, line)
    return None if markup is None else Text.from_markup(markup).plain


def test_a_json_line_becomes_time_service_level_event_and_pairs() -> None:
    text = shown("sender-2", LINE)
    assert text is not None
    assert text.split()[1:] == [
        "sender-2", "warning", "send.done", "command_id=c1", "parts=2", 'note="two', 'words"', "trace_id=ab12"
    ]  # fmt: skip
    assert text[2] == text[5] == ":"


def test_raw_lines_pass_through_with_their_brackets() -> None:
    assert (shown("gateway", "boom [/red] [1]") or "").endswith("boom [/red] [1]")
    assert (shown("gateway", '{"not": "a log line"}') or "").endswith('{"not": "a log line"}')
    assert (shown("gateway", '{"broken":') or "").endswith('{"broken":')


def test_a_traceback_follows_its_line_indented() -> None:
    text = shown("dialog", '{"event": "x", "level": "error", "exception": "Traceback\\n  File \\"a\\""}')
    assert text is not None
    assert text.splitlines()[1:] == ["    Traceback", '      File "a"']


def test_embedded_servers_are_heard_only_in_trouble() -> None:
    assert shown("nats", "[1] [INF] Listening") is None
    assert shown("postgres", "LOG:  database system is ready") is None
    assert shown("postgres", "FATAL:  the database system is starting up") is None
    assert "Too slow" in (shown("nats", "[1] [WRN] Too slow") or "")
    assert "disk full" in (shown("postgres", "2026 PANIC:  disk full") or "")


def test_trouble_is_recognised() -> None:
    assert is_warning("sender", LINE)
    assert not is_warning("sender", LINE.replace("warning", "info"))
    assert is_warning("postgres", "FATAL:  lock file exists")
    assert not is_warning("gateway", "some text with ERROR: in it")


def test_until_it_is_open_only_trouble_is_shown() -> None:
    out = io.StringIO()
    log = MergedLog(Console(file=out, width=200))
    log.add("sender", LINE.replace("warning", "info").replace("send.done", "quiet"))
    log.add("sender", LINE.replace("send.done", "loud"))
    log.is_open = True
    log.add("sender", LINE.replace("warning", "info").replace("send.done", "normal"))
    assert "quiet" not in out.getvalue()
    assert "loud" in out.getvalue()
    assert "normal" in out.getvalue()


def test_chinese_takes_two_cells() -> None:
    assert padded("中文", 6) == "中文  "
