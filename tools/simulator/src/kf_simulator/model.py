"""How the simulated model behaves: its latency and the errors it is told to give."""

from __future__ import annotations

from collections import deque
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from kf_simulator.records import Json

_REQUESTS_KEPT = 50

ModelFault = Literal["none", "401", "402", "429", "500", "503", "timeout", "empty", "cut_stream"]


class ModelBehaviour(BaseModel):
    """`fault` hits the next `times` calls (None: until changed); `timeout` never answers."""

    model_config = ConfigDict(extra="forbid")

    latency_seconds: float = Field(0.0, ge=0, le=600)
    chunk_seconds: float = Field(0.0, ge=0, le=60)
    fault: ModelFault = "none"
    times: int | None = Field(None, ge=1)


class Model:
    """The state of the model endpoint."""

    def __init__(self) -> None:
        self.behaviour = ModelBehaviour()
        self.calls = 0
        self.requests: deque[Json] = deque(maxlen=_REQUESTS_KEPT)

    def next_fault(self) -> ModelFault:
        """The fault for this call; one that has hit often enough ends here."""
        fault = self.behaviour.fault
        if fault != "none" and self.behaviour.times is not None:
            left = self.behaviour.times - 1
            change = {"times": left} if left else {"times": None, "fault": "none"}
            self.behaviour = self.behaviour.model_copy(update=change)
        return fault

    def reset(self) -> None:
        """Well behaved again, nothing remembered."""
        self.behaviour = ModelBehaviour()
        self.calls = 0
        self.requests.clear()
