"""`kf init`: asks for the settings that no default can know, tries each answer, and writes `.env`."""

import asyncio
import os
import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import typer
from dotenv import dotenv_values
from kf_runtime.diagnoses import SETTINGS
from rich.console import Console

from kf_cli.config import past_proxies
from kf_cli.datadir import Credentials
from kf_cli.doctor.checks import with_needs
from kf_cli.doctor.configuration import fault_of
from kf_cli.doctor.examination import Report, examine
from kf_cli.doctor.finding import Finding
from kf_cli.doctor.system import open_system
from kf_cli.doctor.target import SPECS, Target
from kf_cli.doctor.view import block

_TOKEN_LENGTH = 24


@dataclass(frozen=True)
class Group:
    """Settings that are tried together; `checks` are the doctor's."""

    zh: str
    en: str
    names: tuple[str, ...]
    checks: tuple[str, ...] = ()
    optional: str = ""
    """What happens when they are left empty; "" for settings that must be given."""


GROUPS = (
    Group(
        "企业微信应用", "the app at WeCom", ("WECOM_CORP_ID", "WECOM_KF_SECRET"), ("permission", "accounts")
    ),
    Group(
        "回调（直接回车则生成，再粘贴到后台）",
        "the callback (Enter makes one up, to be pasted into the admin site)",
        ("WECOM_TOKEN", "WECOM_ENCODING_AES_KEY"),
    ),
    Group("大模型", "the model", ("DEEPSEEK_API_KEY",), ("model",)),
    Group("PostgreSQL", "PostgreSQL", ("DATABASE_URL",), ("pgvector",), "内置 / embedded by kf run"),
    Group("NATS", "NATS", ("NATS_URL",), ("jetstream",), "内置 / embedded by kf run"),
    Group("公网回调地址", "the public callback URL", ("KF_CALLBACK_URL",), (), "稍后再填 / later"),
)


def ask_all(path: Path, console: Console, *, check: bool) -> int:
    """Ask every group, write the file after each; 0, or 1 when an answer was kept that does not work yet."""
    values = {name: value or "" for name, value in dotenv_values(path).items()} if path.exists() else {}
    is_fine = True
    for group in GROUPS:
        console.print(f"\n[bold]{group.zh} / {group.en}[/]")
        while True:
            answers = {name: _ask(name, values.get(name, ""), group) for name in group.names}
            problems = _tried(values | answers, group) if check and all(answers.values()) else []
            if not problems or _kept_anyway(problems, console):
                break
        is_fine = is_fine and not problems
        values |= answers
        write(path, answers)
    console.print(f"\n[green]{path}[/] 已写好 / is written. 下一步 / next: kf run, kf doctor")
    return 0 if is_fine else 1


def _ask(name: str, known: str, group: Group) -> str:
    """One answer of the right form; secrets are neither shown nor echoed."""
    help_zh, menu = SETTINGS[name]["zh"], SETTINGS[name].get("menu", "")
    typer.echo(f"  {name}：{help_zh}" + (f"\n    {menu}" if menu else ""))
    is_secret = SPECS.get(name, {}).get("secret", False)
    made_up = _made_up(name)
    hint = "回车保留 / Enter keeps" if known else "回车生成 / Enter makes one" if made_up else group.optional
    while True:
        answer = typer.prompt(
            f"  {hint}" if hint else " ", default="", show_default=False, hide_input=is_secret
        )
        value = answer.strip() or known or made_up
        problem = fault_of(name, value) if name in SPECS else None
        if problem:
            typer.echo(f"  ✗ {problem[0]} / {problem[1]}", err=True)
        elif value or group.optional:
            return value
        else:
            typer.echo("  ✗ 必填 / it must be given", err=True)


def _made_up(name: str) -> str:
    """What the callback's two secrets may as well be; nothing for the others."""
    if name == "WECOM_TOKEN":
        return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(_TOKEN_LENGTH))
    return Credentials().encoding_aes_key if name == "WECOM_ENCODING_AES_KEY" else ""


def _tried(values: Mapping[str, str], group: Group) -> list[Finding]:
    """What the doctor finds with these answers, as far as it concerns the group."""
    if not group.checks:
        return []
    checks = tuple(check for check in with_needs(set(group.checks)) if check.name != "settings")

    async def tried() -> Report:
        async with open_system(Target(past_proxies({**os.environ, **values}))) as system:
            return await examine(system, checks)

    # An extension that `kf doctor --fix` or the first start creates is no reason to ask again.
    return [f for f in asyncio.run(tried()).problems if f.diagnosis != "pgvector.not_created"]


def _kept_anyway(problems: list[Finding], console: Console) -> bool:
    for finding in problems:
        for line in block(finding):
            console.print(line, soft_wrap=True)
    return typer.confirm("  仍然保留？ / keep it all the same?", default=False)


def write(path: Path, answers: Mapping[str, str]) -> None:
    """Put answers into the file, each in the place of its name, and leave every other line as it is."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    left = {name: value for name, value in answers.items() if value}
    for number, line in enumerate(lines):
        name = line.partition("=")[0].strip()
        if name in left:
            lines[number] = f"{name}={_quoted(left.pop(name))}"
    lines += [f"{name}={_quoted(value)}" for name, value in left.items()]
    unfinished = path.with_name(f"{path.name}.new")
    # Secrets are in it: readable by its owner only, and never half-written.
    with open(
        os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
    ) as file:
        file.write("\n".join(lines) + "\n")
    unfinished.replace(path)


def _quoted(value: str) -> str:
    return f"'{value}'" if set(value) & set(' #$"\\') else value
