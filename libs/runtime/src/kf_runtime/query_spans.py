"""A span for each slow or failed SQL statement of a traced piece of work, named as in its .sql file.

A message takes about thirty statements of a millisecond: a span for each would cost more than the statement
and bury what matters, so only those over KF_SQL_SPAN_MS (10) have one.

asyncpg reports a statement when it has ended, so the span is made then, with the times it had. Statements
that only frame others (BEGIN, COMMIT, SET) and those of idle polling have none; neither text nor arguments
are kept.
"""

import os
from collections.abc import Mapping
from time import time_ns
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode

tracer = trace.get_tracer("kf_runtime.query_spans")

SLOW_SECONDS = float(os.environ.get("KF_SQL_SPAN_MS") or 10) / 1000
_names: dict[str, str] = {}
_FRAMES = frozenset({"BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "SET", "RESET"})


def register(queries: Mapping[str, str]) -> None:
    """Make statements known by name: name -> SQL text."""
    _names.update({sql: name for name, sql in queries.items()})


def record(query: Any) -> None:
    """Make the span of one ended statement (an asyncpg LoggedQuery), as a child of the current span."""
    if query.elapsed < SLOW_SECONDS and query.exception is None:
        return
    # Not is_recording(): asyncpg calls a moment later, when the surrounding span may have ended.
    if not trace.get_current_span().get_span_context().trace_flags.sampled:
        return
    name = _names.get(query.query) or query.query.split(None, 1)[0].rstrip(";").upper()
    if name in _FRAMES:
        return
    end = time_ns()
    params = query.conn_params
    span = tracer.start_span(
        f"sql {name}",
        kind=SpanKind.CLIENT,
        start_time=end - int(query.elapsed * 1e9),
        attributes={
            "db.system.name": "postgresql",
            "db.namespace": params.database or "",
            "db.query.summary": name,
        },
    )
    if query.exception is not None:
        kind = type(query.exception).__name__
        span.set_attribute("error.type", kind)
        span.set_status(Status(StatusCode.ERROR, kind))
    span.end(end)
