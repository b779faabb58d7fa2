"""`make k8s-test`: the demo overlay on the cluster of KUBECONFIG, used, shaken, rolled back and deleted.

IMAGE_PREFIX=registry.example.com/kefu and TAG= name the images that the cluster can pull; without them it
must have kefu/<name>:<tag> already (`kind load docker-image ...`). Nothing outside the namespace kefu-demo is
changed, but for one node that is drained of our own pods and uncordoned again.
"""

import asyncio
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import cluster
from kf_cli import demo, dialogue
from kf_cli.scenario import CONVERSATIONS
from kf_cli.simulator import Simulator
from traffic import traffic

_CUSTOMERS = 4
_began = monotonic()


def main() -> int:
    """0 when nothing was lost and nothing is left, 1 with what was wrong, 2 without a usable cluster."""
    try:
        say(f"cluster {cluster.context()}")
    except cluster.ClusterError as error:
        print(error, file=sys.stderr)
        return 2
    prefix, tag = os.environ.get("IMAGE_PREFIX", "kefu"), os.environ.get("TAG", "0.1.0")
    with tempfile.TemporaryDirectory(prefix="kefu-k8s-test-") as folder:
        overlay = cluster.Overlay(cluster.write_overlay(Path(folder), prefix, tag))
        wrong = _test(overlay)
    for line in wrong:
        say(f"WRONG {line}")
    say("k8s-test failed" if wrong else "k8s-test passed")
    return 1 if wrong else 0


def _test(overlay: cluster.Overlay) -> list[str]:
    wrong: list[str] = []
    try:
        with overlay:
            say("apply the demo overlay")
            overlay.apply()
            overlay.wait_ready()
            say("apply it again")
            wrong += [f"the second apply changed {line}" for line in cluster.changed(overlay.apply())]
            with cluster.forwarded("simulator", 8090) as url:
                wrong += asyncio.run(_use_and_shake(url))
            if wrong:
                print(cluster.logs())
            say("delete it")
            wrong += [f"{name} is left behind" for name in overlay.leftovers()]
    except cluster.ClusterError as error:
        wrong.append(str(error))
    return wrong


async def _use_and_shake(url: str) -> list[str]:
    say(f"{len(CONVERSATIONS)} customers hold the demo conversation")
    async with Simulator(url) as simulator:
        outcomes = await dialogue.hold(simulator, None, CONVERSATIONS)
        wrong = demo.verdict(outcomes, await simulator.judge())
    steps: tuple[tuple[str, Callable[[], object]], ...] = (
        ("rolling update", cluster.restart_all),
        ("kill a pod of each", cluster.kill_one_of_each),
        ("drain a node", cluster.drain),
        ("roll back", cluster.undo_all),
    )
    async with traffic(url, CONVERSATIONS[0].account, _CUSTOMERS) as faults:
        for name, step in steps:
            say(f"{name}, while {_CUSTOMERS} customers write")
            await asyncio.to_thread(step)
    return wrong + faults


def say(text: str) -> None:
    """One line of progress."""
    print(f"{monotonic() - _began:6.0f} s  {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
