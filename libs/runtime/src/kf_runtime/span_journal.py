"""Ended spans on disk until they are exported: what a killed process had not sent, another one sends.

A folder holds segments: records of one process, each a length and a marshalled value, written through a
memory map so that a span costs no system call and a kill -9 loses none that had ended (a power cut may).
The process that writes a segment holds its lock, which the kernel lets go when it dies: a segment that can
be locked is left over. The first record is the process's resource, the others are (tracer's name, span).
"""

import fcntl
import marshal
import mmap
import os
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from struct import Struct
from typing import Any
from uuid import uuid4

import structlog
from typing_extensions import override

from kf_runtime.spans import Ended

log = structlog.get_logger()

_SUFFIX = ".spans"
_SEGMENT_BYTES = 1024 * 1024
_KEEP_SECONDS = 24 * 3600.0
_LENGTH = Struct("<I")

Scopes = dict[str, list[Ended]]


class Segment:
    """A file that this process has locked for as long as it is open."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path, self._descriptor = path, descriptor

    def remove(self) -> None:
        """Its spans are exported, or given up."""
        with suppress(OSError):
            self.path.unlink()
        self.release()

    def release(self) -> None:
        """Leave it to the next that looks for left over ones."""
        os.close(self._descriptor)


class _Written(Segment):
    """A new segment, its space reserved: a full disk must show here, not as a signal on a write."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{uuid4().hex}{_SUFFIX}"
        # Made under another name: nobody must find it before it is locked.
        hidden = path.with_suffix(".new")
        descriptor = os.open(hidden, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, _SEGMENT_BYTES)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            hidden.rename(path)
        except OSError:
            hidden.unlink(missing_ok=True)
            os.close(descriptor)
            raise
        super().__init__(path, descriptor)
        self._map, self._end = mmap.mmap(descriptor, _SEGMENT_BYTES), 0

    @override
    def release(self) -> None:
        # The map holds a duplicate of the descriptor, and with it the lock.
        self._map.close()
        super().release()

    def write(self, record: bytes) -> bool:
        """Append a record; False when there is no room for it."""
        end = self._end + _LENGTH.size + len(record)
        if end > _SEGMENT_BYTES:
            return False
        self._map[self._end + _LENGTH.size : end] = record
        # The length last: what a kill cut short is no record.
        _LENGTH.pack_into(self._map, self._end, len(record))
        self._end = end
        return True


class Journal:
    """The segments of one process; a folder that cannot be written costs a warning and nothing else."""

    def __init__(self, folder: Path, resource: Mapping[str, Any]) -> None:
        self._folder, self._head = folder, marshal.dumps(dict(resource))
        self._current: _Written | None = None
        self._broken = False

    def write(self, scope: str, span: Ended) -> bool:
        """Keep one span; False when the segment is full: take it with `turn` and write again."""
        if self._broken:
            return True
        try:
            if self._current is None:
                self._current = _Written(self._folder)
                self._current.write(self._head)
            return self._current.write(marshal.dumps((scope, tuple(span))))
        except (OSError, ValueError) as error:
            # Full or read-only: spans still go from memory.
            self._broken = True
            log.warning(
                "telemetry.journal_not_writable", folder=str(self._folder), error=type(error).__name__
            )
            return True

    def turn(self) -> Segment | None:
        """What was written since the last call, as a segment of its own; None when nothing was."""
        segment, self._current = self._current, None
        return segment

    def left_over(self) -> Iterator[tuple[Segment, Mapping[str, Any], Scopes]]:
        """Segments of processes that have died, with their resource and spans."""
        with suppress(OSError):
            for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
                segment = _locked(path)
                if segment is None:
                    continue
                resource, scopes = _read(path.read_bytes())
                if not scopes or time.time() - path.stat().st_mtime > _KEEP_SECONDS:
                    # Refused for a day: nobody wants it any more.
                    segment.remove()
                    continue
                yield segment, resource, scopes


def _records(data: bytes) -> Iterator[Any]:
    at = 0
    while at + _LENGTH.size <= len(data):
        (length,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size
        if not length or at + length > len(data):
            return
        # Nobody but ourselves writes into this folder.
        yield marshal.loads(data[at : at + length])  # noqa: S302
        at += length


def _read(data: bytes) -> tuple[Mapping[str, Any], Scopes]:
    resource: Mapping[str, Any] = {}
    scopes: Scopes = defaultdict(list)
    with suppress(ValueError, EOFError, TypeError):
        records = _records(data)
        resource = next(records, {})
        for scope, span in records:
            scopes[scope].append(Ended(*span))
    return resource, scopes


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
