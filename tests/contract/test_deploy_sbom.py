"""The bill of materials names what is installed, by package URLs that scanners understand."""

import importlib.util
from importlib.metadata import version
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).parents[2] / "deploy" / "docker" / "sbom.py"
STATUS = """Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9+deb12u14
Description: GNU C Library
 With: a line that looks like a field

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1
"""


def load() -> Any:
    spec = importlib.util.spec_from_file_location("sbom", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_installed_distribution_is_named_with_its_version() -> None:
    document = load().document("gateway")
    assert document["metadata"]["component"]["name"] == "kefu/gateway"
    assert f"pkg:pypi/pydantic@{version('pydantic')}" in {c["purl"] for c in document["components"]}
    assert all(c["name"] and c["version"] for c in document["components"])


def test_debian_packages_are_named_unless_they_were_removed() -> None:
    assert [c["purl"] for c in load().debian_components(STATUS)] == [
        "pkg:deb/debian/libc6@2.36-9%2Bdeb12u14?arch=amd64"
    ]
