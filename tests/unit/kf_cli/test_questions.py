"""`kf init` asks until an answer has the right form, keeps what is there, shows no secret, spoils no file."""

import stat
from pathlib import Path

import pytest
from kf_cli.__main__ import app
from kf_cli.doctor.configuration import fault_of
from kf_cli.questions import write
from typer.testing import CliRunner

SECRET = "a-secret-of-the-app"
ANSWERS = ["ww0123456789abcdef", SECRET, "", "", "sk-model-key", "", "", ""]


def test_the_answers_end_in_the_file_and_secrets_are_not_shown(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    done = CliRunner().invoke(
        app, ["init", "--file", str(file), "--no-check"], input="\n".join(ANSWERS) + "\n"
    )
    assert done.exit_code == 0, done.output
    written = dict(line.split("=", 1) for line in file.read_text(encoding="utf-8").splitlines())
    assert written["WECOM_CORP_ID"] == "ww0123456789abcdef"
    assert written["WECOM_KF_SECRET"] == SECRET
    assert fault_of("WECOM_TOKEN", written["WECOM_TOKEN"]) is None
    assert fault_of("WECOM_ENCODING_AES_KEY", written["WECOM_ENCODING_AES_KEY"]) is None
    assert "DATABASE_URL" not in written
    assert SECRET not in done.output
    assert "sk-model-key" not in done.output
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_malformed_answer_is_asked_again(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    answers = ["ww 1", *ANSWERS]
    done = CliRunner().invoke(
        app, ["init", "--file", str(file), "--no-check"], input="\n".join(answers) + "\n"
    )
    assert done.exit_code == 0, done.output
    assert "✗" in done.output
    assert "WECOM_CORP_ID=ww0123456789abcdef" in file.read_text(encoding="utf-8")


def test_enter_keeps_what_is_there_and_every_other_line(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(
        f"# mine\nWECOM_CORP_ID=wwkeptkept\nWECOM_KF_SECRET={SECRET}\nPORT=8001\n", encoding="utf-8"
    )
    answers = ["", "", "", "", "sk-model-key", "", "", ""]
    done = CliRunner().invoke(
        app, ["init", "--file", str(file), "--no-check"], input="\n".join(answers) + "\n"
    )
    assert done.exit_code == 0, done.output
    lines = file.read_text(encoding="utf-8").splitlines()
    assert lines[:4] == ["# mine", "WECOM_CORP_ID=wwkeptkept", f"WECOM_KF_SECRET={SECRET}", "PORT=8001"]


def test_an_answer_that_does_not_work_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / ".env"
    # Nothing listens there: the doctor says so, and the answer is kept only when asked to.
    monkeypatch.setenv("WECOM_API_BASE", "http://127.0.0.1:1")
    monkeypatch.setenv("DEEPSEEK_BASE_URL", "http://127.0.0.1:1/v1")
    answers = ["ww0123456789abcdef", SECRET, "y", "", "", "sk-model-key", "y", "", "", ""]
    done = CliRunner().invoke(app, ["init", "--file", str(file)], input="\n".join(answers) + "\n")
    assert done.exit_code == 1, done.output
    assert "wecom.refused" in done.output
    assert "model.refused" in done.output
    assert SECRET not in done.output


def test_values_that_a_shell_or_dotenv_would_change_are_quoted(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    write(file, {"DATABASE_URL": "postgresql://kf:p%23w@h/d", "EMBEDDING_MODEL": "a b"})
    assert (
        file.read_text(encoding="utf-8") == "DATABASE_URL=postgresql://kf:p%23w@h/d\nEMBEDDING_MODEL='a b'\n"
    )
