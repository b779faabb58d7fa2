"""The data folder of one stack: one owner at a time, and the made-up credentials of its simulated parts."""

import fcntl
import json
import os
import secrets
import string
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType

import psutil

_LEFTOVERS_SECONDS = 30.0
_ALPHANUMERIC = string.ascii_letters + string.digits


class DataDirError(Exception):
    """The folder cannot be used; the message says why and what to do."""


def _aes_key() -> str:
    """43 letters and digits that are the base64 of 32 bytes: the last one carries four bits only."""
    return "".join(secrets.choice(_ALPHANUMERIC) for _ in range(42)) + secrets.choice("AEIMQUYcgkosw048")


@dataclass(frozen=True)
class Credentials:
    """What the simulated WeCom and model expect; random for each data folder, in the shape of real ones."""

    corp_id: str = field(default_factory=lambda: "ww" + secrets.token_hex(8))
    kf_secret: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    token: str = field(default_factory=lambda: secrets.token_hex(12), repr=False)
    encoding_aes_key: str = field(default_factory=_aes_key, repr=False)
    model_api_key: str = field(default_factory=lambda: "sk-" + secrets.token_hex(16), repr=False)


def is_in_use(path: Path) -> bool:
    """Whether a `kf run` (or what is left of a killed one) owns the folder right now."""
    try:
        handle = os.open(path / "lock", os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


class DataDir:
    """A context manager that owns the folder while it is open.

    The lock is held by an open file that the children inherit: after a kill -9 it is free as soon as, and not
    before, the last process of that run has ended.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.lock_fd = -1

    def __enter__(self) -> "DataDir":
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.lock_fd = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise DataDirError(
                f"{self.path} cannot be written ({error.strerror}). Mend it, or set KF_DATA_DIR."
            ) from None
        try:
            self._lock()
        except DataDirError:
            os.close(self.lock_fd)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self.lock_fd)

    def credentials(self) -> Credentials:
        """Those of the last run, or new ones; the file is readable by its owner only."""
        path = self.path / "credentials.json"
        try:
            return Credentials(**json.loads(path.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            made = Credentials()
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(handle, "w", encoding="utf-8") as file:
            json.dump(asdict(made), file, indent=1)
        return made

    def _lock(self) -> None:
        deadline = monotonic() + _LEFTOVERS_SECONDS
        while not self._try_lock():
            owner = self._owner()
            if owner:
                raise DataDirError(
                    f"kf already runs here (pid {owner}, data in {self.path}). Stop it with Ctrl-C or "
                    f"`kill {owner}`, or set KF_DATA_DIR to another folder."
                )
            if monotonic() > deadline:
                raise DataDirError(
                    f"Processes of a killed run still use {self.path}. End them: `fuser -k {self.path}/lock`."
                )
            sleep(0.1)
        os.ftruncate(self.lock_fd, 0)
        os.pwrite(self.lock_fd, f"{os.getpid()} {psutil.Process().create_time()}".encode(), 0)

    def _try_lock(self) -> bool:
        try:
            fcntl.flock(self.lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _owner(self) -> int | None:
        """The process id that the holder wrote, if that very process still lives."""
        try:
            pid, created = os.pread(self.lock_fd, 50, 0).split()
            owner = psutil.Process(int(pid))
            same = owner.create_time() == float(created)
            return owner.pid if same and owner.status() != psutil.STATUS_ZOMBIE else None
        except (ValueError, psutil.Error):
            return None
