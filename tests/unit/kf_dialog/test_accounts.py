"""What an accounts file may say, what it means, and what is said about a wrong one."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from kf_dialog.accounts import Account, Hours, Prices
from kf_dialog.accounts_file import AccountsFileError, parse, schema

ACCOUNTS = Path(__file__).parents[3] / "deploy" / "accounts"


def faults(text: str) -> list[str]:
    with pytest.raises(AccountsFileError) as raised:
        parse(text, "accounts.yaml")
    return raised.value.faults


def test_an_empty_file_gives_everybody_the_defaults() -> None:
    assert parse("", "accounts.yaml").defaults == Account()
    assert parse("# nothing yet\n", "accounts.yaml").accounts == {}


def test_the_defaults_greet_and_know_how_to_ask_for_a_human() -> None:
    account = Account()
    assert account.welcome.for_scene("any").text
    assert "转人工" in account.handover.words
    assert account.handover.enabled
    assert account.tools.http == ()


def test_the_example_shows_every_field() -> None:
    document = parse((ACCOUNTS / "example.yaml").read_text(encoding="utf-8"), "example.yaml")
    (account,) = document.accounts.values()
    assert Account.model_fields.keys() - account.model_fields_set == set()
    assert document.model_fields_set == {"records", "defaults", "accounts"}


def test_the_schema_for_editors_is_what_the_code_says() -> None:
    assert (ACCOUNTS / "accounts.schema.json").read_text(encoding="utf-8") == schema(), "run `make docs`"


def test_the_example_of_the_page_is_good() -> None:
    page = (ACCOUNTS.parents[1] / "docs" / "accounts.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (account,) = parse(block, "accounts.md").accounts.values()
    assert account.welcome.menu


def test_the_files_that_are_deployed_are_good() -> None:
    base = ACCOUNTS.parent / "k8s" / "base" / "settings" / "accounts.yaml"
    for path in (ACCOUNTS / "accounts.yaml", base):
        assert parse(path.read_text(encoding="utf-8"), path.name).accounts == {}


def test_an_account_takes_what_it_leaves_out_from_the_defaults() -> None:
    document = parse(
        """
defaults:
  handover: {after_failures: 5, pool: false}
  hours: {weekly: {sat: ["10:00-12:00"]}, timezone: Europe/Berlin}
accounts:
  wkA:
    handover: {pool: true}
    hours: {weekly: {mon: ["09:00-10:00"]}}
""",
        "accounts.yaml",
    )
    account = document.accounts["wkA"]
    assert (account.handover.after_failures, account.handover.pool) == (5, True)
    assert account.hours.timezone == "Europe/Berlin"
    assert list(account.hours.weekly) == ["mon"]


def test_a_fault_names_line_and_field_but_no_value() -> None:
    (fault,) = faults("accounts:\n  wkA:\n    limits:\n      deadline_seconds: 99999\n")
    assert fault.startswith("accounts.yaml:4: accounts.wkA.limits.deadline_seconds: ")
    assert "99999" not in fault


def test_every_fault_has_a_line_of_its_own() -> None:
    found = faults("accounts:\n  wkA:\n    langauge: zh\n    sources: maybe\n")
    assert [fault.split(": ")[:2] for fault in found] == [
        ["accounts.yaml:3", "accounts.wkA.langauge"],
        ["accounts.yaml:4", "accounts.wkA.sources"],
    ]


@pytest.mark.parametrize(
    "text",
    [
        "accounts: [",
        "accounts: {wkA: {name: x}, wkA: {name: y}}",
        "accounts: {a.b: {}}",
        "accounts: {wkA: {hours: {weekly: {mon: ['18:00-09:00']}}}}",
        "accounts: {wkA: {hours: {timezone: Mars/Olympus}}}",
        "accounts: {wkA: {welcome: {menu: [{title: ''}]}}}",
        "accounts: {wkA: {vision: {base_url: ftp://x, model: m}}}",
        "accounts: {wkA: {fallback_model: {base_url: 'https://x', model: m, api_key_env: 'sk-123'}}}",
        "- a list",
        "&a [*a]",
    ],
)
def test_what_is_wrong_is_refused_with_its_place(text: str) -> None:
    assert all(fault.startswith("accounts.yaml") for fault in faults(text))


def test_a_title_that_wecom_would_refuse_is_refused_here() -> None:
    faults(f"accounts: {{wkA: {{welcome: {{menu: [{{title: {'长' * 43}}}]}}}}}}")
    parse(f"accounts: {{wkA: {{welcome: {{menu: [{{title: {'长' * 42}}}]}}}}}}", "accounts.yaml")


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        (datetime(2026, 11, 23, 1, 0, tzinfo=UTC), True),  # Monday 09:00 in Shanghai
        (datetime(2026, 11, 23, 0, 59, tzinfo=UTC), False),
        (datetime(2026, 11, 23, 4, 0, tzinfo=UTC), False),  # noon: the span ends
        (datetime(2026, 11, 24, 1, 0, tzinfo=UTC), False),  # Tuesday is not named
        (datetime(2026, 11, 30, 1, 0, tzinfo=UTC), False),  # a holiday
    ],
)
def test_people_are_at_work_within_the_spans_of_their_zone(moment: datetime, is_open: bool) -> None:
    hours = Hours.model_validate({"weekly": {"mon": ["09:00-12:00"]}, "closed": ["2026-11-30"]})
    assert hours.open_at(moment) is is_open


def test_without_hours_people_are_always_there() -> None:
    assert Hours().open_at(datetime(2026, 1, 1, 0, 0, tzinfo=UTC))
    assert Hours().open_at(datetime(2026, 1, 1, 15, 59, 59, tzinfo=UTC))


def test_a_cost_is_counted_by_the_million() -> None:
    assert Prices(input_per_million=2, output_per_million=3).cost(500_000, 1_000_000) == pytest.approx(4.0)
