"""Faults on demand: fail, slow or drop calls, lose cursors, jump in time, lose or double notices."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
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
    TOKEN_ENDED = "token_ended"  # noqa: S105 - a name, not a secret
    CLOCK_JUMP = "clock_jump"
    EMPTY_PAGE = "empty_page"
    SHORT_PAGE = "short_page"
    CURSOR_LOST = "cursor_lost"
    NOTICE_LOST = "notice_lost"
    NOTICE_DOUBLED = "notice_doubled"
    NOTICE_LATE = "notice_late"


class Fault(BaseModel):
    """A rule: hit calls of `api` ("*" for all) `times` times (None: until cleared) with some probability.

    With `external_userid` only sends to that customer are hit. `seconds` is the delay of slow, notice_late
    and send_fail, `jump_seconds` how far clock_jump moves the clock. Without a `seed` the run's seed counts.
    """

    model_config = ConfigDict(extra="forbid")

    kind: FaultKind
    api: str = "*"
    errcode: int = -1
    fail_type: int = 13
    seconds: float = Field(1.0, ge=0, le=600)
    jump_seconds: float = 3600.0
    times: int | None = Field(1, ge=1)
    probability: float = Field(1.0, gt=0, le=1)
    seed: int | None = None
    external_userid: str = ""
    skip: int = Field(0, ge=0, description="calls that pass before the first hit")


class _Armed:
    def __init__(self, fault: Fault, seed: int) -> None:
        self.fault = fault
        self.left = fault.times
        self.skip = fault.skip
        self.hits = 0
        self._seed = seed
        self._rolls: Counter[tuple[str, int]] = Counter()

    def fits(self, api: str, external_userid: str) -> bool:
        fault = self.fault
        if fault.api not in ("*", api) or (
            fault.external_userid and fault.external_userid != external_userid
        ):
            return False
        return self.left != 0

    def roll(self, api: str, customer: int) -> bool:
        if self.skip:
            self.skip -= 1
            return False
        if self.fault.probability < 1 and self._dice(api, customer) >= self.fault.probability:
            return False
        self.hits += 1
        if self.left is not None:
            self.left -= 1
        return True

    def _dice(self, api: str, customer: int) -> float:
        # One row of dice per API and customer: what hits the n-th send to a customer does not depend on how
        # the calls for different customers happen to interleave, so that a run can be repeated.
        self._rolls[api, customer] += 1
        number = self._rolls[api, customer]
        return random.Random(f"{self._seed}/{api}/{customer}/{number}").random()  # noqa: S311


class Faults:
    """The armed faults, by id. `number_of` gives a customer's number in order of appearance."""

    def __init__(self, number_of: Callable[[str], int], seed: int = 0) -> None:
        self.seed = seed
        self._number_of = number_of
        self._armed: dict[int, _Armed] = {}
        self._ids = count(1)

    def arm(self, fault: Fault) -> int:
        """Add a fault and return its id."""
        number = next(self._ids)
        self._armed[number] = _Armed(fault, self.seed if fault.seed is None else fault.seed)
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
        if not self._armed:
            return None
        customer = self._number_of(external_userid)
        for armed in self._armed.values():
            if armed.fault.kind in kinds and armed.fits(api, external_userid) and armed.roll(api, customer):
                return armed.fault
        return None
