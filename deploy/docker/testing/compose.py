"""The compose set of the test: up, looked at from outside, stopped, and gone with its volumes."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType
from typing import Any

from images import REPOSITORY

PROJECT = "kefu-images-test"
SERVICES = ("gateway", "dialog", "knowledge", "sender")
OURS = (*SERVICES, "simulator", "traces")
_UP_SECONDS = 300.0
_UID = "10001:10001"


class ComposeError(Exception):
    """The set is not as it should be; the message says what is wrong, with the last lines of the logs."""


class Compose:
    """The running set; a context manager that removes containers, networks and volumes on exit."""

    def __init__(self, command: list[str], env_file: Path, environment: Mapping[str, str]) -> None:
        file = REPOSITORY / "deploy" / "compose.yaml"
        self._command = [
            *command,
            "-p",
            PROJECT,
            "--env-file",
            str(env_file),
            "-f",
            str(file),
            "--profile",
            "demo",
        ]
        self._environment = environment

    def __enter__(self) -> "Compose":
        try:
            self._run([*self._command, "up", "-d"])
            self._wait_ready()
        except BaseException as error:
            logs = self.logs()
            self._remove()
            raise ComposeError(f"{error}\n{logs}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    def logs(self) -> str:
        """The last lines of every container."""
        return self._run([*self._command, "logs", "--no-color", "--tail", "15"], check=False)[-12_000:]

    def faults(self) -> list[str]:
        """What is wrong with the running containers, a line each."""
        found = []
        for name in OURS:
            state = self._inspect(name)
            if state["Config"]["User"] != _UID:
                found.append(f"{name} runs as {state['Config']['User'] or 'root'}")
            if not state["HostConfig"]["ReadonlyRootfs"]:
                found.append(f"{name} can write to its root folder")
            if state["RestartCount"]:
                found.append(f"{name} was restarted {state['RestartCount']} times")
            found += self._tools(name)
        violations = self._run([*self._command, "logs", "--no-color", "nats"]).count("Permissions Violation")
        if violations:
            found.append(
                f"NATS refused {violations} operations: deploy/k8s/components/nats/auth.conf lacks a right"
            )
        return found

    def stop(self, name: str) -> str:
        """Stop one service as an upgrade would; what went wrong, or nothing."""
        self._run([*self._command, "stop", name])
        code = self._inspect(name)["State"]["ExitCode"]
        return f"{name} left with status {code} after SIGTERM" if code else ""

    def _tools(self, name: str) -> list[str]:
        search = "import shutil; print(*filter(shutil.which, ('pip', 'pip3', 'uv', 'gcc', 'cc', 'ld')))"
        command = ["docker", "exec", self._id(name), "/opt/kefu/bin/python", "-c", search]
        tools = self._run(command).split()
        return [f"{name} has {', '.join(tools)}"] if tools else []

    def _wait_ready(self) -> None:
        deadline = monotonic() + _UP_SECONDS
        while waiting := [name for name in OURS if self._health(name) != "healthy"]:
            if monotonic() > deadline:
                raise ComposeError(f"not ready after {_UP_SECONDS:.0f} s: {', '.join(waiting)}")
            sleep(1)
        while (state := self._inspect("sample")["State"])["Running"]:
            if monotonic() > deadline:
                raise ComposeError("the sample knowledge base is still being loaded")
            sleep(1)
        if state["ExitCode"]:
            raise ComposeError("the sample knowledge base could not be loaded")

    def _health(self, name: str) -> str:
        return str(self._inspect(name)["State"]["Health"]["Status"])

    def _inspect(self, name: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = json.loads(self._run(["docker", "inspect", self._id(name)]))
        return found[0]

    def _id(self, name: str) -> str:
        filters = ["--filter", f"label=com.docker.compose.project={PROJECT}"]
        filters += ["--filter", f"label=com.docker.compose.service={name}"]
        found = self._run(["docker", "ps", "--all", "--quiet", *filters]).split()
        if len(found) != 1:
            raise ComposeError(f"{len(found)} containers of {name}, 1 expected")
        return found[0]

    def _remove(self) -> None:
        self._run([*self._command, "down", "--volumes", "--remove-orphans"], check=False)

    def _run(self, command: list[str], *, check: bool = True) -> str:
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise ComposeError(f"{' '.join(command)} failed:\n{(done.stdout + done.stderr)[-3000:]}")
        return done.stdout
