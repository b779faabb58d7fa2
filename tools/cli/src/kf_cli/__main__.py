"""The `kf` command and the status it leaves with: 0 done, 1 failed, 2 a setting must be mended first."""

import sys
from typing import Annotated

import typer
from rich.console import Console

from kf_cli import run as run_command

VERSION = "0.1.0"
app = typer.Typer(
    name="kf",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,
    help="Kefu: AI customer service for WeCom KF (微信客服).",
)


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
    raise typer.Exit(run_command.run(Console()))


def main() -> None:
    """Entry point of `kf` and of `python -m kf_cli`."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
