"""What is examined: the settings as the services read them, and where each service answers."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import httpx

from kf_cli import datadir
from kf_cli.config import Part, RunSettings, outer_environment, read
from kf_cli.datadir import DataDir
from kf_cli.layout import Layout, environment, simulated_collections
from kf_cli.ports import Ports
from kf_cli.run import make_layout

SPECS: Mapping[str, Mapping[str, Any]] = json.loads(
    files("kf_cli.doctor").joinpath("settings.json").read_text(encoding="utf-8")
)
"""Every setting of every service with its rules, generated from the services' settings classes."""

ADDRESS_SETTINGS = {
    "gateway": "KF_GATEWAY_ADDRESS",
    "dialog": "KF_DIALOG_ADDRESS",
    "sender": "KF_SENDER_ADDRESS",
    "knowledge": "KF_KNOWLEDGE_ADDRESS",
}
"""host:port of each service, where it is not on this machine."""
_PORTS = {
    "gateway": "PORT",
    "dialog": "KF_DIALOG_HEALTH_PORT",
    "sender": "KF_SENDER_HEALTH_PORT",
    "knowledge": "KF_KNOWLEDGE_PORT",
}
_EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104  compared with, not bound


@dataclass(frozen=True)
class Target:
    """One installation. `values`: settings by name; `origin` says in words where they come from."""

    values: Mapping[str, str]
    origin: str = "the environment and .env"

    def get(self, name: str) -> str:
        """A setting, its default where it is not set, "" where it has none."""
        default = SPECS.get(name, {}).get("default", "")
        return self.values.get(name) or str(default)

    def address(self, service: str) -> str:
        """host:port of a service."""
        given = self.values.get(ADDRESS_SETTINGS[service], "")
        host = self.get("HOST") if service == "gateway" else ""
        return given or f"{'127.0.0.1' if host in _EVERYWHERE else host}:{self.get(_PORTS[service])}"

    @property
    def is_remote(self) -> bool:
        """Whether the services are said to run elsewhere: then this machine's ports and disk mean nothing."""
        return any(self.values.get(name) for name in ADDRESS_SETTINGS.values())


async def running_target(layout: Layout) -> Target:
    """The installation that a `kf run` has started, with its made-up credentials."""
    collections: dict[str, str] = {}
    if Part.WECOM not in layout.real:
        # A simulator that is away is found by the checks, with a remedy.
        with suppress(httpx.HTTPError):
            collections = await simulated_collections(layout)
    values: dict[str, str] = {}
    for service in ("knowledge", "sender", "dialog", "gateway"):
        values |= environment(layout, service, collections)
    return Target(values, f"the running `kf run` ({layout.data})")


async def find_target() -> Target:
    """The running `kf run` of this folder if there is one, else what environment and .env say."""
    settings, values = read(RunSettings), outer_environment()
    if not datadir.is_in_use(settings.kf_data_dir):
        return Target(values)
    return await running_target(make_layout(settings, read(Ports), DataDir(settings.kf_data_dir)))
