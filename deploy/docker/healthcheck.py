"""Asks the program of this image whether it is ready: status 0 yes, 1 no. Needs no shell and no curl."""

import os
import sys
import urllib.error
import urllib.request
from typing import Any

# Service → how to ask, the setting with its port, the port without that setting, the path.
PROBES = {
    "gateway": ("http", "PORT", 8000, "/ready"),
    "dialog": ("grpc", "KF_DIALOG_HEALTH_PORT", 50052, ""),
    "knowledge": ("grpc", "KF_KNOWLEDGE_PORT", 50051, ""),
    "sender": ("grpc", "KF_SENDER_HEALTH_PORT", 50053, ""),
    "simulator": ("http", "KF_SIMULATOR_PORT", 8090, "/health"),
    "traces": ("http", "KF_TRACES_PORT", 16686, "/health"),
}
TIMEOUT_SECONDS = 3.0


def is_ready(service: str) -> bool:
    """Whether the service says it can work; the cli runs and ends, so it is never asked."""
    if service not in PROBES:
        return True
    how, setting, default, path = PROBES[service]
    port = int(os.environ.get(setting) or default)
    return answers_http(port, path) if how == "http" else answers_grpc(port)


def answers_http(port: int, path: str) -> bool:
    """A GET answers 200; a proxy in the environment is not asked."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{port}{path}", timeout=TIMEOUT_SECONDS) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def answers_grpc(port: int) -> bool:
    """The standard health check says SERVING for `ready`."""
    # Only the images of gRPC services have these packages.
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    with grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.enable_http_proxy", 0)]) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        try:
            reply = stub.Check(health_pb2.HealthCheckRequest(service="ready"), timeout=TIMEOUT_SECONDS)
        except grpc.RpcError:
            return False
        return bool(reply.status == health_pb2.HealthCheckResponse.SERVING)


if __name__ == "__main__":
    sys.exit(0 if is_ready(os.environ["KF_SERVICE"]) else 1)
