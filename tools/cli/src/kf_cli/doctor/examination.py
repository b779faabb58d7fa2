"""Runs the checks in order of dependency, each under its own deadline, all within half a minute."""

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from kf_cli.doctor.catalogue import explained, found
from kf_cli.doctor.finding import Finding, Level, skipped, worst
from kf_cli.doctor.system import System

Run = Callable[[System], Awaitable[list[Finding]]]
TOTAL_SECONDS = 28.0
_STILL_SECONDS = 0.5


@dataclass(frozen=True)
class Check:
    """One line of the report. `needs`, `settings`: what must be fine before it makes sense."""

    name: str
    zh: str
    en: str
    run: Run
    needs: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    seconds: float = 6.0


@dataclass(frozen=True)
class Result:
    """What one check found; `because` says why it was skipped."""

    check: Check
    findings: tuple[Finding, ...] = ()
    seconds: float = 0.0

    @property
    def level(self) -> Level:
        """The worst finding's; skipped only when nothing was looked at."""
        levels = [finding.level for finding in self.findings]
        looked = [level for level in levels if level is not Level.SKIPPED]
        return worst(looked) if looked else worst(levels)

    @property
    def detail(self) -> str:
        """In a few words, what was seen or why nothing was."""
        return "; ".join(finding.detail for finding in self.findings if finding.detail)

    @property
    def problems(self) -> list[Finding]:
        """The findings that want somebody's attention."""
        return [f for f in self.findings if f.level in (Level.WARNING, Level.FAULT)]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "check": self.check.name,
            "zh": self.check.zh,
            "en": self.check.en,
            "level": self.level,
            "detail": self.detail,
            "seconds": round(self.seconds, 3),
            "findings": [described(finding) for finding in self.problems],
        }


@dataclass
class Report:
    """All results, in the order of the checks."""

    results: list[Result] = field(default_factory=list)

    @property
    def level(self) -> Level:
        """The worst of all, taking what was skipped for fine: its reason has a line of its own."""
        return worst(r.level for r in self.results if r.level is not Level.SKIPPED)

    @property
    def problems(self) -> list[Finding]:
        """Every warning and fault."""
        return [finding for result in self.results for finding in result.problems]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"level": self.level, "checks": [result.as_dict() for result in self.results]}


def described(finding: Finding) -> dict[str, str]:
    """A finding with all its words, for JSON."""
    words = explained(finding)
    return {
        "diagnosis": finding.diagnosis,
        "level": finding.level,
        **{f"{name}_zh": getattr(words, name).zh for name in ("cause", "harm", "remedy")},
        **{f"{name}_en": getattr(words, name).en for name in ("cause", "harm", "remedy")},
        "menu": words.menu,
        "prove": words.prove,
    }


async def examine(
    system: System,
    checks: Sequence[Check],
    on_result: Callable[[Result], None] = lambda _: None,
    seconds: float = TOTAL_SECONDS,
) -> Report:
    """Run the checks, at the same time where none needs the other; one that fails skips those behind it."""
    deadline = monotonic() + seconds
    tasks: dict[str, asyncio.Task[Result]] = {}

    async def one(check: Check) -> Result:
        needed = [await tasks[name] for name in check.needs if name in tasks]
        reason = _reason_to_skip(system, check, needed)
        if reason:
            result = Result(check, (skipped(reason),))
        else:
            result = await _run(system, check, min(check.seconds, deadline - monotonic()))
        on_result(result)
        return result

    for check in checks:
        tasks[check.name] = asyncio.create_task(one(check))
    return Report([await task for task in tasks.values()])


def _reason_to_skip(system: System, check: Check, needed: Sequence[Result]) -> str:
    blocking = [result.check for result in needed if result.level in (Level.FAULT, Level.SKIPPED)]
    if blocking:
        return f"因为「{blocking[0].zh}」未通过 / because of {blocking[0].name}"
    wrong = [name for name in check.settings if name in system.wrong_settings]
    return f"因为配置 {wrong[0]} / because of the setting {wrong[0]}" if wrong else ""


async def _run(system: System, check: Check, seconds: float) -> Result:
    began = monotonic()
    if seconds < _STILL_SECONDS:
        return Result(check, (skipped("时间已用完 / no time was left for it"),))
    findings: list[Finding]
    try:
        async with asyncio.timeout(seconds) as timer:
            findings = await check.run(system)
    except Exception as error:  # noqa: BLE001
        if timer.expired():
            name = {"check": check.name, "title": check.zh}
            findings = [found("check.hangs", **name, seconds=f"{seconds:.0f}")]
        else:
            # A slip in one check must not keep the other thirty from being seen.
            findings = [found("check.broken", check=check.name, title=check.zh, error=_place(error))]
    return Result(check, tuple(findings), monotonic() - began)


def _place(error: Exception) -> str:
    """What kind of error and where: its own words may hold a secret."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}"
