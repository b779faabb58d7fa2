"""What each program of a stack is told, with everything simulated and with real parts."""

from pathlib import Path

import pytest
from kf_cli.config import Part
from kf_cli.datadir import Credentials
from kf_cli.layout import SERVICES, Layout, environment, kind
from kf_cli.ports import Ports

PORTS = Ports.free()
MADE_UP = Credentials()


def layout(outer: dict[str, str] | None = None, *real: Part, host: str = "") -> Layout:
    return Layout(
        data=Path("/data"),
        logs=Path("/logs"),
        ports=PORTS,
        credentials=MADE_UP,
        outer=outer or {},
        real=frozenset(real),
        host=host,
        replica_ports={"sender": (1001, 1002), "knowledge": (1003,)},
    )


def test_everything_is_embedded_unless_real() -> None:
    assert set(layout().infrastructure()) == {"nats", "postgres", "simulator", "traces"}
    assert layout(None, Part.NATS, Part.TRACES).infrastructure() == ["postgres", "simulator"]


def test_the_simulator_runs_while_wecom_or_model_is_simulated() -> None:
    assert "simulator" in layout(None, Part.WECOM).infrastructure()
    assert "simulator" in layout(None, Part.MODEL).infrastructure()
    assert "simulator" not in layout(None, Part.WECOM, Part.MODEL).infrastructure()


def test_replicas_have_names_and_ports_of_their_own() -> None:
    stack = layout()
    assert stack.names("sender") == ["sender", "sender-2", "sender-3"]
    assert [stack.port(name) for name in stack.names("sender")] == [PORTS.kf_sender_health_port, 1001, 1002]
    assert kind("sender-3") == "sender"
    assert environment(stack, "sender-3", {})["KF_SENDER_HEALTH_PORT"] == "1002"


def test_dialog_reaches_every_knowledge_process() -> None:
    target = environment(layout(), "dialog", {})["KF_DIALOG_KNOWLEDGE_TARGET"]
    assert target == f"ipv4:127.0.0.1:{PORTS.kf_knowledge_port},127.0.0.1:1003"


def test_dialog_knows_the_collection_of_each_account() -> None:
    told = environment(layout(), "dialog", {"wkA": "shop", "wkB": "saas"})
    assert told["KF_DIALOG_COLLECTIONS"] == "wkA=shop,wkB=saas"


def test_simulated_wecom_and_services_share_made_up_credentials() -> None:
    gateway, simulator = (environment(layout(), name, {}) for name in ("gateway", "simulator"))
    for name in ("WECOM_CORP_ID", "WECOM_KF_SECRET", "WECOM_TOKEN", "WECOM_ENCODING_AES_KEY"):
        assert gateway[name] == simulator[name] != ""
    assert gateway["WECOM_API_BASE"] == layout().simulator_url
    assert simulator["KF_SIMULATOR_CALLBACK_URL"] == layout().callback_url


def test_real_parts_are_passed_on_and_the_simulator_never_sees_wecom_secrets() -> None:
    outer = {
        "WECOM_KF_SECRET": "real-secret",
        "DATABASE_URL": "postgresql://real/db",
        "NATS_URL": "nats://real:4222",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://real:4317",
    }
    stack = layout(outer, Part.WECOM, Part.POSTGRES, Part.NATS, Part.TRACES)
    for name in SERVICES:
        told = environment(stack, name, {})
        assert outer.items() <= told.items()
        assert "WECOM_API_BASE" not in told
    simulator = environment(stack, "simulator", {})
    assert simulator["WECOM_KF_SECRET"] == MADE_UP.kf_secret
    assert simulator["KF_SIMULATOR_CALLBACK_URL"] == ""


def test_a_real_model_keeps_its_settings() -> None:
    outer = {"DEEPSEEK_API_KEY": "sk-real", "DEEPSEEK_BASE_URL": "https://model.example"}
    assert outer.items() <= environment(layout(outer, Part.MODEL), "dialog", {}).items()
    simulated = environment(layout(), "dialog", {})
    assert simulated["DEEPSEEK_API_KEY"] == MADE_UP.model_api_key
    assert simulated["DEEPSEEK_BASE_URL"].startswith(layout().simulator_url)


@pytest.mark.parametrize(
    ("host", "real", "listens"),
    [
        ("", (), "127.0.0.1"),
        ("", (Part.WECOM,), "0.0.0.0"),
        ("10.0.0.7", (), "10.0.0.7"),
        ("10.0.0.7", (Part.WECOM,), "10.0.0.7"),
    ],
)
def test_the_gateway_is_open_to_others_only_for_the_real_wecom(
    host: str, real: tuple[Part, ...], listens: str
) -> None:
    stack = layout(None, *real, host=host)
    assert environment(stack, "gateway", {})["HOST"] == listens
    assert all(listener.host in ("127.0.0.1", listens) for listener in stack.listeners())


def test_every_listener_names_its_setting() -> None:
    settings = [listener.setting for listener in layout().listeners()]
    assert {name.upper() for name in Ports.model_fields} == set(settings)
