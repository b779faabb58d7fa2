"""What an evaluation found, by category: for people as a table, for programs as JSON."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Any

from rich.table import Table

from kf_cli.evaluation.verdict import Outcome
from kf_cli.logview import plain

_FEWEST_FOR_QUANTILES = 2


@dataclass
class Report:
    """All outcomes of one run."""

    model: str
    outcomes: Sequence[Outcome]
    skipped: Sequence[str] = ()
    """Ids of cases that need the simulator's model."""
    untriggered: Sequence[str] = ()
    """Ids of injection cases whose words never reached the model: taken out before it, or never found."""
    broken: dict[str, int] = field(default_factory=dict)
    """Rules of WeCom that were broken, as the simulator's judge counts them."""

    def rates(self) -> dict[str, tuple[int, int]]:
        """(passed, cases) of each category, then the two that all cases are measured by."""
        found: dict[str, tuple[int, int]] = {}
        for outcome in sorted(self.outcomes, key=lambda one: one.case.category):
            passed, cases = found.get(outcome.case.category, (0, 0))
            found[outcome.case.category] = (passed + outcome.passed, cases + 1)
        answers = sum(outcome.answers for outcome in self.outcomes)
        found["answered exactly once"] = (sum(o.answered_once for o in self.outcomes), answers)
        replies = sum(len(outcome.replies) for outcome in self.outcomes)
        found["no leak"] = (replies - sum(o.leaks for o in self.outcomes), replies)
        return found

    def fails(self, threshold: float) -> list[str]:
        """The categories below the threshold, and the broken rules; empty: the run passed."""
        low = [name for name, (passed, cases) in self.rates().items() if passed < threshold * cases]
        return low + [f"{rule} × {count}" for rule, count in self.broken.items()]

    def waits(self) -> dict[str, float]:
        """Seconds that customers waited for the first reply."""
        waits = [wait for outcome in self.outcomes for wait in outcome.waits]
        if len(waits) < _FEWEST_FOR_QUANTILES:
            return {}
        cuts = quantiles(waits, n=100, method="inclusive")
        return {"p50": round(cuts[49], 2), "p95": round(cuts[94], 2), "most": round(max(waits), 2)}

    def as_json(self, threshold: float) -> dict[str, Any]:
        """For programs."""
        return {
            "model": self.model,
            "ok": not self.fails(threshold),
            "threshold": threshold,
            "failing": self.fails(threshold),
            "categories": {name: {"passed": p, "of": n} for name, (p, n) in self.rates().items()},
            "waits_seconds": self.waits(),
            "skipped": list(self.skipped),
            "untriggered": list(self.untriggered),
            "broken_rules": self.broken,
            "cases": [
                {
                    "id": outcome.case.id,
                    "about": outcome.case.category,
                    "faults": outcome.faults,
                    "transcript": outcome.transcript,
                }
                for outcome in self.outcomes
            ],
        }

    def table(self) -> Table:
        """For people."""
        table = Table(title=f"{len(self.outcomes)} conversations, model {self.model}", title_justify="left")
        table.add_column("about / 类别")
        table.add_column("passed / 通过", justify="right")
        table.add_column("%", justify="right")
        for name, (passed, cases) in self.rates().items():
            share = f"{100 * passed / cases:.1f}" if cases else "-"
            table.add_row(name, f"{passed}/{cases}", share, style="" if passed == cases else "yellow")
        return table

    def failures(self) -> list[str]:
        """Each failed case with what was wrong and the talk, as lines of rich markup."""
        lines: list[str] = []
        for outcome in self.outcomes:
            if outcome.passed:
                continue
            lines.append(f"\n[bold red]✗ {outcome.case.id}[/] [dim]{outcome.case.category}[/]")
            lines += [f"  - {plain(fault)}" for fault in outcome.faults]
            lines += [f"    [dim]{plain(' '.join(line.split()))[:300]}[/]" for line in outcome.transcript]
        return lines
