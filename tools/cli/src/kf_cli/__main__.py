"""The `kf` command and the status it leaves with: 0 done, 1 failed, 2 a setting must be mended first."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from kf_cli import conversations, kb, operations, questions
from kf_cli import demo as demo_command
from kf_cli import run as run_command
from kf_cli.config import read
from kf_cli.doctor.command import app as doctor
from kf_cli.evaluation.command import app as evaluation
from kf_cli.kb_publishing import evaluate as evaluate_knowledge
from kf_cli.ports import Ports
from kf_cli.trace import TraceError, Traces, waterfall

VERSION = "0.1.0"
app = typer.Typer(
    name="kf",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,
    help="Kefu: AI customer service for WeCom KF (微信客服).",
)
app.add_typer(kb.app, name="kb")
app.add_typer(doctor, name="doctor")
app.add_typer(evaluation, name="eval")
evaluation.command("knowledge")(evaluate_knowledge)
operations.register(app)
conversations.register(app)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"kf {VERSION}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Kefu: AI customer service for WeCom KF (微信客服)."""


@app.command()
def init(
    file: Annotated[Path, typer.Option("--file", help="Where the answers go.")] = Path(".env"),
    check: Annotated[bool, typer.Option("--check/--no-check", help="Try each answer at once.")] = True,
) -> None:
    """Ask for the settings that no default can know, try each answer, and write .env.

    What is there already is kept by Enter. Secrets are not echoed. Status 1: an answer was kept that does not
    work yet; `kf doctor` says why.

    [bold]Examples[/]

      kf init

      kf init --file /etc/kefu/.env --no-check
    """
    raise typer.Exit(questions.ask_all(file, Console(highlight=False), check=check))


@app.command()
def run() -> None:
    """Run the whole product on this machine until Ctrl-C.

    Everything that is not set is simulated or embedded. Each part gives way to the real one when its setting
    is in the environment or in .env: WECOM_* (four), DEEPSEEK_API_KEY, NATS_URL, DATABASE_URL,
    EMBEDDING_BASE_URL, OTEL_EXPORTER_OTLP_ENDPOINT. .env.example lists every name.

    [bold]Examples[/]

      kf run

      PORT=8001 KF_DATA_DIR=/tmp/kefu kf run

      DEEPSEEK_API_KEY=sk-... kf run
    """
    raise typer.Exit(run_command.run(Console(highlight=False)))


@app.command()
def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running until Ctrl-C.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Run a scripted conversation of several customers and check every answer and its trace.

    Nothing real is touched: free ports, a temporary folder, everything simulated or embedded.
    Leaves with 0 only if every customer got the right answer exactly once.

    [bold]Examples[/]

      kf demo

      kf demo --json > result.json
    """
    console = Console(stderr=as_json, highlight=False)
    raise typer.Exit(demo_command.demo(console, keep=keep, as_json=as_json))


@app.command()
def trace(
    wanted: Annotated[str, typer.Argument(metavar="ID", help="A trace id, msgid, turn id or command id.")],
    url: Annotated[
        str, typer.Option(envvar="KF_TRACES_URL", help="The local dashboard; default: KF_TRACES_PORT here.")
    ] = "",
    sql: Annotated[bool, typer.Option("--sql", help="Show the database's spans too.")] = False,
) -> None:
    """Draw the trace of one message as a waterfall: from the callback to the last send_msg.

    [bold]Example[/]

      kf trace 4bf92f3577b34da6a3ce929d0e0e4736
    """
    url = url or f"http://127.0.0.1:{read(Ports).kf_traces_port}"
    raise typer.Exit(asyncio.run(_trace(wanted, url, sql=sql)))


async def _trace(wanted: str, url: str, *, sql: bool) -> int:
    console = Console(highlight=False)
    async with Traces(url) as traces:
        try:
            found = [(trace_id, await traces.spans(trace_id)) for trace_id in await traces.find(wanted)]
        except TraceError as error:
            typer.echo(f"kf trace: {error}", err=True)
            return 1
    found = [(trace_id, spans) for trace_id, spans in found if spans]
    if not found:
        typer.echo(f"kf trace: no trace with {wanted}. Spans arrive about a second after the fact.", err=True)
        return 1
    for trace_id, spans in found:
        console.print(
            f"[bold]{trace_id}[/] [dim]{len(spans)} spans  {url}/trace/{trace_id}[/]", soft_wrap=True
        )
        for line in waterfall(spans if sql else [span for span in spans if not span.is_sql]):
            console.print(line, soft_wrap=True)
    return 0


def main() -> None:
    """Entry point of `kf` and of `python -m kf_cli`."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
