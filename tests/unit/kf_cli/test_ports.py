"""Ports that are taken are reported all at once, with their holder and the setting to change."""

import os
import socket

import pytest
from kf_cli.ports import Listener, Ports, conflicts, free_ports


def test_free_ports_make_no_conflict() -> None:
    first, second = free_ports(2)
    assert conflicts([Listener("127.0.0.1", first, "PORT"), Listener("127.0.0.1", second, "KF_A_PORT")]) == []


def test_every_taken_port_names_number_holder_and_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        numbers = [taken.getsockname()[1] for taken in (one, two)]
        lines = conflicts(
            [Listener("127.0.0.1", numbers[0], "PORT"), Listener("127.0.0.1", numbers[1], "KF_NATS_PORT")]
        )
    assert len(lines) == 2
    for line, number, setting in zip(lines, numbers, ("PORT", "KF_NATS_PORT"), strict=True):
        assert str(number) in line
        assert f"pid {os.getpid()}" in line
        assert f"set {setting} " in line


def test_one_port_wanted_by_two_settings_is_a_conflict() -> None:
    (number,) = free_ports(1)
    lines = conflicts([Listener("127.0.0.1", number, "PORT"), Listener("127.0.0.1", number, "KF_NATS_PORT")])
    assert lines == [f"Port {number} is wanted twice, by PORT and KF_NATS_PORT. Change one of them."]


def test_free_ignores_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "8000")
    ports = Ports.free()
    numbers = list(ports.model_dump().values())
    assert len(set(numbers)) == len(numbers)
    assert ports.port != 8000
