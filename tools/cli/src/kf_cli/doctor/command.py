"""`kf doctor` on the command line: what to examine, how to show it, and the status it leaves with."""

import asyncio
import json
from typing import Annotated

import typer
from rich.console import Console

from kf_cli.doctor import story
from kf_cli.doctor.checks import ALL, with_needs
from kf_cli.doctor.examination import Check, Report, examine
from kf_cli.doctor.finding import Level
from kf_cli.doctor.mending import DONE, mend
from kf_cli.doctor.system import open_system
from kf_cli.doctor.target import Target, find_target
from kf_cli.doctor.view import LiveReport, list_of, show

STATUS = {Level.OK: 0, Level.SKIPPED: 0, Level.WARNING: 3, Level.FAULT: 2}
"""The exit status by severity."""
_FIX_ROUNDS = 3

app = typer.Typer(
    invoke_without_command=True,
    help="Examine the whole installation and say what to do about what is wrong.",
)
story.register(app)


@app.callback()
def doctor(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
    fix: Annotated[
        bool, typer.Option("--fix", help="Mend what is safe: vector extension, migrations, streams.")
    ] = False,
    only: Annotated[
        str, typer.Option(metavar="CHECK,...", help="Only these checks and what they need; see --list.")
    ] = "",
    warnings_ok: Annotated[
        bool, typer.Option("--warnings-ok", help="Leave with 0 for warnings too.")
    ] = False,
    list_checks: Annotated[bool, typer.Option("--list", help="List the checks.")] = False,
) -> None:
    """Examine settings, servers, WeCom, callback, model, knowledge base and queues; at most 30 seconds.

    It looks at the running `kf run` of this folder if there is one, else at what environment and .env say.
    Status: 0 all is well, 3 warnings, 2 faults. Secrets are never shown.

    [bold]Examples[/]

      kf doctor

      kf doctor --json --warnings-ok

      kf doctor --only gettoken,callback_public

      kf doctor --fix

      kf doctor message MSGID
    """
    if context.invoked_subcommand:
        return
    console = Console(stderr=as_json, highlight=False)
    if list_checks:
        console.print(list_of(ALL))
        return
    report = asyncio.run(_examine(_chosen(only), console, fix=fix))
    if as_json:
        typer.echo(json.dumps(report.as_dict(), ensure_ascii=False, indent=2))
    else:
        show(console, report)
    is_tolerable = warnings_ok and report.level is Level.WARNING
    raise typer.Exit(0 if is_tolerable else STATUS[report.level])


def _chosen(only: str) -> tuple[Check, ...]:
    names = {name.strip() for name in only.split(",") if name.strip()}
    unknown = names - {check.name for check in ALL}
    if unknown:
        raise typer.BadParameter(
            f"{', '.join(sorted(unknown))}: no such check; `kf doctor --list` names them"
        )
    return with_needs(names) if names else ALL


async def _examine(checks: tuple[Check, ...], console: Console, *, fix: bool) -> Report:
    target = await find_target()
    report, mended = await _once(target, checks, console, fix=fix)
    for _ in range(_FIX_ROUNDS):
        if not mended:
            break
        # What was mended lets more be seen: schemas can be judged only once the extension is there.
        report, mended = await _once(target, checks, console, fix=fix)
    return report


async def _once(
    target: Target, checks: tuple[Check, ...], console: Console, *, fix: bool
) -> tuple[Report, list[str]]:
    async with open_system(target) as system:
        with LiveReport(console, checks) as live:
            report = await examine(system, checks, live.add)
        lines = await mend(system, report.problems) if fix else []
    for line in lines:
        console.print(f"[bold]{line}[/]", soft_wrap=True)
    return report, [line for line in lines if line.startswith(DONE)]
