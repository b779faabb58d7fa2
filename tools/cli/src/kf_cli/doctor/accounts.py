"""Examines the accounts file as far as a tool can: readable, YAML, where each account answers from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from kf_cli.doctor.catalogue import found
from kf_cli.doctor.examination import Check
from kf_cli.doctor.finding import Finding, fine, skipped
from kf_cli.doctor.system import System

NAME = "KF_DIALOG_ACCOUNTS_FILE"


class AccountsFileError(Exception):
    """The file is not there or no mapping of YAML; `str()` says which, never a value."""


async def accounts_file(system: System) -> list[Finding]:
    """The file can be read; its fields are dialog's to judge, at its start and in its log."""
    path = system.get(NAME)
    if not path:
        return [skipped(f"未设置 {NAME} / {NAME} is not set")]
    try:
        described = read(system)
    except AccountsFileError as error:
        if system.target.is_remote:
            return [skipped("文件在 dialog 所在的机器上 / the file is where dialog runs")]
        return [found("accounts.file", path=path, problem=str(error))]
    return [fine(f"{path}: {len(described.get('accounts') or {})} 个账号 / accounts")]


def read(system: System) -> Mapping[str, Any]:
    """The document; empty when no file is set. AccountsFileError."""
    path = system.get(NAME)
    if not path:
        return {}
    try:
        document = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise AccountsFileError(error.strerror or type(error).__name__) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        raise AccountsFileError(f"YAML, line {mark.line + 1}" if mark else "YAML") from None
    if not isinstance(document, dict):
        raise AccountsFileError("YAML: no mapping")
    return document


def collection_of(system: System, open_kfid: str) -> str:
    """Where an account's answers are looked up: the file, then KF_DIALOG_COLLECTIONS, then `default`."""
    try:
        document = read(system)
    except AccountsFileError:
        document = {}
    own = (document.get("accounts") or {}).get(open_kfid) or {}
    named = own.get("collection") or (document.get("defaults") or {}).get("collection")
    pairs = (part.partition("=") for part in system.get("KF_DIALOG_COLLECTIONS").split(",") if "=" in part)
    settings = {account.strip(): collection.strip() for account, _, collection in pairs}
    return str(named or settings.get(open_kfid) or settings.get("*", "default"))


CHECKS = (Check("accounts_file", "账号文件", "accounts file", accounts_file),)
