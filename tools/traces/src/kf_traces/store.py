"""The span store: one SQLite file that keeps the newest traces within a size."""

import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from importlib.resources import files
from itertools import chain
from pathlib import Path
from typing import Any

from kf_traces.journey import facts
from kf_traces.search import TraceFilter, like_patterns, read_words
from kf_traces.span import Span, is_indexed, terms

_SQL = files("kf_traces") / "sql"
_MIGRATIONS = ("0001_traces.sql", "0002_journeys.sql", "0003_list_rows.sql")
_DROP_STEP = 100


def _named_queries(text: str) -> dict[str, str]:
    parts = re.split(r"^-- name: (\w+)\n", text, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


_QUERIES = _named_queries((_SQL / "queries.sql").read_text("utf-8"))


class Store:
    """Spans on disk, oldest traces dropped beyond max_bytes.

    add, clear and close belong to one writing thread; the reading methods may run on any thread beside it.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.max_bytes = max_bytes
        self._path = path
        self._writer = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30)
        # NORMAL: a power cut may lose the last seconds of traces but never damages the file.
        self._writer.executescript(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;"
            "PRAGMA journal_size_limit = 16777216;"
        )
        self._migrate()

    def _migrate(self) -> None:
        (version,) = self._writer.execute("PRAGMA user_version").fetchone()
        for number, name in enumerate(_MIGRATIONS[version:], start=version + 1):
            script = (_SQL / name).read_text("utf-8")
            self._writer.executescript(f"BEGIN; {script}; PRAGMA user_version = {number}; COMMIT;")

    def close(self) -> None:
        """Close the writing connection."""
        self._writer.close()

    # -- writing --------------------------------------------------------------------------------

    def add(self, spans: Sequence[Span]) -> None:
        """Store spans in one transaction, repeats ignored; then drop the oldest traces beyond the size."""
        with self._undone_on_error():
            self._writer.execute("BEGIN IMMEDIATE")
            self._add_all(spans)
            self._writer.execute("COMMIT")
        self._drop_beyond_size()

    @contextmanager
    def _undone_on_error(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            # A full disk makes SQLite roll back by itself.
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            raise

    def _add_all(self, spans: Sequence[Span]) -> None:
        traces = {trace_id: self._trace_key(trace_id) for trace_id in {span.trace_id for span in spans}}
        resources: dict[int, int] = {}
        for span in spans:
            # One parsed resource is shared by all spans of its export.
            resource = resources.get(id(span.resource))
            if resource is None:
                resource = resources[id(span.resource)] = self._resource_key(span)
            self._add_span(span, traces[span.trace_id], resource)

    def _trace_key(self, trace_id: str) -> int:
        self._writer.execute(_QUERIES["add_trace"], (trace_id,))
        return int(self._writer.execute(_QUERIES["trace_key"], (trace_id,)).fetchone()[0])

    def _resource_key(self, span: Span) -> int:
        attributes = _json(span.resource)
        self._writer.execute(_QUERIES["add_resource"], (attributes,))
        return int(self._writer.execute(_QUERIES["resource_key"], (attributes,)).fetchone()[0])

    def _add_span(self, span: Span, trace: int, resource: int) -> None:
        row = (
            *(trace, span.span_id, span.parent_span_id, span.name, span.service, span.kind),
            *(span.start_ns, span.end_ns, span.status, span.status_message, span.scope, resource),
            *(_json(span.attributes), _json([event._asdict() for event in span.events])),
            _json([link._asdict() for link in span.links]),
        )
        cursor = self._writer.execute(_QUERIES["add_span"], row)
        if not cursor.rowcount:
            return
        found = chain(terms(span.attributes), *(terms(event.attributes) for event in span.events))
        self._writer.executemany(
            _QUERIES["add_term"], ((cursor.lastrowid, trace, key, value) for key, value in found)
        )
        self._writer.executemany(
            _QUERIES["add_link"], ((trace, span.span_id, link.trace_id, link.span_id) for link in span.links)
        )
        for query, parameters in facts(span):
            self._writer.execute(_QUERIES[query], {"trace": trace, **parameters})

    def refresh(self, limit: int = 500) -> bool:
        """Make the list's rows of some changed traces anew; True when there are more."""
        with self._undone_on_error():
            self._writer.execute("BEGIN IMMEDIATE")
            (traces,) = self._writer.execute(_QUERIES["some_stale"], (limit,)).fetchone()
            self._writer.execute(_QUERIES["refresh_rows"], {"traces": traces})
            self._writer.execute(_QUERIES["forget_stale"], {"traces": traces})
            self._writer.execute("COMMIT")
        return bool(self._writer.execute(_QUERIES["is_stale"]).fetchone()[0])

    def _drop_beyond_size(self) -> None:
        if self.used_bytes() <= self.max_bytes:
            return
        # Down to 90 %, so that not every batch has to drop again.
        while self.used_bytes() > self.max_bytes * 9 // 10:
            if not self._writer.execute(_QUERIES["drop_oldest"], (_DROP_STEP,)).rowcount:
                return

    def used_bytes(self) -> int:
        """Size of what is stored, free pages of the file not counted."""
        return int(self._writer.execute(_QUERIES["used_bytes"]).fetchone()[0])

    def clear(self) -> None:
        """Forget every trace."""
        with self._undone_on_error():
            self._writer.executescript(f"BEGIN IMMEDIATE; {_QUERIES['drop_all']} COMMIT;")

    # -- reading --------------------------------------------------------------------------------

    def _read(self, query: str, parameters: Sequence[Any] | dict[str, Any] = ()) -> list[sqlite3.Row]:
        # A connection for each call: opening takes 0.1 ms and needs no rule about threads.
        with closing(
            sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro", uri=True, timeout=30)
        ) as connection:
            connection.row_factory = sqlite3.Row
            return connection.execute(_QUERIES[query], parameters).fetchall()

    def list_traces(self, wanted: TraceFilter) -> list[sqlite3.Row]:
        """Rows of matching traces as they were last refreshed, newest first.

        A word that equals an id or an indexed value matches exactly; any other word is looked for everywhere.
        """
        words = read_words(wanted.text)
        known = [word for word in words.free if self._is_known(word)]
        return self._read(
            "list_traces",
            {
                "service": wanted.service,
                "account": wanted.account,
                "unanswered": wanted.unanswered,
                "status": wanted.status,
                "min_ns": wanted.min_ns,
                "before": wanted.before,
                "limit": wanted.limit,
                "values": _json(known),
                "pairs": _json([pair for pair in words.pairs if is_indexed(pair[0])]),
                "scanned_pairs": _json([pair for pair in words.pairs if not is_indexed(pair[0])]),
                "patterns": _json(like_patterns(word for word in words.free if word not in known)),
            },
        )

    def _is_known(self, word: str) -> bool:
        return bool(self._read("is_known_value", {"value": word})[0][0])

    def trace_spans(self, trace_id: str) -> list[sqlite3.Row]:
        """All spans of one trace by start time; empty when there is no such trace."""
        return self._read("trace_spans", (trace_id,))

    def related_traces(self, trace_id: str) -> list[sqlite3.Row]:
        """Rows of the traces that this one links to, or that link to it."""
        return self._read("related_traces", {"trace_id": trace_id})

    def spans_with(self, key: str, value: str, limit: int) -> list[sqlite3.Row]:
        """Spans whose attribute has this value (compared as text), newest first; indexed keys are fast."""
        query = "spans_by_term" if is_indexed(key) else "spans_by_scan"
        return self._read(query, {"key": key, "value": value, "limit": limit})

    def services(self) -> list[sqlite3.Row]:
        """Every service's name and the number of its traces."""
        return self._read("services")

    def accounts(self) -> list[sqlite3.Row]:
        """Every open_kfid and the number of its traces, busiest first."""
        return self._read("accounts")

    def totals(self) -> tuple[int, int, int]:
        """Number of traces, number of spans, bytes used."""
        traces, spans = self._read("totals")[0]
        return traces, spans, self._read("used_bytes")[0][0]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
