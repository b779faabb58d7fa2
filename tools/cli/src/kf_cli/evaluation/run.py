"""Runs a suite against a stack: many cases at once, those that change what all share one after the other."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from kf_cli.evaluation.case import Case, Suite
from kf_cli.evaluation.holding import Holding
from kf_cli.evaluation.verdict import Outcome
from kf_cli.simulator import Simulator

_BEGIN_APART_SECONDS = 0.1


class Runner:
    """One run; `accounts`: open_kfid by collection."""

    def __init__(
        self,
        simulator: Simulator,
        accounts: dict[str, str],
        *,
        at_once: int,
        seconds: float,
        on_case: Callable[[Outcome], None] = lambda _: None,
    ) -> None:
        """at_once: how many cases run together. seconds: patience with one answer."""
        self._simulator, self._accounts = simulator, accounts
        self._room, self._seconds, self._on_case = asyncio.Semaphore(at_once), seconds, on_case
        self._servicers: list[str] = []

    async def run(self, suite: Suite) -> list[Outcome]:
        """The outcomes in the order of the cases."""
        self._servicers = [
            one["userid"] for one in await self._simulator.control("GET", "/control/servicers")
        ]
        together = [case for case in suite.cases if not case.alone]
        behaviour = {"overrides": [one for case in together for one in hijacks(case)]}
        await self._simulator.control("PUT", "/control/model", behaviour)
        outcomes = await asyncio.gather(
            *(self._hold(case, suite.never, place) for place, case in enumerate(together))
        )
        found = {outcome.case.id: outcome for outcome in outcomes}
        for case in suite.cases:
            if case.alone:
                found[case.id] = await self._hold_alone(case, suite.never)
        return [found[case.id] for case in suite.cases]

    async def untriggered(self, suite: Suite) -> list[str]:
        """Ids of the cases whose injected words never reached the model, after a run."""
        shown = await self._simulator.control("GET", "/control/model")
        owners = [case.id for case in suite.cases if not case.alone for _ in case.hijack]
        counts: dict[str, int] = {}
        for owner, count in zip(owners, shown["overridden"], strict=False):
            counts[owner] = counts.get(owner, 0) + count
        return [name for name, count in counts.items() if not count]

    async def _hold(self, case: Case, never: Sequence[str], place: int = 0) -> Outcome:
        async with self._room:
            await asyncio.sleep(_BEGIN_APART_SECONDS * (place % 10))
            holding = Holding(self._simulator, self._accounts, case, self._servicers[0], self._seconds)
            outcome = await holding.run(never)
        self._on_case(outcome)
        return outcome

    async def _hold_alone(self, case: Case, never: Sequence[str]) -> Outcome:
        behaviour = {**case.model, "overrides": hijacks(case)}
        await self._simulator.control("PUT", "/control/model", behaviour)
        if not case.servicers_online:
            await self._set_servicers(1)
        try:
            return await self._hold(case, never)
        finally:
            await self._simulator.control("PUT", "/control/model", {})
            if not case.servicers_online:
                await self._set_servicers(0)

    async def _set_servicers(self, status: int) -> None:
        for userid in self._servicers:
            for open_kfid in self._accounts.values():
                await self._simulator.control(
                    "POST",
                    f"/control/servicers/{userid}/status",
                    {"open_kfid": open_kfid, "status": status},
                )


def hijacks(case: Case) -> list[dict[str, Any]]:
    """The overrides of the simulator's model that a case asks for."""
    return [hijack.model_dump() for hijack in case.hijack]
