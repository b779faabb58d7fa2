"""Structured logs: JSON on standard output with trace ids, a console form, daily files on request."""

import datetime as dt
import hashlib
import logging
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import structlog
from opentelemetry import trace
from structlog.typing import EventDict, Processor, WrappedLogger
from typing_extensions import override

_KEEP_DAYS = 14
# Their INFO lines hold whole URLs, and WeCom's access token is part of the URL.
_QUIET = ("httpx", "httpx2", "httpcore", "httpcore2", "openai", "asyncio", "nats", "grpc", "uvicorn.access")


def hashed(customer_id: str) -> str:
    """A customer's id as it may appear in logs and spans: 12 hex digits of SHA-256, empty stays empty."""
    return hashlib.sha256(customer_id.encode()).hexdigest()[:12] if customer_id else ""


class DailyFileHandler(logging.Handler):
    """Appends lines to `<prefix>_YYYYMMDD.log`, a new file each local day, and keeps the newest 14.

    Several processes may share the folder: each line is one write to a file opened for appending.
    """

    def __init__(self, folder: Path, prefix: str) -> None:
        super().__init__()
        self._folder, self._prefix = folder, prefix
        self._day, self._stream = "", None  # type: tuple[str, TextIO | None]
        folder.mkdir(parents=True, exist_ok=True)

    @override
    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._today().write(self.format(record) + "\n")
        except OSError:
            self.handleError(record)

    @override
    def close(self) -> None:
        if self._stream:
            self._stream.close()
            self._stream = None
        super().close()

    def _today(self) -> TextIO:
        day = dt.datetime.now().astimezone().strftime("%Y%m%d")
        if self._stream is None or day != self._day:
            if self._stream:
                self._stream.close()
            self._day = day
            self._stream = (self._folder / f"{self._prefix}_{day}.log").open(
                "a", encoding="utf-8", buffering=1
            )
            self._remove_old()
        return self._stream

    def _remove_old(self) -> None:
        kept = sorted(self._folder.glob(f"{self._prefix}_????????.log"))[-_KEEP_DAYS:]
        for path in set(self._folder.glob(f"{self._prefix}_????????.log")) - set(kept):
            path.unlink(missing_ok=True)


def _add_trace_ids(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = format(context.trace_id, "032x")
        event["span_id"] = format(context.span_id, "016x")
    return event


def _describe_exception(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Where it was raised and what kind it is; its own words only where they cannot quote a customer.

    PostgreSQL's errors quote whole rows, others the value they could not read.
    """
    info = event.pop("exc_info", None)
    error = sys.exc_info()[1] if info is True else info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        event["exception"] = "".join(_chain(error)).rstrip()
    return event


def _chain(error: BaseException) -> Iterator[str]:
    """The traceback of an error after those of the errors behind it, like the interpreter prints it."""
    behind = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if behind is not None:
        yield from _chain(behind)
        yield "\n"
    yield from traceback.format_tb(error.__traceback__)
    kind = type(error)
    safe = kind.__module__.startswith("kf_") or isinstance(error, OSError)
    yield f"{kind.__qualname__}: {error}\n" if safe else f"{kind.__qualname__}\n"
    for inner in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        yield from _chain(inner)


def setup(service: str, *, level: str = "INFO", debug: bool = False, log_dir: str = "") -> None:
    """Configure structlog and the standard library's logging once, at the start of a process."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_trace_ids,
        lambda _, __, event: {"service": service, **event},
        _describe_exception,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    as_json = structlog.processors.JSONRenderer(ensure_ascii=False)
    out = logging.StreamHandler(sys.stdout)
    out.setFormatter(_formatter(shared, structlog.dev.ConsoleRenderer() if debug else as_json))
    handlers: list[logging.Handler] = [out]
    if log_dir:
        handlers += _files(Path(log_dir), _formatter(shared, as_json))
    root = logging.getLogger()
    root.handlers[:] = handlers
    root.setLevel("DEBUG" if debug else level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def _formatter(shared: list[Processor], render: Processor) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
    )


def _files(folder: Path, formatter: logging.Formatter) -> list[logging.Handler]:
    everything, errors = DailyFileHandler(folder, "app"), DailyFileHandler(folder, "error")
    errors.setLevel(logging.ERROR)
    for handler in (everything, errors):
        handler.setFormatter(formatter)
    return [everything, errors]
