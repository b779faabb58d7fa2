"""`make k8s-test` without a cluster, and its overlay; what it does to a cluster only a cluster shows."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

TESTING = Path(__file__).parents[2] / "deploy" / "k8s" / "testing"


@pytest.fixture(scope="module")
def cluster() -> ModuleType:
    spec = importlib.util.spec_from_file_location("k8s_test_cluster", TESTING / "cluster.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_without_a_cluster_it_says_so_and_fails(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "KUBECONFIG": str(tmp_path / "none"),
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
    }
    kubectl = tmp_path / "kubectl"
    kubectl.write_text("#!/bin/sh\necho 'connection refused' >&2\nexit 1\n", encoding="utf-8")
    kubectl.chmod(0o755)
    done = subprocess.run(
        [sys.executable, TESTING], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "no cluster answers. Set KUBECONFIG" in done.stderr
    assert "connection refused" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_an_apply_changed_is_told_apart_from_what_it_left(cluster: ModuleType) -> None:
    printed = ["service/nats unchanged", "job.batch/credentials created", "deployment.apps/dialog configured"]
    assert cluster.changed(printed) == ["deployment.apps/dialog configured"]


@pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl renders the overlay")
def test_its_overlay_is_the_demo_with_images_from_elsewhere(cluster: ModuleType, tmp_path: Path) -> None:
    folder = cluster.write_overlay(tmp_path, "registry.example.com/kefu", "1.2.3")
    rendered = subprocess.check_output(["kubectl", "kustomize", folder], text=True)
    images = {line.split()[-1] for line in rendered.splitlines() if " image: " in line}
    ours = {image for image in images if "kefu/" in image}
    assert ours == {f"registry.example.com/kefu/{name}:1.2.3" for name in cluster.IMAGES}
