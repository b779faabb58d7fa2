"""The control API's other half: faults, switches, clock, tokens, callback, model, judge, reset."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, HTTPException, Response
from pydantic import ValidationError

from kf_simulator.control_models import Advance, Callback, VoidTokens
from kf_simulator.faults import Fault
from kf_simulator.records import Json
from kf_simulator.script import Script
from kf_simulator.simulation import Simulation
from kf_simulator.switches import Switches


def faults_router(sim: Simulation) -> APIRouter:
    """What goes wrong, and how WeCom's guessed rules are set."""
    router = APIRouter(tags=["faults"])
    _add_faults(router, sim)
    _add_script(router, sim)
    _add_time(router, sim)
    _add_callback(router, sim)
    _add_judge(router, sim)
    return router


def _add_faults(router: APIRouter, sim: Simulation) -> None:
    @router.get("/control/faults")
    async def list_faults() -> list[dict[str, object]]:
        """Armed faults with their hits."""
        return sim.faults.listing()

    @router.post("/control/faults", status_code=201)
    async def arm(fault: Fault) -> Json:
        """Arm a fault."""
        return {"id": sim.faults.arm(fault)}

    @router.delete("/control/faults", status_code=204)
    async def clear() -> Response:
        """Remove all faults."""
        sim.faults.clear()
        return Response(status_code=204)

    @router.delete("/control/faults/{number}", status_code=204)
    async def disarm(number: int) -> Response:
        """Remove one fault."""
        try:
            sim.faults.disarm(number)
        except KeyError:
            raise HTTPException(404, "no such fault") from None
        return Response(status_code=204)

    @router.get("/control/switches")
    async def switches() -> Switches:
        """How the guessed rules are set."""
        return sim.switches

    @router.patch("/control/switches")
    async def turn(changes: dict[str, Any]) -> Switches:
        """Turn some switches; nothing changes when one of them is wrong."""
        try:
            sim.turn(changes)
        except ValidationError as error:
            raise HTTPException(422, error.errors(include_url=False, include_input=False)) from None
        return sim.switches


def _add_script(router: APIRouter, sim: Simulation) -> None:
    @router.post("/control/script", status_code=201)
    async def start(script: Script) -> Json:
        """Run a script of faults; one that still runs ends here."""
        sim.run_script(script)
        return sim.script.progress()

    @router.get("/control/script")
    async def progress() -> Json:
        """Whether a script runs, and how far it is."""
        return sim.script.progress()

    @router.delete("/control/script", status_code=204)
    async def stop() -> Response:
        """Take no further step; what was armed stays."""
        sim.script.stop()
        return Response(status_code=204)


def _add_time(router: APIRouter, sim: Simulation) -> None:
    @router.get("/control/clock")
    async def clock() -> Json:
        """The simulated time."""
        return {"now": sim.world.clock.now(), "offset": sim.world.clock.offset}

    @router.post("/control/clock/advance")
    async def advance(request: Advance) -> Json:
        """Move the simulated time."""
        sim.world.advance_clock(request.seconds)
        return await clock()

    @router.post("/control/access_tokens/void")
    async def void(request: VoidTokens) -> Json:
        """End every access token early."""
        return {"voided": sim.tokens.void(request.errcode)}

    @router.post("/control/reset", status_code=204)
    async def reset() -> Response:
        """Forget customers, chats, faults, counts and switches; accounts and sequence numbers stay."""
        sim.reset()
        return Response(status_code=204)


def _add_callback(router: APIRouter, sim: Simulation) -> None:
    @router.put("/control/callback")
    async def set_callback(request: Callback) -> Json:
        """Set where notices go."""
        if request.url is not None:
            sim.callback.url = request.url
        if request.retry_seconds is not None:
            sim.notifier.retry_seconds = request.retry_seconds
        return {"url": sim.callback.url, "retry_seconds": sim.notifier.retry_seconds}

    @router.post("/control/callback/verify")
    async def verify() -> Json:
        """The GET check that the admin page makes when a URL is saved."""
        return await sim.callback.verify()

    @router.post("/control/callback/tokens", status_code=201)
    async def token() -> Json:
        """A Token for sync_msg without a notice."""
        return {"token": sim.sync_tokens.issue()}

    @router.post("/control/callback/notices/{open_kfid}", status_code=202)
    async def notice(open_kfid: str) -> Json:
        """One more notice for an account, without any news."""
        if open_kfid not in sim.world.accounts:
            raise HTTPException(404, "no such account")
        sim.notifier.announce(open_kfid, "")
        return {}


def _add_judge(router: APIRouter, sim: Simulation) -> None:
    @router.get("/judge", tags=["judge"])
    async def judge() -> Json:
        """Calls by API and errcode, broken rules, the latest examples."""
        return sim.judge.report() | {"unanswered": sim.unanswered()}

    @router.get("/judge/calls", tags=["judge"])
    async def calls(api: str = "", errcode: int | None = None) -> list[Json]:
        """The latest 5,000 calls with time, errcode and ids, oldest first; of one API or errcode if named."""
        return sim.judge.calls(api, errcode)

    @router.post("/judge/reset", status_code=204, tags=["judge"])
    async def reset_judge() -> Response:
        """Start counting anew."""
        sim.judge.reset()
        return Response(status_code=204)
