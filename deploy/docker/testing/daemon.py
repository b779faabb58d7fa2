"""A Docker daemon of the test's own: its own data, its own socket, installed from Debian if missing."""

import os
import shutil
import signal
import subprocess
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType

_PACKAGES = ["docker.io", "containerd", "runc", "iptables", "debootstrap", "docker-compose"]
_PROGRAMS = ["docker", "dockerd", "containerd", "runc", "iptables", "debootstrap"]
_BRIDGE = Path("/sys/class/net/docker0")
_START_SECONDS = 60.0
_STOP_SECONDS = 30.0


class DaemonError(Exception):
    """Docker could not be installed or started; the message says why."""


def install() -> None:
    """Install what is missing from Debian's archive; needs root and apt-get."""
    missing = [name for name in _PROGRAMS if not shutil.which(name)]
    if not missing and compose_command():
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise DaemonError(
            f"missing: {', '.join(missing) or 'docker compose'}; install Docker, or run as root on Debian"
        )
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "--yes", "--no-install-recommends", *_PACKAGES]):
        subprocess.run(["apt-get", "--quiet=2", *arguments], check=True, env=environment)


def compose_command() -> list[str]:
    """`docker compose` where the plugin is there, else `docker-compose`, else nothing."""
    plugin = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    if plugin.returncode == 0:
        return ["docker", "compose"]
    return ["docker-compose"] if shutil.which("docker-compose") else []


class Daemon:
    """A running dockerd as a context manager: started on entry, stopped with all it started on exit."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._bridge_is_ours = False
        # The path of a socket may have 107 bytes at most.
        self.host = f"unix://{folder}/docker.sock"

    def __enter__(self) -> "Daemon":
        self._folder.mkdir(parents=True, exist_ok=True)
        self._bridge_is_ours = not _BRIDGE.exists()
        command = ["dockerd", "--host", self.host, "--pidfile", f"{self._folder}/dockerd.pid"]
        command += ["--data-root", f"{self._folder}/data", "--exec-root", f"{self._folder}/exec"]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        deadline = monotonic() + _START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or monotonic() > deadline:
                self._stop()
                tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-10:])
                raise DaemonError(f"dockerd did not start:\n{tail}")
            sleep(0.3)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    @property
    def log(self) -> Path:
        """Where dockerd's own words are."""
        return self._folder / "dockerd.log"

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which docker talks to this daemon; the old builder pulls and needs no plugin."""
        return {
            **os.environ,
            "DOCKER_HOST": self.host,
            "DOCKER_BUILDKIT": "0",
            "DOCKER_CONFIG": f"{self._folder}/config",
        }

    def _answers(self) -> bool:
        asked = subprocess.run(["docker", "info"], env=self.environment, capture_output=True, check=False)
        return asked.returncode == 0

    def _stop(self) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._bridge_is_ours and _BRIDGE.exists():
            subprocess.run(["ip", "link", "delete", _BRIDGE.name], check=False, capture_output=True)
