"""`kf eval`: scores the product by scripted conversations on a stack of its own."""

import asyncio
import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from kf_cli import config, logview
from kf_cli.config import Part
from kf_cli.datadir import DataDir
from kf_cli.evaluation.case import CaseFileError, Suite, citing, load
from kf_cli.evaluation.report import Report
from kf_cli.evaluation.run import Runner
from kf_cli.knowledge_base import connect
from kf_cli.layout import Layout, isolated
from kf_cli.run import explained, failure, interruptible, load_sample
from kf_cli.simulator import Simulator
from kf_cli.sources import find_sources
from kf_cli.stack import Stack

app = typer.Typer(no_args_is_help=True, help="Score the product by scripted conversations.")

CASES = Path(__file__).parent / "cases"
DOCUMENTS = CASES / "documents"
"""Documents with instructions in them, by collection; only the injection cases load them."""
_SIMULATED = "the simulator's"
_SIMULATED_SECONDS, _REAL_SECONDS = 45.0, 120.0
_SIMULATED_AT_ONCE, _REAL_AT_ONCE = 24, 8
_INTERRUPTED = 130
QUICK = {
    # The limit of a real corp would make eighty conversations last a quarter of an hour.
    "KF_SENDER_RATE_PER_MINUTE": "9000",
    "KF_SIMULATOR_SEND_LIMIT_PER_MINUTE": "9000",
    "KF_SIMULATOR_LIMIT_SCALE": "100",
}

Threshold = Annotated[float, typer.Option(help="Each category must reach this share, or the status is 1.")]
Only = Annotated[list[str], typer.Option(help="Categories or ids of cases; may be given more than once.")]
Quick = Annotated[bool, typer.Option("--quick", help="Only the subset that the tests run.")]
Files = Annotated[list[Path], typer.Option("--file", help="Your own cases instead of those of the product.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Logs = Annotated[str, typer.Option(help="Folder that keeps the services' logs; default: none are kept.")]


@app.command()
def dialog(
    threshold: Threshold = 0.9,
    only: Only = [],  # noqa: B006
    quick: Quick = False,
    file: Files = [],  # noqa: B006
    as_json: AsJson = False,
    logs: Logs = "",
) -> None:
    """Hold the scripted conversations of a shop and a SaaS helpdesk and score every answer.

    Runs on free ports in a temporary folder, from the sample knowledge base, through the whole product.
    The model is the simulator's, or the real one if DEEPSEEK_API_KEY (and DEEPSEEK_BASE_URL, DEEPSEEK_MODEL)
    is set.

    [bold]Examples[/]

      kf eval dialog

      DEEPSEEK_API_KEY=sk-... kf eval dialog --json > result.json

      kf eval dialog --only memory --only handover
    """
    paths = list(file) or sorted(CASES.glob("dialog-*.yaml"))
    raise typer.Exit(_evaluate(paths, only, threshold, quick=quick, as_json=as_json, logs=logs))


@app.command()
def injection(
    threshold: Threshold = 0.0,
    only: Only = [],  # noqa: B006
    quick: Quick = False,
    file: Files = [],  # noqa: B006
    as_json: AsJson = False,
    logs: Logs = "",
) -> None:
    """Try to make the product say or do what customers' words and documents demand of the model.

    The simulator's model obeys every injected instruction: what passes was stopped by the product itself.
    With DEEPSEEK_API_KEY set, the real model is attacked instead.
    """
    paths = list(file) or sorted(CASES.glob("injection-*.yaml"))
    raise typer.Exit(_evaluate(paths, only, threshold, quick=quick, as_json=as_json, logs=logs, hostile=True))


def _evaluate(
    paths: Sequence[Path],
    only: Sequence[str],
    threshold: float,
    *,
    quick: bool,
    as_json: bool,
    logs: str,
    hostile: bool = False,
) -> int:
    try:
        suite = chosen(load(paths), only, quick=quick)
    except CaseFileError as error:
        typer.echo(f"kf eval: {error}", err=True)
        return 2
    console = Console(stderr=as_json, highlight=False)
    with tempfile.TemporaryDirectory(prefix="kefu-eval-") as folder, DataDir(Path(folder)) as data:
        layout = make_layout(data, Path(logs) if logs else None)
        evaluation = _Evaluation(layout, data.lock_fd, console, suite, threshold, hostile=hostile)
        status = asyncio.run(evaluation.run())
        if as_json and evaluation.report:
            print(json.dumps(evaluation.report.as_json(threshold), ensure_ascii=False, indent=2))
        return status


def chosen(suite: Suite, only: Sequence[str], *, quick: bool) -> Suite:
    """The cases that are wanted.

    Raises:
        CaseFileError: there are none.
    """
    cases = [
        case
        for case in suite.cases
        if (not only or case.id in only or case.about in only) and (case.smoke or not quick)
    ]
    if not cases:
        raise CaseFileError("no case is left to run: look at --only and --quick")
    return Suite(never=suite.never, cases=cases)


def make_layout(data: DataDir, logs: Path | None) -> Layout:
    """A stack of its own, with the real model if its key is set; `logs` outlive it."""
    layout = isolated(data, QUICK, {})
    outer = config.outer_environment()
    if outer.get("DEEPSEEK_API_KEY"):
        model = {name: value for name, value in outer.items() if name.startswith("DEEPSEEK_")}
        layout = replace(layout, outer={**layout.outer, **model}, real=frozenset({Part.MODEL}))
    return replace(layout, logs=logs.absolute()) if logs else layout


class _Evaluation:
    def __init__(
        self,
        layout: Layout,
        lock_fd: int,
        console: Console,
        suite: Suite,
        threshold: float,
        *,
        hostile: bool,
    ) -> None:
        self._console, self._suite, self._threshold, self._hostile = console, suite, threshold, hostile
        self._stack = Stack(layout, logview.MergedLog(console).add, lambda _: None, (lock_fd,))
        self.report: Report | None = None

    async def run(self) -> int:
        """The exit status; everything is stopped when this returns."""
        async with interruptible(self._stack) as interrupted:
            work, death = asyncio.create_task(self._work()), asyncio.create_task(self._stack.wait_death())
            try:
                await asyncio.wait({work, death, interrupted}, return_when=asyncio.FIRST_COMPLETED)
                error = await failure(work, death)
            finally:
                await self._stack.stop()
        if error:
            self._console.print(f"[bold red]The run broke off:[/] {explained(error)}", soft_wrap=True)
            return 1
        if work.cancelled() or self.report is None:
            return _INTERRUPTED
        return 1 if self._show(self.report) else 0

    async def _work(self) -> None:
        layout = self._stack.layout
        with self._console.status("Starting ..."):
            await self._stack.start()
            await load_sample(layout)
            if self._hostile:
                await load_hostile(layout)
        real = Part.MODEL in layout.real
        suite = _fitting(self._suite, real=real)
        accounts = {collection: kfid for kfid, collection in self._stack.collections.items()}
        async with Simulator(layout.simulator_url) as simulator:
            runner = Runner(
                simulator,
                accounts,
                at_once=_REAL_AT_ONCE if real else _SIMULATED_AT_ONCE,
                seconds=_REAL_SECONDS if real else _SIMULATED_SECONDS,
            )
            outcomes, untriggered = [], []
            for round_ in (suite, citing(suite)) if self._hostile and not real else (suite,):
                with self._console.status(f"{len(round_.cases)} conversations ..."):
                    outcomes += await runner.run(round_)
                untriggered += await runner.untriggered(round_)
            judge = await simulator.judge()
        kept = {case.id for case in suite.cases}
        self.report = Report(
            model=layout.outer.get("DEEPSEEK_MODEL", "deepseek-chat") if real else _SIMULATED,
            outcomes=outcomes,
            skipped=[case.id for case in self._suite.cases if case.id not in kept],
            untriggered=untriggered,
            broken=judge["broken"],
        )

    def _show(self, report: Report) -> list[str]:
        """Print it; what fails."""
        for line in report.failures():
            self._console.print(line, soft_wrap=True)
        self._console.print(report.table())
        if waits := report.waits():
            shown = "  ".join(f"{name} {seconds} s" for name, seconds in waits.items())
            self._console.print(f"first reply after: {shown}")
        if report.skipped:
            self._console.print(f"skipped, they need the simulator's model: {', '.join(report.skipped)}")
        if report.untriggered:
            self._console.print(f"taken out before the model, or not found: {', '.join(report.untriggered)}")
        failing = report.fails(self._threshold)
        if failing:
            self._console.print(f"[bold red]below {self._threshold:.0%}:[/] {', '.join(failing)}")
        return failing


def _fitting(suite: Suite, *, real: bool) -> Suite:
    """Without the cases that only the simulator's model can play; its overrides never reach a real one."""
    if not real:
        return suite
    cases = [case.model_copy(update={"hijack": []}) for case in suite.cases if not case.simulated]
    return Suite(never=suite.never, cases=cases)


async def load_hostile(layout: Layout) -> None:
    """Import the documents with instructions in them beside the sample."""
    async with connect(f"127.0.0.1:{layout.port('knowledge')}") as knowledge:
        for folder in sorted(DOCUMENTS.iterdir()):
            for source in find_sources([folder]):
                await knowledge.ingest(folder.name, source)
