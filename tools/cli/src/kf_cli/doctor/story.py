"""`kf doctor message` and `kf doctor customer`: the trail through every store, the verdict, the remedy."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from kf_cli.doctor.checks import with_needs
from kf_cli.doctor.examination import described, examine
from kf_cli.doctor.finding import Level
from kf_cli.doctor.system import System, open_system
from kf_cli.doctor.target import find_target
from kf_cli.doctor.trail import Trail, trail_of, trails_of
from kf_cli.doctor.verdict import steps, verdict
from kf_cli.doctor.view import block
from kf_cli.logview import padded

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
_STORES = {"nats", "jetstream", "postgres"}

Find = Callable[[System], Awaitable[list[Trail]]]


def register(app: typer.Typer) -> None:
    """Add the commands to `kf doctor`."""
    app.command("message")(message)
    app.command("customer")(customer)


def message(
    msgid: Annotated[str, typer.Argument(metavar="MSGID", help="As WeCom, a log line or a trace gives it.")],
    as_json: AsJson = False,
) -> None:
    """Say why one message of a customer was not answered, or that it was: status 0, else 2.

    [bold]Example[/]

      kf doctor message 4gw7MepFLfgF2VC5npN
    """

    async def find(system: System) -> list[Trail]:
        return [await trail_of(system, msgid)]

    raise typer.Exit(asyncio.run(_tell(find, as_json=as_json)))


def customer(
    wanted: Annotated[str, typer.Argument(metavar="ID", help="external_userid, or its hash in the logs.")],
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many messages, the newest.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Say what became of a customer's newest messages: status 0 when each was dealt with, else 2.

    [bold]Example[/]

      kf doctor customer wmAbCdEf --limit 3
    """

    async def find(system: System) -> list[Trail]:
        return await trails_of(system, wanted, limit)

    raise typer.Exit(asyncio.run(_tell(find, as_json=as_json)))


async def _tell(find: Find, *, as_json: bool) -> int:
    console = Console(highlight=False)
    async with open_system(await find_target()) as system:
        report = await examine(system, with_needs(_STORES))
        broken = [f for r in report.results if r.check.name in _STORES for f in r.problems]
        if any(finding.level is Level.FAULT for finding in broken):
            for line in (line for finding in broken for line in block(finding)):
                Console(stderr=True).print(line, soft_wrap=True)
            return 2
        trails = await find(system)
    if as_json:
        typer.echo(
            json.dumps([as_dict(trail) for trail in trails], ensure_ascii=False, indent=2, default=str)
        )
    else:
        _show(console, trails)
    return 0 if trails and all(verdict(trail).is_fine for trail in trails) else 2


def as_dict(trail: Trail) -> dict[str, Any]:
    """One message's story for programs."""
    said = verdict(trail)
    return {
        "msgid": trail.msgid,
        "customer": trail.customer,
        "verdict": said.name,
        "is_fine": said.is_fine,
        "zh": said.words.zh,
        "en": said.words.en,
        "remedy": described(said.finding) if said.finding else None,
        "trail": [{"store": store, "at": at, "what": what} for store, at, what in steps(trail)],
    }


def _show(console: Console, trails: Sequence[Trail]) -> None:
    if not trails:
        console.print("没有这位客户的消息 / no message of this customer is known")
    for trail in trails:
        console.print(Text(trail.msgid, style="bold"), soft_wrap=True)
        for store, at, what in steps(trail):
            when = f"{at:%m-%d %H:%M:%S}" if at else ""
            console.print(Text(f"  {padded(store, 20)} {when:<14} {what}"), soft_wrap=True)
        said = verdict(trail)
        style = "green" if said.is_fine else "bold red"
        console.print(Text(f"  {said.words.zh} / {said.words.en}", style=style), soft_wrap=True)
        for line in block(said.finding) if said.finding else ():
            console.print(Text("  ") + line, soft_wrap=True)
