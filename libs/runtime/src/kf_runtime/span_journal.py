"""Ended spans on disk until they are exported: what a killed process had not sent, another one sends.

A folder holds segments. Each is one OTLP message `ResourceSpans`, written span by span with one system call
each, so a kill -9 loses none that had ended; a power cut may. The process that writes a segment holds its
lock, which the kernel lets go when it dies: a segment that can be locked is left over.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import structlog

from kf_runtime.span_encoding import whole_fields

log = structlog.get_logger()

_SUFFIX = ".spans"
_KEEP_SECONDS = 24 * 3600.0


@dataclass(frozen=True)
class Segment:
    """A file of this process; locked as long as it is open."""

    path: Path
    descriptor: int

    def remove(self) -> None:
        """Its spans are exported, or given up."""
        with suppress(OSError):
            self.path.unlink()
        os.close(self.descriptor)

    def release(self) -> None:
        """Leave it to the next that looks for left over ones."""
        os.close(self.descriptor)


class Journal:
    """The segments of one process; a folder that cannot be written costs a warning and nothing else."""

    def __init__(self, folder: Path, header: bytes) -> None:
        """header: the field `resource`, with which every segment begins."""
        self._folder, self._header = folder, header
        self._current: Segment | None = None
        self._broken = False

    def write(self, scope_spans: bytes) -> None:
        """Append one field `scope_spans`."""
        if self._broken:
            return
        try:
            self._current = self._current or self._open()
            os.write(self._current.descriptor, scope_spans)
        except OSError as error:
            # Full or read-only: spans still go from memory.
            self._broken = True
            log.warning("telemetry.journal_not_writable", folder=str(self._folder), error=error.strerror)

    def turn(self) -> Segment | None:
        """What was written since the last call, as a segment of its own; None when nothing was."""
        segment, self._current = self._current, None
        return segment

    def _open(self) -> Segment:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{uuid4().hex}{_SUFFIX}"
        # Made under another name: nobody must find it before it is locked.
        hidden = path.with_suffix(".new")
        descriptor = os.open(hidden, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_APPEND | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        hidden.rename(path)
        os.write(descriptor, self._header)
        return Segment(path, descriptor)

    def left_over(self) -> Iterator[tuple[Segment, bytes]]:
        """Segments of processes that have died, with their messages `ResourceSpans`."""
        with suppress(OSError):
            for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
                segment = _locked(path)
                if segment is None:
                    continue
                if time.time() - path.stat().st_mtime > _KEEP_SECONDS:
                    # Refused for a day: nobody wants it any more.
                    segment.remove()
                    continue
                yield segment, whole_fields(path.read_bytes())


def _locked(path: Path) -> Segment | None:
    """A segment that nobody holds, now held by us; None for one in use or gone."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.exists():
            return Segment(path, descriptor)
    except OSError:
        pass
    os.close(descriptor)
    return None
