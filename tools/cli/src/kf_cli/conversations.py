"""`kf conversations`, `show`, `unanswered`, `export`, `erase`: what was said, and how to forget it."""

import json
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from kf_runtime import postgres
from kf_runtime.postgres import DatabaseError
from rich.console import Console
from rich.table import Table

from kf_cli.dead_letters import DeadLetters
from kf_cli.dialog_records import DialogRecords, as_dict, open_records
from kf_cli.erasure import erase as erase_customer
from kf_cli.logview import plain
from kf_cli.operations import AsJson, database_url, nats_url, run

Customer = Annotated[
    str, typer.Argument(help="external_userid, or the 12 hex digits that logs, traces and lists show.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to `kf`."""
    for command in (conversations, show, unanswered, export, erase):
        app.command()(command)


def conversations(
    account: Annotated[str, typer.Option(help="Only this open_kfid.")] = "",
    holder: Annotated[str, typer.Option(help="Only bot, asked, pool or servicer.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many, the newest.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List conversations: who holds them, turns, tokens, cost, latency, last outcome, rating.

    [bold]Examples[/]

      kf conversations --holder servicer

      kf conversations --json
    """
    run(_conversations(account, holder, limit, as_json))


def show(customer: Customer, as_json: AsJson = False) -> None:
    """Show all that one customer said, how each turn was answered, from what, and whether it arrived.

    [bold]Example[/]

      kf show 1f128e4262dd
    """
    run(_show(customer, as_json))


def unanswered(
    seconds: Annotated[float, typer.Option(min=0, help="Who has waited for so long.")] = 30.0,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many, the oldest.")] = 200,
    as_json: AsJson = False,
) -> None:
    """List customers who wait, whom nobody took over, or whose answer did not arrive, and why.

    [bold]Example[/]

      kf unanswered
    """
    run(_unanswered(seconds, limit, as_json))


def export(
    customer: Annotated[
        str, typer.Argument(help="As in `kf show`; without it: all with recent messages.")
    ] = "",
    days: Annotated[float, typer.Option(min=0, help="How recent, without a customer.")] = 30.0,
) -> None:
    """Print conversations as JSON Lines, a customer each: messages, turns, deliveries, ratings.

    [bold]Examples[/]

      kf export 1f128e4262dd > customer.jsonl

      kf export --days 7 > week.jsonl
    """
    run(_export(customer, days))


def erase(
    customer: Customer,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete one customer everywhere: tables, streams, dead letters; then count what is left.

    Leaves with 0 only if nothing is left. WeCom keeps its own copy of the last three days.

    [bold]Example[/]

      kf erase wmXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX
    """
    if not yes:
        typer.confirm("Delete everything of this customer? / 确认删除该客户的全部数据？", abort=True)
    run(_erase(customer, as_json))


async def _conversations(account: str, holder: str, limit: int, as_json: bool) -> None:
    async with open_records(database_url()) as records:
        found = await records.conversations(account, holder, limit)
    if as_json:
        _json([as_dict(each) for each in found])
        return
    names = (
        "account",
        "customer",
        "holder",
        "turns",
        "tokens",
        "cost",
        "latency",
        "outcome",
        "rating",
        "last",
    )
    _table(
        names,
        (
            (
                *(each.open_kfid, each.customer, each.holder, str(each.turns), str(each.tokens)),
                f"{each.cost:.4f} {each.currency}",
                *(f"{each.latency_seconds:.1f} s", each.outcome, str(each.rating or "")),
                f"{each.last_message_at.astimezone():%m-%d %H:%M:%S}",
            )
            for each in found
        ),
        "No conversations.",
    )


async def _unanswered(seconds: float, limit: int, as_json: bool) -> None:
    async with open_records(database_url()) as records:
        found = await records.unanswered(seconds, limit)
    if as_json:
        _json([as_dict(each) for each in found])
        return
    rows = (
        (each.open_kfid, each.customer, f"{each.since.astimezone():%m-%d %H:%M:%S}", each.why, each.reason)
        for each in found
    )
    _table(("account", "customer", "since", "why", "reason"), rows, "Nobody waits.")


async def _show(customer: str, as_json: bool) -> None:
    async with open_records(database_url()) as records:
        found = await records.everything(await _only(records, customer))
    if as_json:
        _json(found)
        return
    console = Console(highlight=False)
    for line in transcript(found):
        console.print(plain(line), soft_wrap=True)


def transcript(found: dict[str, Any]) -> Iterator[str]:
    """Both sides' words in order of time, each turn with its facts."""
    lines = [(row["at"], _said(row)) for row in found["messages"]]
    lines += [(row["at"], _answered(row)) for row in found["turns"]]
    lines += [(row["at"], f"rated    {row['score']} {row['label']}") for row in found["ratings"]]
    for at, line in sorted(lines, key=lambda each: each[0]):
        yield f"{at.astimezone():%m-%d %H:%M:%S}  {line}"


def _said(row: dict[str, Any]) -> str:
    who = {3: "customer", 5: "servicer"}.get(row["origin"], "system")
    fate = f"  ({row['status']}{': ' + row['reason'] if row['reason'] else ''})" if who == "customer" else ""
    return f"{who:<9}{row['text'] or '[' + row['msgtype'] + ']'}{fate}"


def _answered(row: dict[str, Any]) -> str:
    delivery = ", ".join(f"{each['kind']} {each['status']}" for each in json.loads(row["delivery"]))
    facts = [
        row["outcome"],
        f"{row['latency_seconds']:.1f} s",
        f"{row['model']} {row['input_tokens']}+{row['output_tokens']} tokens" if row["model"] else "",
        f"{row['cost']:.4f} {row['currency']}" if row["cost"] else "",
        "sources " + " ".join(row["passage_ids"]) if row["passage_ids"] else "",
        f"handover {row['handover_reason']} → {row['handover_result'] or '?'}"
        if row["handover_reason"]
        else "",
        "gap" if row["gap"] else "",
        delivery or "not delivered yet",
        f"turn {row['turn_id']}",
    ]
    return f"bot      {row['reply']}\n{'':17}[{'; '.join(filter(None, facts))}]"


async def _export(customer: str, days: float) -> None:
    async with open_records(database_url()) as records:
        wanted = [await _only(records, customer)] if customer else await records.recent(days)
        for external_userid in wanted:
            found = await records.everything(external_userid)
            typer.echo(json.dumps(found, ensure_ascii=False, default=str))


async def _erase(customer: str, as_json: bool) -> None:
    async with open_records(database_url()) as records:
        known = await records.customers(customer)
    # Without a conversation there may still be a dead letter that names the id.
    external_userid = known[0] if len(known) == 1 else customer
    pool = await postgres.connect(database_url(), "dialog", max_size=2, wait_seconds=3)
    try:
        async with DeadLetters(nats_url()) as letters:
            found = await erase_customer(pool, letters.jetstream, external_userid)
    finally:
        await pool.close()
    if as_json:
        _json([{"store": each.store, "before": each.before, "after": each.after} for each in found])
    else:
        rows = ((each.store, str(each.before), str(each.after)) for each in found)
        _table(("store", "before", "after"), rows, "Nothing to erase.")
    if any(each.after for each in found):
        typer.echo(
            "kf: something is left; a message was on its way. Run it again. / 仍有残留，请再运行一次。",
            err=True,
        )
        raise typer.Exit(1)


async def _only(records: DialogRecords, customer: str) -> str:
    found = await records.customers(customer)
    if len(found) != 1:
        raise DatabaseError(
            f"No conversation of {customer}: `kf conversations` lists them. / 没有该客户的会话。"
        )
    return found[0]


def _json(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def _table(names: tuple[str, ...], rows: Iterator[tuple[str, ...]], nothing: str) -> None:
    console = Console(highlight=False)
    table = Table(*names, box=None)
    for row in rows:
        table.add_row(*map(plain, row))
    console.print(table if table.row_count else nothing)
