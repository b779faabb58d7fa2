"""`make bench`: runs the benchmarks one after the other and writes what they found into docs/performance.md.

    python -m benchmarks.report [NAME ... | --write]

With names, only those are run and the results of the others are taken from the last run
(benchmarks/results/*.json); with --write none. What is written by hand in docs/performance.md stays.
"""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.chart import drawn
from benchmarks.measured import machine, versions
from benchmarks.result import Result, Row, read

ROOT = Path(__file__).parents[1]
PAGE, RESULTS, IMAGES = (
    ROOT / "docs" / "performance.md",
    ROOT / "benchmarks" / "results",
    ROOT / "docs" / "images",
)
BEGIN, END = "<!-- measured by make bench -->", "<!-- end of what make bench measured -->"
NAMES = {
    "crypto": "Verify and decrypt a callback",
    "callbacks": "Take callbacks",
    "path": "The whole path",
    "rest": "Start and rest",
    "scaling": "Arithmetic of docs/scaling.md",
}
_PACKAGES = ("cryptography", "wechatpy", "fastapi", "uvicorn", "nats-py", "asyncpg", "opentelemetry-sdk")


def measured(name: str) -> None:
    """Run one benchmark into its file; CalledProcessError when it fails."""
    RESULTS.mkdir(exist_ok=True)
    command = [sys.executable, "-m", f"benchmarks.{name}", "--json", str(RESULTS / f"{name}.json")]
    subprocess.run(command, cwd=ROOT, check=True)


def section(title: str, result: Result) -> str:
    """One benchmark in Markdown, its pictures written beside it."""
    when = f"`{result.command}`, {result.measured_on}, load of the machine at its start {result.load:.1f}."
    lines = [f"### {title}", "", when, "", "| What | Median (quartiles) | | Aim |", "|---|---|---|---|"]
    lines += [_line(row) for row in result.rows]
    lines += ["", *(f"- {note}" for note in result.notes)] if result.notes else []
    for number, curve in enumerate(result.curves):
        name = f"bench-{result.name}-{number}.svg"
        (IMAGES / name).write_text(drawn(curve), encoding="utf-8")
        lines += ["", f"![{curve.title}](images/{name})"]
    return "\n".join([*lines, ""])


def _line(row: Row) -> str:
    aim = row.aim if row.met is None else f"{row.aim}: {'met' if row.met else '**missed**'}"
    return f"| {row.what} | {row.figure.told(row.digits)} | {row.unit} | {aim} |"


def main() -> None:
    """Measure what was asked for and write the page."""
    asked = sys.argv[1:] or list(NAMES)
    wanted = [] if asked == ["--write"] else asked
    for name in wanted:
        print(f"== {name}", flush=True)
        measured(name)
    found = {name: read(path) for name in NAMES if (path := RESULTS / f"{name}.json").exists()}
    head = f"{machine()}. {versions(*_PACKAGES)}. Written {datetime.now(UTC):%Y-%m-%d}."
    body = "\n".join([head, "", *(section(NAMES[name], result) for name, result in found.items())])
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n\n{body}\n{END}{rest.partition(END)[2]}", encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
