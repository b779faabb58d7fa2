"""`kf errcode` explains every code of the catalogue, in both languages, with what the system does."""

import json

import pytest
from kf_cli.__main__ import app
from kf_cli.errcode import ACTIONS, as_json, describe, describe_failure, known
from kf_wecom.errcodes import CATALOGUE, SEND_FAILURES, ErrorClass
from typer.testing import CliRunner


def test_every_class_has_an_action_in_both_languages() -> None:
    assert set(ACTIONS) == set(ErrorClass)
    assert all(zh and en for zh, en in ACTIONS.values())


@pytest.mark.parametrize("code", list(CATALOGUE))
def test_every_code_is_described_whole(code: int) -> None:
    text = "\n".join(describe(code))
    entry = CATALOGUE[code]
    assert entry.cause_zh in text
    assert entry.cause_en in text
    assert entry.menu in text
    assert "{from_ip}" not in text
    assert json.loads(as_json(code))["code"] == code


def test_every_fail_type_is_described_and_everything_is_listed() -> None:
    assert all(SEND_FAILURES[kind].cause_zh in "\n".join(describe_failure(kind)) for kind in SEND_FAILURES)
    assert len(known()) == len(CATALOGUE) + len(SEND_FAILURES)


@pytest.mark.parametrize(
    "arguments", [["95018"], ["--", "-1"], ["--fail-type", "13"], [], ["60020", "--json"]]
)
def test_the_command_answers(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, ["errcode", *arguments])
    assert result.exit_code == 0
    assert result.output.strip()


def test_a_code_that_nobody_knows_says_so() -> None:
    assert "unknown" in describe(77777)[0]
