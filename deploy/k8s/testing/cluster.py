"""The cluster of KUBECONFIG as the test uses it: kubectl, one namespace, one overlay."""

import json
import os
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

from kf_cli.ports import free_ports

NAMESPACE = "kefu-demo"
SERVICES = ("gateway", "dialog", "knowledge", "sender")
IMAGES = (*SERVICES, "simulator", "cli")
_OVERLAY = Path(__file__).parents[1] / "overlays" / "demo"
_PART_OF = "app.kubernetes.io/part-of=kefu"
_OURS = f"app.kubernetes.io/name in ({','.join(SERVICES)})"
_READY_SECONDS = 900
_GONE_SECONDS = 300.0
_FORWARD_SECONDS = 30.0


class ClusterError(Exception):
    """The cluster cannot be reached or refused something; the message has kubectl's own words."""


def kubectl(*arguments: str, seconds: float = 120.0) -> str:
    """Run kubectl and give back what it printed.

    Raises:
        ClusterError: kubectl is missing, failed, or took longer than `seconds`.
    """
    command = ["kubectl", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds)
    except FileNotFoundError:
        raise ClusterError("kubectl is missing: install it (1.27 or newer)") from None
    except subprocess.TimeoutExpired:
        raise ClusterError(f"{' '.join(command)} took longer than {seconds:.0f} s") from None
    if done.returncode:
        raise ClusterError(f"{' '.join(command)} failed:\n{(done.stdout + done.stderr).strip()[-3000:]}")
    return done.stdout


def context() -> str:
    """The name of the cluster that answers.

    Raises:
        ClusterError: none does, or our namespace is taken: what is in it would be deleted at the end.
    """
    try:
        kubectl("get", "--raw", "/readyz", "--request-timeout=10s")
    except ClusterError as error:
        raise ClusterError(
            f"no cluster answers. Set KUBECONFIG to one with 4 GiB free and a default StorageClass.\n{error}"
        ) from None
    if kubectl("get", "namespace", NAMESPACE, "--ignore-not-found", "--output=name"):
        raise ClusterError(
            f"namespace {NAMESPACE} exists, and this test ends by deleting it. If it may go:\n"
            f"  kubectl delete -k {os.path.relpath(_OVERLAY)}"
        )
    return kubectl("config", "current-context").strip()


def write_overlay(folder: Path, prefix: str, tag: str) -> Path:
    """The demo overlay with our images under another name, as `prefix`/gateway:`tag`; made in `folder`."""
    images = "".join(
        f"  - {{name: kefu/{name}, newName: {prefix}/{name}, newTag: {json.dumps(tag)}}}\n" for name in IMAGES
    )
    (folder / "kustomization.yaml").write_text(
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
        f"resources: [{os.path.relpath(_OVERLAY, folder.resolve())}]\nimages:\n{images}",
        encoding="utf-8",
    )
    return folder


class Overlay:
    """The applied overlay; a context manager that deletes it at the end, whatever happened."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> "Overlay":
        return self

    def __exit__(self, *_: object) -> None:
        kubectl("delete", "-k", str(self._folder), "--ignore-not-found", "--wait=false")

    def apply(self) -> list[str]:
        """Apply; the lines that kubectl printed, one for each object."""
        return kubectl("apply", "-k", str(self._folder)).splitlines()

    def wait_ready(self) -> None:
        """Wait until every Deployment and StatefulSet has its pods ready."""
        for workload in _names("deployment", "statefulset"):
            roll_out(workload)

    def leftovers(self) -> list[str]:
        """Delete, and name what is still there five minutes later; empty is as it should be."""
        kubectl("delete", "-k", str(self._folder), "--ignore-not-found", seconds=_GONE_SECONDS)
        deadline = monotonic() + _GONE_SECONDS
        while (left := _left()) and monotonic() < deadline:
            sleep(3)
        return left


def changed(lines: Sequence[str]) -> list[str]:
    """What an apply changed of what was there before.

    A Job that finished and was removed by its own age is made again: that is `created`, and right.
    """
    return [line for line in lines if line.endswith("configured")]


def roll_out(workload: str) -> None:
    """Wait for the end of a rollout of, for example, `deployment/gateway`."""
    limit = f"--timeout={_READY_SECONDS}s"
    kubectl("-n", NAMESPACE, "rollout", "status", workload, limit, seconds=_READY_SECONDS + 30)


def restart_all() -> None:
    """A rolling update of the four services at once: new pods, as a new version would bring."""
    _rollouts("restart")


def undo_all() -> None:
    """Roll the four services back to the pods before."""
    _rollouts("undo")


def _rollouts(verb: str) -> None:
    for name in SERVICES:
        kubectl("-n", NAMESPACE, "rollout", verb, f"deployment/{name}")
    for name in SERVICES:
        roll_out(f"deployment/{name}")


def kill_one_of_each() -> list[str]:
    """Delete a pod of each service, of NATS and of PostgreSQL without any grace; the names of the dead."""
    dead = []
    for name in (*SERVICES, "nats", "postgres"):
        pod = _pods(f"app.kubernetes.io/name={name}")[0]
        kubectl("-n", NAMESPACE, "delete", pod, "--grace-period=0", "--force")
        dead.append(pod)
    for workload in _names("deployment", "statefulset"):
        roll_out(workload)
    return dead


def drain() -> str:
    """Evict our services from the node that has most of them, as an upgrade of the node would; its name."""
    where = "--output=jsonpath={.items[*].spec.nodeName}"
    rows = kubectl("-n", NAMESPACE, "get", "pods", f"--selector={_OURS}", where).split()
    node = max(set(rows), key=rows.count)
    try:
        # Everybody else's pods stay where they are.
        rules = [f"--pod-selector={_OURS}", "--delete-emptydir-data", "--ignore-daemonsets", "--timeout=300s"]
        kubectl("drain", node, *rules, seconds=330)
    finally:
        kubectl("uncordon", node)
    for name in SERVICES:
        roll_out(f"deployment/{name}")
    return node


@contextmanager
def forwarded(service: str, port: int) -> Iterator[str]:
    """The URL of a Service's port on loopback, while the block lasts."""
    local = free_ports(1)[0]
    command = ["kubectl", "-n", NAMESPACE, "port-forward", f"service/{service}", f"{local}:{port}"]
    # Its output is a line for each connection: nobody reads them, and a full pipe would stop it.
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            deadline = monotonic() + _FORWARD_SECONDS
            while not _answers(local):
                if process.poll() is not None or monotonic() > deadline:
                    raise ClusterError(f"{' '.join(command)} does not answer")
                sleep(0.1)
            yield f"http://127.0.0.1:{local}"
        finally:
            process.terminate()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def logs() -> str:
    """The last lines of every pod, for a person who looks for the fault."""
    last = ("--all-containers", "--tail=15")
    told = [kubectl("-n", NAMESPACE, "logs", pod, *last) for pod in _pods(_PART_OF)]
    return "\n".join([kubectl("-n", NAMESPACE, "get", "pods", "--output=wide"), *told])


def _pods(selector: str) -> list[str]:
    return kubectl("-n", NAMESPACE, "get", "pods", f"--selector={selector}", "--output=name").split()


def _names(*kinds: str) -> list[str]:
    return kubectl("-n", NAMESPACE, "get", ",".join(kinds), "--output=name").split()


def _left() -> list[str]:
    namespace = kubectl("get", "namespace", NAMESPACE, "--ignore-not-found", "--output=name").split()
    claimed = "{range .items[*]}{.metadata.name} {.spec.claimRef.namespace}{'\\n'}{end}"
    volumes = kubectl("get", "persistentvolumes", f"--output=jsonpath={claimed}").splitlines()
    kinds = "clusterroles,clusterrolebindings"
    roles = kubectl("get", kinds, f"--selector={_PART_OF}", "--output=name").split()
    return [*namespace, *(v.split()[0] for v in volumes if v.endswith(f" {NAMESPACE}")), *roles]
