"""The committed gRPC code is what the .proto file generates, and the .proto file obeys the linter."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROTO = "kf_contracts/knowledge/v1/knowledge.proto"
GENERATED = ("knowledge_pb2.py", "knowledge_pb2.pyi", "knowledge_pb2_grpc.py")


def test_committed_code_equals_what_the_proto_generates(tmp_path: Path) -> None:
    """Stale generated code fails here; `make proto` mends it."""
    outputs = [f"--{kind}_out={tmp_path}" for kind in ("python", "pyi", "grpc_python")]
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", "-I", ROOT / "proto", *outputs, PROTO],
        check=True,
        timeout=60,
    )
    committed = ROOT / "libs/contracts/src/kf_contracts/knowledge/v1"
    for name in GENERATED:
        fresh = (tmp_path / "kf_contracts/knowledge/v1" / name).read_text()
        assert (committed / name).read_text() == fresh, f"{name} is stale: run `make proto`"


def test_proto_passes_buf_lint() -> None:
    """Style faults in the contract are found before a client depends on them."""
    buf = Path(sys.executable).with_name("buf")
    result = subprocess.run([buf, "lint", ROOT / "proto"], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stdout + result.stderr
