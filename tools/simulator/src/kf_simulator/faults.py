"""Faults on demand: fail, slow down, cut off or drop calls, lose or double notices."""

from __future__ import annotations

import random
from enum import StrEnum
from itertools import count

from pydantic import BaseModel, ConfigDict, Field


class FaultKind(StrEnum):
    """What goes wrong. The first group hits calls, the second sync_msg's pages, the third notices."""

    ERRCODE = "errcode"
    SLOW = "slow"
    BAD_GATEWAY = "bad_gateway"
    CUT_JSON = "cut_json"
    DROP_BEFORE = "drop_before"
    DROP_AFTER = "drop_after"
    SEND_FAIL = "send_fail"
    EMPTY_PAGE = "empty_page"
    SHORT_PAGE = "short_page"
    NOTICE_LOST = "notice_lost"
    NOTICE_DOUBLED = "notice_doubled"
    NOTICE_LATE = "notice_late"


class Fault(BaseModel):
    """A rule: hit calls of `api` ("*" for all) `times` times (None: until cleared) with some probability.

    With `external_userid` only sends to that customer are hit. `seconds` is the delay of slow, notice_late
    and send_fail; `seed` makes the dice repeat.
    """

    model_config = ConfigDict(extra="forbid")

    kind: FaultKind
    api: str = "*"
    errcode: int = -1
    fail_type: int = 13
    seconds: float = Field(1.0, ge=0, le=600)
    times: int | None = Field(1, ge=1)
    probability: float = Field(1.0, gt=0, le=1)
    seed: int = 0
    external_userid: str = ""
    skip: int = Field(0, ge=0, description="calls that pass before the first hit")


class _Armed:
    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.left = fault.times
        self.skip = fault.skip
        self.hits = 0
        self._dice = random.Random(fault.seed)  # noqa: S311 - repeatable on purpose

    def fits(self, api: str, external_userid: str) -> bool:
        fault = self.fault
        if fault.api not in ("*", api) or (
            fault.external_userid and fault.external_userid != external_userid
        ):
            return False
        return self.left != 0

    def roll(self) -> bool:
        if self.skip:
            self.skip -= 1
            return False
        if self.fault.probability < 1 and self._dice.random() >= self.fault.probability:
            return False
        self.hits += 1
        if self.left is not None:
            self.left -= 1
        return True


class Faults:
    """The armed faults, by id."""

    def __init__(self) -> None:
        self._armed: dict[int, _Armed] = {}
        self._ids = count(1)

    def arm(self, fault: Fault) -> int:
        """Add a fault and return its id."""
        number = next(self._ids)
        self._armed[number] = _Armed(fault)
        return number

    def clear(self) -> None:
        """Remove all faults."""
        self._armed.clear()

    def disarm(self, number: int) -> None:
        """Remove one fault; KeyError if there is none."""
        del self._armed[number]

    def listing(self) -> list[dict[str, object]]:
        """Every armed fault with its id, its hits so far and how many are left."""
        return [
            {"id": number, "hits": armed.hits, "left": armed.left, **armed.fault.model_dump(mode="json")}
            for number, armed in self._armed.items()
        ]

    def strike(self, api: str, *kinds: FaultKind, external_userid: str = "") -> Fault | None:
        """The first armed fault of these kinds that hits this call, counted as a hit."""
        for armed in self._armed.values():
            if armed.fault.kind in kinds and armed.fits(api, external_userid) and armed.roll():
                return armed.fault
        return None
