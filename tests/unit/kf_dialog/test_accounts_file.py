"""A changed accounts file is taken over without a restart; a broken one changes nothing."""

import os
from pathlib import Path

import pytest
from kf_dialog.accounts_file import Accounts, AccountsFileError
from structlog.testing import capture_logs

GOOD = "accounts: {wkA: {name: first}}\n"


def test_a_changed_file_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "accounts.yaml"
    path.write_text(GOOD)
    accounts = Accounts(path)
    path.write_text("accounts: {wkA: {name: the second}}\n")
    accounts.refresh()
    assert accounts.of("wkA").name == "the second"


def test_a_broken_file_keeps_the_last_good_one_and_is_told_once(tmp_path: Path) -> None:
    path = tmp_path / "accounts.yaml"
    path.write_text(GOOD)
    accounts = Accounts(path)
    path.write_text("accounts: {wkA: {nmae: x, sources: maybe}}\n")
    with capture_logs() as logs:
        accounts.refresh()
        accounts.refresh()
    assert [line["event"] for line in logs] == ["accounts.broken", "accounts.broken"]
    assert any("accounts.wkA.nmae" in line["fault"] for line in logs)
    assert accounts.of("wkA").name == "first"
    path.unlink()
    with capture_logs() as logs:
        accounts.refresh()
    assert "cannot be read" in logs[0]["fault"]
    assert accounts.of("wkA").name == "first"


def test_a_config_map_that_kubernetes_swaps_is_taken_over(tmp_path: Path) -> None:
    # The kubelet's way: accounts.yaml -> ..data/accounts.yaml, ..data -> ..2026_1, swapped by a rename.
    for version, name in (("..1", "first"), ("..2", "other")):
        (tmp_path / version).mkdir()
        (tmp_path / version / "accounts.yaml").write_text(f"accounts: {{wkA: {{name: {name}}}}}\n")
        os.utime(tmp_path / version / "accounts.yaml", ns=(0, 0))
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "accounts.yaml").symlink_to("..data/accounts.yaml")
    accounts = Accounts(tmp_path / "accounts.yaml")
    assert accounts.of("wkA").name == "first"
    (tmp_path / "..tmp").symlink_to("..2")
    (tmp_path / "..tmp").replace(tmp_path / "..data")
    accounts.refresh()
    assert accounts.of("wkA").name == "other"


def test_at_the_start_a_missing_file_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(AccountsFileError, match=r"accounts\.yaml: cannot be read"):
        Accounts(tmp_path / "accounts.yaml")


def test_the_file_wins_over_the_setting_and_the_setting_over_the_default(tmp_path: Path) -> None:
    path = tmp_path / "accounts.yaml"
    path.write_text("accounts: {wkA: {collection: of-the-file}, wkB: {}}\n")
    accounts = Accounts(path, {"wkA": "set", "wkB": "set", "*": "others"})
    assert [accounts.collection(k) for k in ("wkA", "wkB", "wkC")] == ["of-the-file", "set", "others"]
    assert Accounts().collection("wkA") == "default"
