"""The images of the test: a base made by debootstrap, ours on top of it, stand-ins for those of others."""

import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
OURS = ("gateway", "dialog", "knowledge", "sender", "simulator", "traces", "cli")
STAND_INS = {"nats": "nats:2.14.6-alpine", "postgres": "pgvector/pgvector:0.8.6-pg18-trixie"}
TAG = "0.1.0"
BASE = "kefu-test/base:bookworm"

_DOCKER = REPOSITORY / "deploy" / "docker"
_SUITE = "bookworm"
_INCLUDED = "ca-certificates,python3,python3-venv,python3-pip,busybox"
_OWN_CERTIFICATES = Path("/usr/local/share/ca-certificates")

Say = Callable[[str], None]


def make_base(folder: Path, environment: Mapping[str, str]) -> None:
    """A Debian with Python as an image, without pulling anything."""
    root = folder / "rootfs"
    shutil.rmtree(root, ignore_errors=True)
    _run(["debootstrap", "--variant=minbase", f"--include={_INCLUDED}", _SUITE, str(root)], environment)
    # A company's proxy signs with its own certificate; builds inside the container must trust it too.
    for certificate in _OWN_CERTIFICATES.glob("*.crt"):
        shutil.copy(certificate, root / "usr/local/share/ca-certificates")
    _run(["chroot", str(root), "update-ca-certificates"], environment)
    leave_out = [f"--exclude=./var/{folder}/*" for folder in ("cache/apt", "lib/apt/lists", "log")]
    archive = subprocess.Popen(["tar", "-C", str(root), *leave_out, "-c", "."], stdout=subprocess.PIPE)
    imported = subprocess.run(
        ["docker", "import", "-", BASE],
        stdin=archive.stdout,
        env=environment,
        capture_output=True,
        check=False,
    )
    if archive.wait() or imported.returncode:
        raise RuntimeError(f"docker import failed: {imported.stderr.decode()}")
    shutil.rmtree(root)


def build_all(environment: Mapping[str, str], say: Say) -> None:
    """Ours and the stand-ins, one after the other: other programs want some of this machine too."""
    for name, tag in STAND_INS.items():
        say(f"build {tag} (a stand-in)")
        _build(_DOCKER / "testing" / f"{name}.Dockerfile", tag, {}, environment)
    for service in OURS:
        say(f"build kefu/{service}:{TAG}")
        _build(_DOCKER / "Dockerfile", f"kefu/{service}:{TAG}", {"SERVICE": service}, environment)


def sizes(environment: Mapping[str, str]) -> dict[str, int]:
    """Megabytes of each of our images, the base included, by service."""
    found = {}
    for service in OURS:
        command = ["docker", "image", "inspect", "--format", "{{.Size}}", f"kefu/{service}:{TAG}"]
        found[service] = int(_run(command, environment)) // 1_000_000
    return found


def _build(file: Path, tag: str, arguments: Mapping[str, str], environment: Mapping[str, str]) -> None:
    command = ["nice", "docker", "build", "--quiet", "--file", str(file), "--tag", tag]
    for name, value in {"BASE_IMAGE": BASE, **arguments}.items():
        command += ["--build-arg", f"{name}={value}"]
    _run([*command, str(REPOSITORY)], environment)


def _run(command: list[str], environment: Mapping[str, str]) -> str:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:4])} ... failed:\n{(done.stdout + done.stderr)[-3000:]}")
    return done.stdout
