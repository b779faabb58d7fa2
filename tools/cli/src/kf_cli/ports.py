"""The ports of a local stack: their numbers, the settings that change them, who holds one that is taken."""

import errno
import secrets
import socket
from dataclasses import dataclass

import psutil
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

_QUIET_RANGE = range(20_000, 32_000)


class Ports(BaseSettings):
    """One number per listener; NATS and PostgreSQL keep away from the ports of ones you may have already."""

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True)

    port: int = Field(8000, ge=1, le=65535, description="HTTP port of the gateway.")
    kf_simulator_port: int = Field(8090, ge=1, le=65535, description="Chat page and simulated WeCom.")
    kf_traces_port: int = Field(16686, ge=1, le=65535, description="Page of the traces.")
    kf_traces_otlp_grpc_port: int = Field(4317, ge=1, le=65535, description="Spans in, OTLP over gRPC.")
    kf_traces_otlp_http_port: int = Field(4318, ge=1, le=65535, description="Spans in, OTLP over HTTP.")
    kf_knowledge_port: int = Field(50051, ge=1, le=65535, description="gRPC port of knowledge.")
    kf_dialog_health_port: int = Field(50052, ge=1, le=65535, description="gRPC health port of dialog.")
    kf_sender_health_port: int = Field(50053, ge=1, le=65535, description="gRPC health port of sender.")
    kf_nats_port: int = Field(14222, ge=1, le=65535, description="Port of the embedded nats-server.")
    kf_postgres_port: int = Field(15432, ge=1, le=65535, description="Port of the embedded PostgreSQL.")

    @classmethod
    def free(cls) -> "Ports":
        """Ports that nothing uses right now, whatever the environment says."""
        numbers = free_ports(len(cls.model_fields))
        return cls.model_validate(dict(zip(cls.model_fields, numbers, strict=True)))


@dataclass(frozen=True)
class Listener:
    """One address that will be listened on, and the setting that changes its port."""

    host: str
    port: int
    setting: str


def free_ports(count: int) -> list[int]:
    """Different ports of loopback that nothing uses right now.

    They lie below the range from which systems number outgoing connections: a service that binds its port
    ten seconds later would now and then find it in use by a client of another one.
    """
    found: set[int] = set()
    while len(found) < count:
        number = secrets.choice(_QUIET_RANGE)
        if not _fault(Listener("127.0.0.1", number, "")):
            found.add(number)
    return list(found)


def conflicts(listeners: list[Listener]) -> list[str]:
    """One line for each port that cannot be had: its number, who holds it, the setting to change."""
    faults = []
    wanted: dict[int, str] = {}
    for listener in listeners:
        setting, port = listener.setting, listener.port
        if port in wanted:
            faults.append(
                f"Port {port} is wanted twice, by {wanted[port]} and {setting}. Change one of them."
            )
        elif fault := _fault(listener):
            faults.append(f"Port {port} {fault}. Free it, or set {setting} to another port.")
        wanted.setdefault(port, setting)
    return faults


def _fault(listener: Listener) -> str:
    try:
        socket.create_server((listener.host, listener.port)).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return f"is taken by {holder(listener.port)}"
        return f"cannot be used on {listener.host} ({error.strerror})"
    return ""


def holder(port: int) -> str:
    """Name and process id of whoever listens on a port, as far as this user may see it."""
    try:
        listening = [
            connection
            for connection in psutil.net_connections(kind="tcp")
            if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port
        ]
        pid = next((connection.pid for connection in listening if connection.pid), None)
        return f"{psutil.Process(pid).name()} (pid {pid})" if pid else "a process of another user"
    except psutil.Error:
        return "another process"
