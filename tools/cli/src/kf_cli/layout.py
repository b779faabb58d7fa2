"""What one local stack consists of: addresses of its parts, command and environment of each program."""

import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import httpx
import yaml

from kf_cli import embedded
from kf_cli.children import Program
from kf_cli.config import Part, clean_environment
from kf_cli.datadir import Credentials, DataDir
from kf_cli.ports import Listener, Ports, free_ports

SERVICES = ("gateway", "dialog", "sender", "knowledge")
ACCOUNTS_FILE = "accounts.yaml"
SAMPLE_ACCOUNTS = {"禾屿之家": "shop", "云帆表单": "saas"}
"""Names of the simulated KF accounts, and the collection of the sample that each answers from."""

_PORT_FIELDS = {
    "gateway": "port",
    "dialog": "kf_dialog_health_port",
    "sender": "kf_sender_health_port",
    "knowledge": "kf_knowledge_port",
    "simulator": "kf_simulator_port",
    "traces": "kf_traces_port",
    "nats": "kf_nats_port",
    "postgres": "kf_postgres_port",
}
_LOOPBACK = "127.0.0.1"


def kind(name: str) -> str:
    """`sender` for `sender` and `sender-2` alike."""
    return name.partition("-")[0]


@dataclass(frozen=True)
class Layout:
    """One stack; `outer` is the environment that every program starts from."""

    data: Path
    logs: Path
    ports: Ports
    credentials: Credentials
    outer: Mapping[str, str]
    real: frozenset[Part] = frozenset()
    host: str = ""
    """Address of the gateway; empty: loopback, or all interfaces when the real WeCom must reach it."""
    durable: bool = True
    """False trades power-cut safety of the embedded servers for speed; a kill -9 is survived either way."""
    replica_ports: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Ports of the second, third ... process of a service."""

    @property
    def gateway_host(self) -> str:
        """Where the gateway listens."""
        return self.host or ("0.0.0.0" if Part.WECOM in self.real else _LOOPBACK)  # noqa: S104

    @property
    def gateway_url(self) -> str:
        """Base of the gateway's HTTP, as seen from this machine."""
        host = _LOOPBACK if self.gateway_host == "0.0.0.0" else self.gateway_host  # noqa: S104
        return f"http://{host}:{self.ports.port}"

    @property
    def callback_url(self) -> str:
        """Where WeCom's notices go."""
        return f"{self.gateway_url}/wecom/callback"

    @property
    def simulator_url(self) -> str:
        """Chat page, control API, WeCom's API and the model."""
        return f"http://{_LOOPBACK}:{self.ports.kf_simulator_port}"

    @property
    def traces_url(self) -> str:
        """Page and JSON API of the traces."""
        return f"http://{_LOOPBACK}:{self.ports.kf_traces_port}"

    @property
    def nats_url(self) -> str:
        """The embedded server, or the real one."""
        real = self.outer.get("NATS_URL", "") if Part.NATS in self.real else ""
        return real or f"nats://{_LOOPBACK}:{self.ports.kf_nats_port}"

    @property
    def database_url(self) -> str:
        """The embedded server, or the real one."""
        real = self.outer.get("DATABASE_URL", "") if Part.POSTGRES in self.real else ""
        return real or embedded.database_url(self.ports.kf_postgres_port)

    @property
    def knowledge_target(self) -> str:
        """gRPC target with every knowledge process."""
        return "ipv4:" + ",".join(f"{_LOOPBACK}:{self.port(name)}" for name in self.names("knowledge"))

    @property
    def needs_simulator(self) -> bool:
        """Whether WeCom or the model is simulated."""
        return not {Part.WECOM, Part.MODEL} <= self.real

    def infrastructure(self) -> list[str]:
        """The programs that the services lean on."""
        wanted = {
            "nats": Part.NATS not in self.real,
            "postgres": Part.POSTGRES not in self.real,
            "simulator": self.needs_simulator,
            "traces": Part.TRACES not in self.real,
        }
        return [name for name, needed in wanted.items() if needed]

    def services(self) -> list[str]:
        """Every process of every service."""
        return [name for service in SERVICES for name in self.names(service)]

    def names(self, service: str) -> list[str]:
        """The processes of one service: `sender`, `sender-2` ..."""
        more = range(2, 2 + len(self.replica_ports.get(service, ())))
        return [service, *(f"{service}-{number}" for number in more)]

    def port(self, name: str) -> int:
        """Where one process listens; of the traces, the page."""
        service, _, number = name.partition("-")
        if number:
            return self.replica_ports[service][int(number) - 2]
        return int(getattr(self.ports, _PORT_FIELDS[service]))

    def listeners(self) -> list[Listener]:
        """Every address that this stack will listen on, with the setting that changes it."""
        found = [
            Listener(
                self.gateway_host if name == "gateway" else _LOOPBACK,
                self.port(name),
                _PORT_FIELDS[kind(name)].upper(),
            )
            for name in [*self.services(), *self.infrastructure()]
        ]
        if "traces" in self.infrastructure():
            ports = self.ports
            found.append(Listener(_LOOPBACK, ports.kf_traces_otlp_grpc_port, "KF_TRACES_OTLP_GRPC_PORT"))
            found.append(Listener(_LOOPBACK, ports.kf_traces_otlp_http_port, "KF_TRACES_OTLP_HTTP_PORT"))
        return found


def isolated(data: DataDir, settings: Mapping[str, str], replicas: Mapping[str, int]) -> Layout:
    """A stack for a demo or a test: free ports, nothing real, no `.env`, no waiting for the disk.

    settings: environment of every program. replicas: processes of each service, 1 by default.
    """
    return Layout(
        data=data.path,
        logs=data.path / "logs",
        ports=Ports.free(),
        credentials=data.credentials(),
        outer={**clean_environment(), **settings},
        durable=False,
        replica_ports={name: tuple(free_ports(number - 1)) for name, number in replicas.items()},
    )


async def simulated_collections(layout: Layout) -> dict[str, str]:
    """open_kfid of each simulated account that has a sample → its collection.

    Raises:
        httpx.HTTPError: the simulator does not answer.
    """
    async with httpx.AsyncClient(trust_env=False) as client:
        reply = await client.get(f"{layout.simulator_url}/control/accounts")
    reply.raise_for_status()
    return {
        account["open_kfid"]: SAMPLE_ACCOUNTS[account["name"]]
        for account in reply.json()
        if account["name"] in SAMPLE_ACCOUNTS
    }


def write_accounts(layout: Layout, collections: Mapping[str, str]) -> None:
    """Describe the simulated accounts for dialog, unless that was done before: people edit the file."""
    path = layout.data / ACCOUNTS_FILE
    if path.exists():
        return
    sample = yaml.safe_load((resources.files("kf_cli") / "sample" / "accounts.yaml").read_text("utf-8"))
    accounts = {open_kfid: sample[collection] for open_kfid, collection in collections.items()}
    text = yaml.safe_dump({"accounts": accounts}, allow_unicode=True, sort_keys=False, width=100)
    path.write_text(
        f"# Taken over while `kf run` runs; docs/accounts.md explains it.\n{text}", encoding="utf-8"
    )


def program(layout: Layout, name: str, collections: Mapping[str, str]) -> Program:
    """How to run one process; `collections`: open_kfid of each simulated account → what it answers from."""
    service = kind(name)
    if service == "nats":
        command = embedded.nats_command(layout.data / "nats", layout.port(name), sync_always=layout.durable)
        return Program(name, command, layout.outer, layout.data, orphan_signal=signal.SIGTERM)
    if service == "postgres":
        command = embedded.postgres_command(
            layout.data / "postgres", layout.port(name), durable=layout.durable
        )
        # SIGINT is PostgreSQL's fast shutdown; SIGTERM would wait for every client to leave.
        return Program(
            name, command, layout.outer, layout.data, stop_signal=signal.SIGINT, orphan_signal=signal.SIGINT
        )
    command = [sys.executable, "-m", f"kf_{service}"]
    return Program(name, command, environment(layout, name, collections), layout.data)


def environment(layout: Layout, name: str, collections: Mapping[str, str]) -> dict[str, str]:
    """The environment of one of our own programs."""
    service = kind(name)
    own = {
        _PORT_FIELDS[service].upper(): str(layout.port(name)),
        "KF_LOG_DIR": str(layout.logs),
        "KF_SPANS_DIR": str(layout.data / "spans"),
    }
    tracing = {} if Part.TRACES in layout.real else _tracing(layout)
    parts = {
        "gateway": {"HOST": layout.gateway_host},
        "simulator": _simulator(layout),
        "traces": {
            "KF_TRACES_OTLP_GRPC_PORT": str(layout.ports.kf_traces_otlp_grpc_port),
            "KF_TRACES_OTLP_HTTP_PORT": str(layout.ports.kf_traces_otlp_http_port),
            "KF_TRACES_DATA_DIR": str(layout.data / "traces"),
        },
        "dialog": _dialog(layout, collections),
    }
    shared = {"NATS_URL": layout.nats_url, "DATABASE_URL": layout.database_url}
    wecom = {} if Part.WECOM in layout.real else _wecom(layout)
    return {**layout.outer, **tracing, **shared, **wecom, **parts.get(service, {}), **own}


def _tracing(layout: Layout) -> dict[str, str]:
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{_LOOPBACK}:{layout.ports.kf_traces_otlp_grpc_port}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        # Whoever looks at the page has just written a message: five seconds would feel broken.
        "OTEL_BSP_SCHEDULE_DELAY": layout.outer.get("OTEL_BSP_SCHEDULE_DELAY", "500"),
        "OTEL_METRIC_EXPORT_INTERVAL": layout.outer.get("OTEL_METRIC_EXPORT_INTERVAL", "5000"),
    }


def _wecom(layout: Layout) -> dict[str, str]:
    made_up = layout.credentials
    return {
        "WECOM_CORP_ID": made_up.corp_id,
        "WECOM_KF_SECRET": made_up.kf_secret,
        "WECOM_TOKEN": made_up.token,
        "WECOM_ENCODING_AES_KEY": made_up.encoding_aes_key,
        "WECOM_API_BASE": layout.simulator_url,
    }


def _simulator(layout: Layout) -> dict[str, str]:
    return {
        **_wecom(layout),
        "KF_SIMULATOR_CALLBACK_URL": "" if Part.WECOM in layout.real else layout.callback_url,
        "KF_SIMULATOR_ACCOUNTS": ",".join(SAMPLE_ACCOUNTS),
        "KF_SIMULATOR_DATA_DIR": str(layout.data / "simulator"),
        "KF_SIMULATOR_TRACES_URL": "" if Part.TRACES in layout.real else layout.traces_url,
        "KF_SIMULATOR_MODEL_API_KEY": layout.credentials.model_api_key,
    }


def _dialog(layout: Layout, collections: Mapping[str, str]) -> dict[str, str]:
    settings = {"KF_DIALOG_KNOWLEDGE_TARGET": layout.knowledge_target}
    if collections:
        settings["KF_DIALOG_COLLECTIONS"] = ",".join(f"{k}={v}" for k, v in collections.items())
        given = layout.outer.get("KF_DIALOG_ACCOUNTS_FILE", "")
        settings["KF_DIALOG_ACCOUNTS_FILE"] = given or str(layout.data / ACCOUNTS_FILE)
    if Part.MODEL not in layout.real:
        settings["DEEPSEEK_API_KEY"] = layout.credentials.model_api_key
        settings["DEEPSEEK_BASE_URL"] = f"{layout.simulator_url}/v1"
    return settings
