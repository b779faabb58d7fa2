"""The examination: order, deadlines, slips of its own, statuses; and the pure judgements of its parts."""

import asyncio
from typing import Any

import httpx
import pytest
from kf_cli.__main__ import app
from kf_cli.doctor import callback, configuration, model
from kf_cli.doctor.catalogue import found
from kf_cli.doctor.checks import ALL, with_needs
from kf_cli.doctor.command import STATUS
from kf_cli.doctor.examination import Check, Report, examine
from kf_cli.doctor.finding import Finding, Level, fine
from kf_cli.doctor.system import System, open_system
from kf_cli.doctor.target import Target
from typer.testing import CliRunner

AES_KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"


def check(name: str, *findings: Finding, needs: tuple[str, ...] = (), **fields: Any) -> Check:
    async def run(_: System) -> list[Finding]:
        return list(findings)

    return Check(name, name, name, fields.pop("run", run), needs=needs, **fields)


async def report_of(*checks: Check, seconds: float = 20.0) -> Report:
    async with open_system(Target({})) as system:
        return await examine(system, checks, seconds=seconds)


async def test_what_a_fault_makes_pointless_is_skipped_with_the_reason() -> None:
    broken = check("first", found("nats.auth"))
    report = await report_of(broken, check("second", fine(), needs=("first",)), check("other", fine()))
    assert [result.level for result in report.results] == ["fault", "skipped", "ok"]
    assert "first" in report.results[1].detail
    assert report.level is Level.FAULT


async def test_a_warning_does_not_stop_what_needs_it() -> None:
    report = await report_of(check("first", found("disk.low")), check("second", fine(), needs=("first",)))
    assert [result.level for result in report.results] == ["warning", "ok"]
    assert report.level is Level.WARNING


async def test_a_check_that_hangs_is_named_and_ends_at_its_deadline() -> None:
    async def hang(_: System) -> list[Finding]:
        await asyncio.Event().wait()
        return []

    report = await report_of(check("stuck", run=hang, seconds=0.6), check("behind", fine(), needs=("stuck",)))
    assert [finding.diagnosis for finding in report.problems] == ["check.hangs"]
    assert report.results[1].level is Level.SKIPPED


async def test_a_check_with_a_slip_says_where_and_never_what() -> None:
    async def slip(_: System) -> list[Finding]:
        raise KeyError("hunter2")

    report = await report_of(check("slip", run=slip))
    (finding,) = report.problems
    assert finding.diagnosis == "check.broken"
    assert "KeyError at test_doctor.py:" in finding.facts["error"]
    assert "hunter2" not in str(report.as_dict())


async def test_when_the_time_is_up_the_rest_is_skipped() -> None:
    report = await report_of(check("late", fine()), seconds=0.1)
    assert report.results[0].level is Level.SKIPPED


def test_every_check_stands_behind_what_it_needs() -> None:
    names = [each.name for each in ALL]
    assert len(set(names)) == len(names)
    for each in ALL:
        assert all(names.index(needed) < names.index(each.name) for needed in each.needs), each.name
    chosen = [each.name for each in with_needs({"reception"})]
    assert {"settings", "egress", "gettoken", "permission", "postgres", "reception"} <= set(chosen)


def test_the_status_tells_the_severity() -> None:
    assert [STATUS[level] for level in Level] == [0, 0, 3, 2]
    listed = CliRunner().invoke(app, ["doctor", "--list"])
    assert listed.exit_code == 0
    unknown = CliRunner().invoke(app, ["doctor", "--only", "astrology"])
    assert unknown.exit_code == 2
    assert "astrology" in unknown.output


@pytest.mark.parametrize(
    ("name", "value", "is_good"),
    [
        ("WECOM_ENCODING_AES_KEY", AES_KEY, True),
        ("WECOM_ENCODING_AES_KEY", AES_KEY[:-1], False),
        ("WECOM_TOKEN", "abc123", True),
        ("WECOM_TOKEN", "with space", False),
        ("WECOM_KF_SECRET", " copied-with-a-space", False),
        ("DATABASE_URL", "postgresql://kf:p%23w@db:5432/kefu", True),
        ("DATABASE_URL", "postgresql://kf:p#w@db:5432/kefu", False),
        ("NATS_URL", "nats://a:4222,nats://b:4222", True),
        ("NATS_URL", "a b", False),
        ("PORT", "8000", True),
        ("PORT", "0", False),
        ("PORT", "http", False),
        ("DEBUG", "on", True),
        ("DEBUG", "perhaps", False),
        ("KF_DIALOG_COLLECTIONS", "wkA=shop,*=saas", True),
        ("KF_DIALOG_COLLECTIONS", "wkA:shop", False),
    ],
)
def test_a_value_is_judged_as_the_service_would(name: str, value: str, is_good: bool) -> None:
    assert (configuration.fault_of(name, value) is None) is is_good


@pytest.mark.parametrize(
    ("status", "body", "diagnosis"),
    [
        (200, "1234", ""),
        (200, '"1234"', "callback.altered"),
        (302, "", "callback.redirect"),
        (401, "", "callback.login"),
        (403, '{"error": "bad_signature"}', "callback.signature"),
        (400, '{"error": "undecryptable"}', "callback.aes_key"),
        (403, '{"error": "wrong_receiver"}', "callback.corp_id"),
        (400, '{"error": "missing_parameters"}', "callback.query"),
        (403, "blocked", "callback.blocked"),
        (403, "网站未备案", "callback.icp"),
        (404, "", "callback.path"),
        (502, "", "callback.bad_gateway"),
    ],
)
def test_an_answer_of_the_callback_has_one_meaning(status: int, body: str, diagnosis: str) -> None:
    assert callback.judged(httpx.Response(status, text=body), "1234") == diagnosis


@pytest.mark.parametrize(
    ("status", "body", "diagnosis"),
    [
        (200, '{"choices": [{}]}', ""),
        (200, "{}", "model.reply"),
        (401, "", "model.key"),
        (402, "", "model.balance"),
        (400, '{"error": {"message": "Model Not Exist"}}', "model.name"),
        (404, '{"error": {"code": "model_not_found"}}', "model.name"),
        (404, "nginx", "model.path"),
        (429, "", "model.rate"),
        (503, "", "model.error"),
    ],
)
def test_an_answer_of_the_model_has_one_meaning(status: int, body: str, diagnosis: str) -> None:
    assert model.judged(httpx.Response(status, text=body)) == diagnosis
