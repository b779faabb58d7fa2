"""A data folder has one owner; its made-up credentials are kept, private and of the right shape."""

import base64
import os
import subprocess
import sys
from pathlib import Path

import pytest
from kf_cli.datadir import Credentials, DataDir, DataDirError


def test_a_second_owner_is_told_who_the_first_is(tmp_path: Path) -> None:
    with DataDir(tmp_path), pytest.raises(DataDirError, match=f"pid {os.getpid()}"), DataDir(tmp_path):
        pass


def test_the_folder_is_free_after_its_owner_left(tmp_path: Path) -> None:
    for _ in range(2):
        with DataDir(tmp_path / "new"):
            pass


def test_waits_for_the_children_of_a_dead_owner(tmp_path: Path) -> None:
    code = (
        "import os, subprocess, sys\n"
        "from pathlib import Path\n"
        "from kf_cli.datadir import DataDir\n"
        f"data = DataDir(Path({str(tmp_path)!r})).__enter__()\n"
        "child = subprocess.Popen(['sleep', '1'], pass_fds=[data.lock_fd])\n"
        "print(child.pid, flush=True)\n"
        "os._exit(9)\n"
    )
    owner = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    child = int(owner.stdout)
    with DataDir(tmp_path):
        assert not Path(f"/proc/{child}/fd").exists() or not os.listdir(f"/proc/{child}/fd")


def test_credentials_are_kept_and_private(tmp_path: Path) -> None:
    with DataDir(tmp_path) as data:
        made = data.credentials()
        assert data.credentials() == made
    assert (tmp_path / "credentials.json").stat().st_mode & 0o777 == 0o600


def test_damaged_credentials_are_made_anew(tmp_path: Path) -> None:
    (tmp_path / "credentials.json").write_text("{", encoding="utf-8")
    with DataDir(tmp_path) as data:
        assert data.credentials() == data.credentials()


def test_credentials_differ_and_have_the_shape_of_real_ones() -> None:
    one, other = Credentials(), Credentials()
    assert one.encoding_aes_key != other.encoding_aes_key
    for made in (one, other):
        key = base64.b64decode(made.encoding_aes_key + "=", validate=True)
        assert len(key) == 32
        assert base64.b64encode(key).decode() == made.encoding_aes_key + "="
        assert made.encoding_aes_key.isalnum()
        assert len(made.token) <= 32
    assert one.kf_secret not in repr(one)


def test_a_folder_that_cannot_be_made_says_what_to_set(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(DataDirError, match="KF_DATA_DIR"), DataDir(tmp_path / "file"):
        pass
