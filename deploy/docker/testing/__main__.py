"""`make images-test`: from no image at all to an answered demo conversation; leaves nothing behind.

Builds every image on a base of its own, starts deploy/compose.yaml with them, lets the customers of `kf demo`
write, and looks whether every one got the right answer exactly once. KEEP=1 keeps what Docker built.
"""

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path
from time import monotonic

import images
from compose import SERVICES, Compose, ComposeError
from daemon import Daemon, DaemonError, compose_command, install
from kf_cli import demo, dialogue
from kf_cli.ports import free_ports
from kf_cli.scenario import CONVERSATIONS
from kf_cli.simulator import Simulator
from kf_cli.trace import Traces

_FOLDER = Path(os.environ.get("KF_IMAGES_TEST_DIR", "/var/tmp/kefu-images-test"))
_CREDENTIALS = images.REPOSITORY / "deploy/k8s/components/credentials/credentials.py"
_began = monotonic()


def main() -> int:
    """0 when everything was as it should be, else 1 with what was not."""
    try:
        install()
        with Daemon(_FOLDER) as daemon:
            wrong = _test(daemon)
    except (DaemonError, ComposeError, RuntimeError) as error:
        wrong = [str(error)]
    finally:
        if os.environ.get("KEEP") != "1":
            shutil.rmtree(_FOLDER, ignore_errors=True)
    for line in wrong:
        _say(f"WRONG {line}")
    _say("images-test failed" if wrong else "images-test passed")
    return 1 if wrong else 0


def _test(daemon: Daemon) -> list[str]:
    if not _has_base(daemon):
        _say("make the base image (debootstrap)")
        images.make_base(_FOLDER, daemon.environment)
    images.build_all(daemon.environment, _say)
    for name, megabytes in images.sizes(daemon.environment).items():
        _say(f"  kefu/{name:<10} {megabytes:>4} MB")
    gateway, simulator, traces = free_ports(3)
    env_file = _FOLDER / "compose.env"
    made_up = subprocess.check_output([sys.executable, _CREDENTIALS, "env"], text=True)
    ports = f"PORT={gateway}\nKF_SIMULATOR_PORT={simulator}\nKF_TRACES_PORT={traces}\n"
    env_file.write_text(made_up + ports, encoding="utf-8")
    _say("start the compose set")
    with Compose(compose_command(), env_file, daemon.environment) as compose:
        _say(f"{len(CONVERSATIONS)} customers are writing")
        wrong = asyncio.run(_converse(f"http://127.0.0.1:{simulator}", f"http://127.0.0.1:{traces}"))
        wrong += compose.faults()
        for service in SERVICES:
            _say(f"stop {service}")
            wrong += filter(None, [compose.stop(service)])
        if wrong:
            print(compose.logs())
    return wrong


async def _converse(simulator_url: str, traces_url: str) -> list[str]:
    async with Simulator(simulator_url) as simulator, Traces(traces_url) as traces:
        outcomes = await dialogue.hold(simulator, traces, CONVERSATIONS)
        return demo.verdict(outcomes, await simulator.judge())


def _has_base(daemon: Daemon) -> bool:
    command = ["docker", "image", "inspect", images.BASE]
    return subprocess.run(command, env=daemon.environment, capture_output=True, check=False).returncode == 0


def _say(text: str) -> None:
    print(f"{monotonic() - _began:6.0f} s  {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
