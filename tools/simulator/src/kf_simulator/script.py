"""Scripts: what goes wrong when, as a list of steps that runs the same way each time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from kf_simulator.faults import Fault
from kf_simulator.records import Json
from kf_simulator.switches import Switches


class Step(BaseModel):
    """What happens `at_seconds` after the start: any of the deeds, in the order of the fields."""

    model_config = ConfigDict(extra="forbid")

    at_seconds: float = Field(0, ge=0, le=86_400)
    clear: bool = Field(False, description="remove all armed faults first")
    fault: Fault | None = None
    switches: dict[str, Any] | None = None
    advance_seconds: float | None = Field(None, description="move the clock, back when negative")
    void_tokens: Literal[40001, 40014, 42001] | None = None

    @field_validator("switches")
    @classmethod
    def _known(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        Switches.model_validate(value or {})
        return value


class Script(BaseModel):
    """Steps in order of time; `seed` is the dice of every fault in it that has none of its own."""

    model_config = ConfigDict(extra="forbid")

    seed: int | None = None
    steps: list[Step] = Field(min_length=1)

    @model_validator(mode="after")
    def _in_order(self) -> Script:
        times = [step.at_seconds for step in self.steps]
        if times != sorted(times):
            raise ValueError("steps must be in order of at_seconds")
        return self


def read(path: Path) -> Script:
    """The script in a file; ValueError when it is none."""
    return Script.model_validate_json(path.read_bytes())


class ScriptRunner:
    """Runs one script at a time; `take` does a step."""

    def __init__(self, take: Callable[[Step], None]) -> None:
        self._take = take
        self._task: asyncio.Task[None] | None = None
        self._script: Script | None = None
        self._done = 0

    def start(self, script: Script) -> None:
        """Begin a script; one that still runs ends here."""
        self.stop()
        self._script, self._done = script, 0
        self._task = asyncio.get_running_loop().create_task(self._run(script))

    def stop(self) -> None:
        """Take no further step; what was armed stays."""
        if self._task:
            self._task.cancel()

    def progress(self) -> Json:
        """Whether a script runs, and how many of its steps are done."""
        running = self._task is not None and not self._task.done()
        return {
            "running": running,
            "done": self._done,
            "steps": len(self._script.steps) if self._script else 0,
        }

    async def _run(self, script: Script) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for step in script.steps:
            if (wait := began + step.at_seconds - loop.time()) > 0:
                await asyncio.sleep(wait)
            self._take(step)
            self._done += 1
