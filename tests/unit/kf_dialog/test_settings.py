from typing import Any

import pytest
from kf_dialog.settings import Settings
from pydantic import ValidationError

REQUIRED: dict[str, Any] = {"database_url": "postgresql://x", "deepseek_api_key": "k"}


def test_collections_are_read_by_account() -> None:
    settings = Settings.model_validate({**REQUIRED, "kf_dialog_collections": "wkA=shop, wkB=saas,*=x,"})
    assert settings.collections == {"wkA": "shop", "wkB": "saas", "*": "x"}
    assert Settings.model_validate(REQUIRED).collections == {}


@pytest.mark.parametrize("value", ["wkA", "wkA=", "wkA=a=b", "wk A=x", "wkA=shop;wkB=saas"])
def test_malformed_collections_are_refused(value: str) -> None:
    with pytest.raises(ValidationError, match="open_kfid=collection"):
        Settings.model_validate({**REQUIRED, "kf_dialog_collections": value})


def test_joining_cannot_be_shorter_than_merging() -> None:
    with pytest.raises(ValidationError, match="KF_DIALOG_JOIN_SECONDS"):
        Settings.model_validate({**REQUIRED, "kf_dialog_merge_ms": 5000, "kf_dialog_join_seconds": 4})


def test_secrets_are_not_shown() -> None:
    settings = Settings.model_validate({**REQUIRED, "deepseek_api_key": "very-secret"})
    assert "very-secret" not in repr(settings)


def test_there_are_at_most_20_fields() -> None:
    assert len(Settings.model_fields) <= 20
