"""What a benchmark hands to the report: rows of figures, curves, the command that made them."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.measured import Figure


@dataclass(frozen=True)
class Row:
    """One line of the report; `met` is None where nothing was aimed at."""

    what: str
    unit: str
    figure: Figure
    aim: str = ""
    met: bool | None = None
    digits: int = 0


@dataclass(frozen=True)
class Curve:
    """How something grows with its load: one line per name, as (x, y)."""

    title: str
    x: str
    y: str
    lines: dict[str, list[tuple[float, float]]]


@dataclass(frozen=True)
class Result:
    """All that one benchmark found."""

    name: str
    rows: list[Row]
    curves: list[Curve] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    load: float = 0.0
    """Of the machine when it began."""
    command: str = ""
    measured_on: str = ""


def run(measure: Callable[..., Result], description: str, **options: Any) -> Result:
    """A benchmark's command line: `--<option>` for each of its numbers, `--json` for the report."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, value in options.items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    parser.add_argument("--json", type=Path, help="write the result here")
    asked = vars(parser.parse_args())
    target, load = asked.pop("json"), os.getloadavg()[0]
    found = measure(**asked)
    for row in found.rows:
        verdict = "" if row.met is None else f"  aim {row.aim}: {'met' if row.met else 'missed'}"
        print(f"{row.what:<50} {row.figure.told(row.digits)} {row.unit}{verdict}")
    for note in found.notes:
        print(f"  {note}")
    if target:
        options = [f"--{name} {value}" for name, value in asked.items()]
        told = asdict(found) | {
            "load": load,
            "command": " ".join([f"python -m benchmarks.{Path(sys.argv[0]).stem}", *options]),
            "measured_on": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        }
        target.write_text(json.dumps(told, ensure_ascii=False, indent=1), encoding="utf-8")
    return found


def read(path: Path) -> Result:
    """What `--json` wrote."""
    raw = json.loads(path.read_text(encoding="utf-8"))
    rows = [Row(**row | {"figure": Figure(**row["figure"])}) for row in raw["rows"]]
    curves = [Curve(**curve) for curve in raw["curves"]]
    return Result(**raw | {"rows": rows, "curves": curves})
