"""Writes deploy/accounts/accounts.schema.json from the code: `make docs`. A test compares the two."""

from pathlib import Path

from kf_dialog.accounts_file import SCHEMA_ID, schema

SCHEMA = Path(__file__).parents[1] / "deploy" / "accounts" / SCHEMA_ID

if __name__ == "__main__":
    SCHEMA.write_text(schema(), encoding="utf-8")
