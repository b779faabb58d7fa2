"""Reads the accounts file, says where it is wrong, and takes a changed one over without a restart."""

import asyncio
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import structlog
import yaml
from kf_runtime.bell import pause
from pydantic import ValidationError

from kf_dialog.accounts import Account, AccountsDocument

log = structlog.get_logger()

_LOOK_SECONDS = 2.0
_MOST_BYTES = 4 * 1024 * 1024
SCHEMA_ID = "accounts.schema.json"

Fingerprint = tuple[int, int, int]


class AccountsFileError(Exception):
    """The file cannot be used; `faults` has a line each: the place, what is wrong, never a value."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


class Accounts:
    """The accounts as the file describes them now; the last good file stays while a newer one is broken."""

    def __init__(self, path: Path | None = None, collections: Mapping[str, str] | None = None) -> None:
        """path: none, and every account has the defaults. collections: by open_kfid, `*` for the others.

        Raises:
            AccountsFileError: the file is missing or wrong; at the start there is no last good one.
        """
        self._path, self._collections = path, collections or {}
        self._document = read(path) if path else AccountsDocument()
        self._seen = fingerprint(path) if path else None

    @property
    def document(self) -> AccountsDocument:
        """The whole of it, defaults merged into each account."""
        return self._document

    def of(self, open_kfid: str) -> Account:
        """One account; safe defaults when the file does not name it."""
        return self._document.accounts.get(open_kfid, self._document.defaults)

    def collection(self, open_kfid: str) -> str:
        """Where an account's answers are looked up."""
        others = self._collections.get("*", "default")
        return self.of(open_kfid).collection or self._collections.get(open_kfid, others)

    async def watch(self, stop: asyncio.Event) -> None:
        """Take over each changed file until `stop`."""
        while not stop.is_set():
            self.refresh()
            await pause(stop, _LOOK_SECONDS)

    def refresh(self) -> None:
        """Read the file if it has changed; each version is read, and complained about, once.

        Kubernetes swaps a symbolic link above the file: that shows as another inode of what it points to.
        """
        if self._path is None:
            return
        now = fingerprint(self._path)
        if now == self._seen:
            return
        self._seen = now
        faults: list[str] = []
        try:
            self._document = read(self._path)
        except AccountsFileError as error:
            faults = error.faults
        for fault in faults:
            log.error("accounts.broken", fault=fault, remedy="the last good file stays in force; mend it")
        if not faults:
            log.info("accounts.taken_over", accounts=len(self._document.accounts))


def fingerprint(path: Path) -> Fingerprint | None:
    """What changes when the file does; None while it is away."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def read(path: Path) -> AccountsDocument:
    """One version of the file.

    Raises:
        AccountsFileError: unreadable, no YAML, or not as the schema wants it.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise AccountsFileError([f"{path.name}: is larger than 4 MiB"])
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise AccountsFileError([f"{path.name}: cannot be read ({type(error).__name__})"]) from None
    return parse(text, path.name)


def parse(text: str, name: str) -> AccountsDocument:
    """The text of an accounts file; `name` is what faults call it."""
    try:
        tree = yaml.compose(text, yaml.SafeLoader)
        content = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or type(error).__name__
        raise AccountsFileError([f"{_place(name, mark)}: is not YAML: {problem}"]) from None
    except RecursionError:
        raise AccountsFileError([f"{name}: is nested too deeply"]) from None
    if doubles := [f"{_place(name, mark)}: {key} stands here twice" for key, mark in _doubles(tree)]:
        raise AccountsFileError(doubles)
    try:
        return AccountsDocument.model_validate(content if content is not None else {}).merged()
    except ValidationError as error:
        found = [_fault(name, tree, dict(fault)) for fault in error.errors()]
        raise AccountsFileError([told for _, told in sorted(found)]) from None


def schema() -> str:
    """The JSON Schema of the file, for editors; `make docs` writes it."""
    document = AccountsDocument.model_json_schema()
    document = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID, **document}
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def _fault(name: str, tree: Any, fault: dict[str, Any]) -> tuple[int, str]:
    """Its line, and what is said about it."""
    where = [str(step) for step in fault["loc"] if step != "[key]"]
    what = str(fault["ctx"]["error"]) if fault["type"] == "value_error" else fault["msg"]
    mark = _mark(tree, where)
    return getattr(mark, "line", 0), f"{_place(name, mark)}: {'.'.join(where) or 'the file'}: {what}"


def _place(name: str, mark: Any) -> str:
    return name if mark is None else f"{name}:{mark.line + 1}"


def _mark(node: Any, where: list[str]) -> Any:
    """The place of the deepest node on the way that the file has."""
    mark = getattr(node, "start_mark", None)
    for step in where:
        node = _child(node, step)
        if node is None:
            break
        mark = node.start_mark
    return mark


def _child(node: Any, step: str) -> Any:
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if str(key.value) == step), None)
    if isinstance(node, yaml.SequenceNode) and step.isdigit() and int(step) < len(node.value):
        return node.value[int(step)]
    return None


def _doubles(node: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Keys that a mapping has twice: YAML takes the last one silently."""
    if node in above:
        return
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if str(key.value) in seen:
                yield str(key.value), key.start_mark
            seen.add(str(key.value))
            yield from _doubles(value, (*above, node))
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _doubles(value, (*above, node))
