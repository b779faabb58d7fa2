"""The report on a terminal: a live line for each check, then a block for each fault with its mend."""

from collections.abc import Iterator, Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from kf_cli.doctor.catalogue import explained
from kf_cli.doctor.examination import Check, Report, Result
from kf_cli.doctor.finding import Finding, Level

MARKS = {
    Level.OK: ("✓", "green", "正常 ok"),
    Level.SKIPPED: ("-", "dim", "跳过 skipped"),
    Level.WARNING: ("!", "yellow", "警告 warning"),
    Level.FAULT: ("✗", "bold red", "故障 fault"),
}


class LiveReport:
    """A context manager that shows each check's line as soon as it is known."""

    def __init__(self, console: Console, checks: Sequence[Check]) -> None:
        self._checks = checks
        self._results: dict[str, Result] = {}
        self._live = Live(self._table(), console=console, refresh_per_second=8, transient=True)

    def __enter__(self) -> "LiveReport":
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def add(self, result: Result) -> None:
        """One more line is known."""
        self._results[result.check.name] = result
        self._live.update(self._table())

    def _table(self) -> RenderableType:
        waiting = [check for check in self._checks if check.name not in self._results]
        rows: list[RenderableType] = [
            _line(self._results[c.name]) for c in self._checks if c.name in self._results
        ]
        if waiting:
            names = ", ".join(check.name for check in waiting[:4])
            rows.append(Spinner("dots", f" {len(self._results)}/{len(self._checks)} {names} …"))
        return Group(*rows)


def show(console: Console, report: Report) -> None:
    """Every check in one line, then what is wrong."""
    for result in report.results:
        console.print(_line(result), soft_wrap=True)
    for result in report.results:
        for finding in result.problems:
            console.print()
            for line in block(finding):
                console.print(line, soft_wrap=True)
    console.print()
    console.print(_verdict(report))


def _line(result: Result) -> Text:
    mark, style, _ = MARKS[result.level]
    name = f"{result.check.zh} {result.check.en}" if result.check.zh != result.check.en else result.check.zh
    detail = result.detail or "; ".join(explained(f).cause.zh for f in result.problems)
    return Text.assemble(
        (f"{mark} ", style), (name, "bold"), "  ", (detail, "dim" if not result.problems else style)
    )


def block(finding: Finding) -> Iterator[Text]:
    """One problem: what it is, whom it hurts, what to do and where to click, what proves the mend."""
    words = explained(finding)
    mark, style, label = MARKS[finding.level]
    yield Text.assemble((f"{mark} {label}  {finding.diagnosis}", style))
    rows = (
        ("原因", words.cause.zh),
        ("cause", words.cause.en),
        ("影响", words.harm.zh),
        ("hurts", words.harm.en),
        ("处理", words.remedy.zh),
        ("mend", words.remedy.en),
        ("菜单", words.menu),
        ("验证", words.prove),
    )
    for name, text in rows:
        if text:
            yield Text.assemble((f"  {name}  ", "dim"), text)


def _verdict(report: Report) -> Text:
    counts = {level: sum(f.level is level for f in report.problems) for level in (Level.FAULT, Level.WARNING)}
    if report.level is Level.OK:
        return Text("全部正常 / everything is fine", style="bold green")
    faults, warnings = counts[Level.FAULT], counts[Level.WARNING]
    return Text(
        f"{faults} 个故障，{warnings} 个警告 / {faults} faults, {warnings} warnings",
        style=MARKS[report.level][1],
    )


def list_of(checks: Sequence[Check]) -> Table:
    """The checks by name, for `--list`."""
    table = Table("check", "检查", "what", "needs", box=None)
    for check in checks:
        table.add_row(check.name, check.zh, check.en, ", ".join(check.needs))
    return table
