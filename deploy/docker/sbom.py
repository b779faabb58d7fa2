"""Prints what is inside an image as CycloneDX 1.6; `make sbom` pipes it into the Python of each image.

Needs nothing there but Python: names the distributions of its environment, and Debian's packages if any.
"""

import json
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any
from urllib.parse import quote

_DPKG = Path("/var/lib/dpkg/status")

Component = dict[str, Any]


def python_component(found: Distribution) -> Component:
    """One installed distribution."""
    name, version = found.metadata["Name"], found.version
    component: Component = {
        "type": "library",
        "name": name,
        "version": version,
        "purl": f"pkg:pypi/{quote(name.lower().replace('_', '-'))}@{quote(version)}",
    }
    if "License-Expression" in found.metadata:
        component["licenses"] = [{"expression": found.metadata["License-Expression"]}]
    return component


def debian_components(status: str) -> Iterator[Component]:
    """The installed packages of a dpkg status file."""
    for paragraph in status.split("\n\n"):
        fields = dict(
            line.split(": ", 1) for line in paragraph.splitlines() if ": " in line and line[0] != " "
        )
        if fields.get("Status", "").endswith(" installed"):
            name, version = fields["Package"], fields["Version"]
            purl = f"pkg:deb/debian/{quote(name)}@{quote(version)}?arch={fields['Architecture']}"
            yield {"type": "library", "name": name, "version": version, "purl": purl}


def document(name: str) -> Component:
    """The bill of materials of the environment this runs in."""
    components = [python_component(found) for found in distributions()]
    if _DPKG.exists():
        components += debian_components(_DPKG.read_text(encoding="utf-8", errors="replace"))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "container", "name": f"kefu/{name}"}},
        "components": sorted(components, key=lambda component: component["purl"]),
    }


if __name__ == "__main__":
    json.dump(document(sys.argv[1]), sys.stdout, indent=1, ensure_ascii=False)
