"""Figures that can be compared: interleaved rounds, their median, spread and ratios within one run."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Figure:
    """What the rounds of one thing gave: the median and the quartiles around it."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Figure:
        """Of at least two values."""
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, low, high)

    @classmethod
    def one(cls, value: float) -> Figure:
        """What was measured once, over many."""
        return cls(value, value, value)

    def told(self, digits: int = 0) -> str:
        """`median (lower quartile to upper quartile)`, or the one value there is."""
        if self.low == self.median == self.high:
            return f"{self.median:,.{digits}f}"
        return f"{self.median:,.{digits}f} ({self.low:,.{digits}f} to {self.high:,.{digits}f})"


def interleaved(things: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Measure each thing once per round, so that what the machine does meanwhile falls on all alike."""
    found: dict[str, list[float]] = {name: [] for name in things}
    for number in range(rounds + 1):
        for name, measure in things.items():
            value = measure()
            # The first round warms up.
            if number:
                found[name].append(value)
    return found


def ratio(of: Sequence[float], to: Sequence[float]) -> Figure:
    """Round by round, so that a slow moment of the machine is on both sides."""
    return Figure.of([a / b for a, b in zip(of, to, strict=True)])


def machine() -> str:
    """Where and with what it was measured."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{model}, {cores} cores, {memory:.0f} GiB, {platform.system()} {platform.release()}"


def versions(*packages: str) -> str:
    """Python's and the packages' versions."""
    told = [f"{name} {importlib.metadata.version(name)}" for name in packages]
    return ", ".join([f"Python {platform.python_version()}", *told])
