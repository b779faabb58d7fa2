"""`kf run` describes its simulated accounts to dialog, once, and leaves what people made of the file."""

from dataclasses import replace
from pathlib import Path

from kf_cli.config import Part
from kf_cli.datadir import Credentials
from kf_cli.layout import SAMPLE_ACCOUNTS, Layout, environment, write_accounts
from kf_cli.ports import Ports
from kf_dialog.accounts_file import read

COLLECTIONS = {"wkShop": "shop", "wkSaas": "saas"}


def layout(data: Path) -> Layout:
    ports, made_up = Ports.free(), Credentials()
    return Layout(data=data, logs=data, ports=ports, credentials=made_up, outer={})


def test_the_sample_is_a_good_accounts_file_with_an_entry_for_each_simulated_account(tmp_path: Path) -> None:
    stack = layout(tmp_path)
    write_accounts(stack, COLLECTIONS)
    path = Path(environment(stack, "dialog", COLLECTIONS)["KF_DIALOG_ACCOUNTS_FILE"])
    accounts = read(path).accounts
    assert {name: account.collection for name, account in accounts.items()} == COLLECTIONS
    assert {account.name for account in accounts.values()} == set(SAMPLE_ACCOUNTS)
    assert all(account.welcome.menu for account in accounts.values())


def test_an_edited_file_stays(tmp_path: Path) -> None:
    (tmp_path / "accounts.yaml").write_text("accounts: {}\n")
    write_accounts(layout(tmp_path), COLLECTIONS)
    assert (tmp_path / "accounts.yaml").read_text() == "accounts: {}\n"


def test_a_file_of_the_users_own_wins(tmp_path: Path) -> None:
    own = replace(layout(tmp_path), outer={"KF_DIALOG_ACCOUNTS_FILE": "/own.yaml"})
    assert environment(own, "dialog", COLLECTIONS)["KF_DIALOG_ACCOUNTS_FILE"] == "/own.yaml"
    real = replace(own, real=frozenset({Part.WECOM}))
    assert environment(real, "dialog", {})["KF_DIALOG_ACCOUNTS_FILE"] == "/own.yaml"
