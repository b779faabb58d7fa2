"""The world on disk: one line of JSON per change, so that a killed simulator loses nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import IO

from kf_simulator.records import Json

Documents = dict[str, dict[str, Json]]


class Journal:
    """Appends (kind, id, document); the newest document of an id counts. Without a folder nothing is kept."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._path = folder / "world.jsonl" if folder else None
        self._file: IO[str] | None = None

    def load(self) -> Documents:
        """Everything kept so far, in order of first writing; a line cut off by a crash is passed over."""
        documents: dict[str, dict[str, Json | None]] = {}
        if self._path and self._path.exists():
            for line in self._path.read_text(encoding="utf-8").split("\n"):
                try:
                    kind, key, document = json.loads(line)
                except ValueError:
                    continue  # only the last line can be incomplete, and its change was never answered
                documents.setdefault(kind, {})[key] = document
        return {kind: _still_there(entries) for kind, entries in documents.items()}

    def rewrite(self, documents: Documents) -> None:
        """Replace the file by one line per document and open it for appending."""
        if not self._path:
            return
        self.close()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_suffix(".new")
        with fresh.open("w", encoding="utf-8") as file:
            for kind, entries in documents.items():
                for key, document in entries.items():
                    file.write(_line(kind, key, document))
        fresh.replace(self._path)
        self._file = self._path.open("a", encoding="utf-8")

    def put(self, kind: str, key: str, document: Json) -> None:
        """Keep a document; it is with the operating system when this returns, so a kill does not lose it."""
        if self._file:
            self._file.write(_line(kind, key, document))
            self._file.flush()

    def drop(self, kind: str, key: str) -> None:
        """Forget a document."""
        if self._file:
            self._file.write(_line(kind, key, None))
            self._file.flush()

    def close(self) -> None:
        """Write everything to the disk and close."""
        if self._file:
            os.fsync(self._file.fileno())
            self._file.close()
            self._file = None


def _still_there(entries: dict[str, Json | None]) -> dict[str, Json]:
    return {key: document for key, document in entries.items() if document is not None}


def _line(kind: str, key: str, document: Json | None) -> str:
    return json.dumps([kind, key, document], separators=(",", ":")) + "\n"
