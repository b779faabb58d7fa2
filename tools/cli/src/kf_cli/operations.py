"""`kf dead`, `kf queue`, `kf errcode`: what an operator asks when something does not arrive."""

import asyncio
import json
from collections.abc import Coroutine
from typing import Annotated, Any

import typer
from kf_contracts.events import DeadLetter
from kf_runtime.postgres import TRANSIENT, DatabaseError
from rich.console import Console
from rich.table import Table

from kf_cli import embedded, errcode
from kf_cli.config import RunSettings, read
from kf_cli.dead_letters import DeadLetterError, DeadLetters
from kf_cli.ledger import Queue, open_ledger
from kf_cli.logview import plain
from kf_cli.ports import Ports

dead = typer.Typer(no_args_is_help=True, help="Work that a service gave up: list, show, replay, drop.")
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table.")]
Numbers = Annotated[
    list[int], typer.Argument(min=1, metavar="NUMBER...", help="As `kf dead list` shows them.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to `kf`."""
    app.add_typer(dead, name="dead")
    app.command("queue")(queue)
    app.command("errcode")(errcode_)


def errcode_(
    code: Annotated[
        int | None, typer.Argument(help="An errcode, for example 95018; without it: all.")
    ] = None,
    fail_type: Annotated[
        int | None, typer.Option("--fail-type", help="A fail_type of a msg_send_fail event.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what an errcode of WeCom means, what the system does about it, and what you should do.

    [bold]Examples[/]

      kf errcode 95018

      kf errcode -- -1

      kf errcode --fail-type 13
    """
    if fail_type is not None:
        lines = errcode.describe_failure(fail_type)
    elif code is None:
        lines = errcode.known()
    else:
        lines = [errcode.as_json(code)] if as_json else errcode.describe(code)
    typer.echo("\n".join(lines))


def queue(
    status: Annotated[str, typer.Option(help="Only queued, sending, unknown, held or parked.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many commands.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show what waits to be sent and why: the session's holder, the budget, a circuit, WeCom's limit.

    [bold]Examples[/]

      kf queue

      kf queue --status parked --json
    """
    run(_queue(status, limit, as_json))


@dead.command("list")
def list_(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many, the newest.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List the dead letters, newest first."""
    run(_list(limit, as_json))


@dead.command()
def show(number: Annotated[int, typer.Argument(min=1)]) -> None:
    """Show one dead letter whole, as JSON. It may hold a customer's message where no other store keeps it."""
    run(_show(number))


@dead.command()
def replay(numbers: Numbers) -> None:
    """Run the work again and remove the letter. Safe: what has had its effect is not done twice."""
    run(_replay(numbers))


@dead.command()
def drop(numbers: Numbers) -> None:
    """Remove dead letters for good."""
    run(_drop(numbers))


async def _queue(status: str, limit: int, as_json: bool) -> None:
    async with open_ledger(database_url()) as ledger:
        found = await ledger.queue(status, limit)
    if as_json:
        typer.echo(json.dumps(found.as_dict(), ensure_ascii=False, indent=2))
        return
    _draw(found)


def _draw(found: Queue) -> None:
    console = Console(highlight=False)
    if found.pause_seconds:
        console.print(f"WeCom asked to wait: {found.pause_seconds:.0f} s more", soft_wrap=True)
    for circuit in found.circuits:
        who = circuit["open_kfid"] or "every account"
        console.print(
            f"[red]{plain(who)}[/] is refused with {circuit['errcode']} (kf errcode {circuit['errcode']}), "
            f"next try in {max(0, circuit['seconds']):.0f} s",
            soft_wrap=True,
        )
    console.print("  ".join(f"{name} {count}" for name, count in found.counts.items()) or "Nothing waits.")
    if not found.waiting:
        return
    table = Table("command", "account", "customer", "status", "parts", "age", "errcode", "reason", box=None)
    for row in found.waiting:
        parts, age = f"{row.parts_sent}/{row.parts_total}", f"{row.age_seconds:.0f} s"
        code = "" if row.errcode is None else str(row.errcode)
        cells = (row.command_id, row.open_kfid, row.customer, row.status, parts, age, code, row.reason)
        table.add_row(*map(plain, cells))
    console.print(table)


async def _list(limit: int, as_json: bool) -> None:
    async with DeadLetters(nats_url()) as letters:
        found = await letters.list(limit)
    if as_json:
        rows = [{"number": f.number, **_shown(f.letter)} for f in found]
        typer.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    console = Console(highlight=False)
    table = Table("number", "when", "service", "errcode", "command", "reason", box=None)
    for each in found:
        letter = each.letter
        when = letter.occurred_at.astimezone().strftime("%m-%d %H:%M:%S")
        code = "" if letter.errcode is None else str(letter.errcode)
        cells = (str(each.number), when, letter.service, code, letter.command_id or "", letter.reason)
        table.add_row(*map(plain, cells))
    console.print(table if found else "No dead letters.")


async def _show(number: int) -> None:
    async with DeadLetters(nats_url()) as letters:
        letter = await letters.show(number)
    shown = letter.model_dump(mode="json")
    if letter.errcode is not None:
        shown["catalogue"] = errcode.entry_of(letter.errcode)
    typer.echo(json.dumps(shown, ensure_ascii=False, indent=2))


async def _replay(numbers: list[int]) -> None:
    async with DeadLetters(nats_url()) as letters:
        for number in numbers:
            typer.echo(f"{number}: {await letters.replay(number, database_url())}")


async def _drop(numbers: list[int]) -> None:
    async with DeadLetters(nats_url()) as letters:
        for number in numbers:
            await letters.drop(number)
            typer.echo(f"{number}: dropped")


def _shown(letter: DeadLetter) -> dict[str, Any]:
    return letter.model_dump(mode="json", exclude={"payload"})


def nats_url() -> str:
    """The server that the settings name, else that of `kf run`."""
    return read(RunSettings).nats_url or f"nats://127.0.0.1:{read(Ports).kf_nats_port}"


def database_url() -> str:
    """The database that the settings name, else that of `kf run`."""
    real = read(RunSettings).database_url.get_secret_value()
    return real or embedded.database_url(read(Ports).kf_postgres_port)


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run a command to its end; what an operator can mend is one line, not a traceback."""
    try:
        asyncio.run(work)
    except (DeadLetterError, DatabaseError) as error:
        typer.echo(f"kf: {error}", err=True)
        raise typer.Exit(1) from None
    except TRANSIENT as error:
        typer.echo(f"kf: the database went away ({type(error).__name__}). Try again.", err=True)
        raise typer.Exit(1) from None
