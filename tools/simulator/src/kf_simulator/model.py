"""How the simulated model behaves: its latency, the errors it is told to give, what it is told to say."""

from __future__ import annotations

import random
from collections import deque
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from kf_simulator.records import Json

_REQUESTS_KEPT = 50

ModelFault = Literal[
    "none", "401", "402", "429", "500", "503", "timeout", "html",
    "empty", "cut", "cut_stream", "content_filter", "reasoning",
]  # fmt: skip


class ScriptedCall(BaseModel):
    """A tool that a scripted reply calls."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1)
    arguments: dict[str, Any] = {}


class Override(BaseModel):
    """What the model says or calls when all of `when` stands in the customer's newest words and the passages.

    So a test can have a model that obeys whatever a customer or a document tells it. `{system}` in `says`
    becomes the system prompt, `{passage}` the id of the first passage.
    """

    model_config = ConfigDict(extra="forbid")

    when: list[Annotated[str, Field(min_length=1)]] = Field(min_length=1)
    says: str = ""
    calls: list[ScriptedCall] = []


class ModelBehaviour(BaseModel):
    """`fault` hits the next `times` calls (None: all), each with `probability` by the dice of `seed`.

    `timeout` never answers. Up to `latency_spread_seconds`, by the same dice, is added to the latency.
    """

    model_config = ConfigDict(extra="forbid")

    latency_seconds: float = Field(0.0, ge=0, le=600)
    latency_spread_seconds: float = Field(0.0, ge=0, le=600)
    chunk_seconds: float = Field(0.0, ge=0, le=60)
    fault: ModelFault = "none"
    times: int | None = Field(None, ge=1)
    probability: float = Field(1.0, gt=0, le=1)
    seed: int = 0
    retry_after_seconds: float | None = Field(None, ge=0, description="Retry-After of 429 and 503")
    overrides: list[Override] = []


class Model:
    """The state of the model endpoint."""

    def __init__(self) -> None:
        self.reset()

    def behave(self, behaviour: ModelBehaviour) -> None:
        """Behave so from now on; the dice begin anew."""
        self.behaviour = behaviour
        self._dice = random.Random(behaviour.seed)  # noqa: S311
        self.overridden = [0] * len(behaviour.overrides)

    def next_fault(self) -> ModelFault:
        """The fault for this call; one that has hit often enough ends here."""
        behaviour = self.behaviour
        if behaviour.fault == "none" or self._dice.random() >= behaviour.probability:
            return "none"
        if behaviour.times is not None:
            left = behaviour.times - 1
            change = {"times": left} if left else {"times": None, "fault": "none"}
            self.behaviour = behaviour.model_copy(update=change)
        return behaviour.fault

    def next_latency(self) -> float:
        """Seconds that this call takes."""
        behaviour = self.behaviour
        spread = behaviour.latency_spread_seconds
        return behaviour.latency_seconds + (self._dice.random() * spread if spread else 0.0)

    def override(self, words: str) -> Override | None:
        """The first scripted reply whose triggers all stand in these words; counted in `overridden`."""
        for place, one in enumerate(self.behaviour.overrides):
            if all(trigger in words for trigger in one.when):
                self.overridden[place] += 1
                return one
        return None

    def reset(self) -> None:
        """Well behaved again, nothing remembered."""
        self.behave(ModelBehaviour())
        self.calls = 0
        self.requests: deque[Json] = deque(maxlen=_REQUESTS_KEPT)
