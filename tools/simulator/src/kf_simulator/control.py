"""The control API: everything that happens in the world around the app, over HTTP (see /docs)."""

from __future__ import annotations

import asyncio
from typing import Annotated, TypeVar

from fastapi import APIRouter, HTTPException, Query, Response

from kf_simulator.control_models import (
    AccountChange,
    Enter,
    NewAccount,
    NewCustomer,
    NewServicer,
    Recall,
    SendFail,
    ServicerAction,
    ServicerStatus,
    Write,
)
from kf_simulator.records import Conversation, Entry, Json, Servicer, document_of
from kf_simulator.sessions import Sessions
from kf_simulator.simulation import Simulation

_Found = TypeVar("_Found")
_LONGEST_WAIT_SECONDS = 25.0


def control_router(sim: Simulation) -> APIRouter:
    """Accounts, customers, chats and servicers."""
    router = APIRouter(prefix="/control", tags=["world"])
    _add_chats(router, sim)
    _add_transcript(router, sim)
    _add_people(router, sim)
    _add_servicers(router, sim)
    return router


def _add_people(router: APIRouter, sim: Simulation) -> None:
    world = sim.world

    @router.get("/accounts")
    async def list_accounts() -> list[Json]:
        """Every KF account."""
        return [document_of(account) for account in world.open_accounts]

    @router.post("/accounts", status_code=201)
    async def create_account(request: NewAccount) -> Json:
        """A new KF account; its id is derived from the corp and the number of accounts."""
        return document_of(world.new_account(request.name))

    @router.patch("/accounts/{open_kfid}")
    async def change_account(open_kfid: str, request: AccountChange) -> Json:
        """Set who receives new messages; grant or take the account (48007 and kf_account_auth_change)."""
        account = found(world.accounts.get(open_kfid), "account")
        if request.reception is not None:
            account.reception = request.reception
        if request.granted is not None and request.granted is not account.granted:
            account.granted = request.granted
            sim.notifier.auth_changed(open_kfid, granted=request.granted)
        world.save_account(account)
        return document_of(account)

    @router.get("/customers")
    async def list_customers() -> list[Json]:
        """Every customer."""
        return [document_of(customer) for customer in world.customers.values()]

    @router.post("/customers", status_code=201)
    async def create_customer(request: NewCustomer) -> Json:
        """A new WeChat user."""
        return document_of(world.add_customer(request.nickname))


def _add_chats(router: APIRouter, sim: Simulation) -> None:
    chat = "/chats/{open_kfid}/{external_userid}"

    @router.post(chat + "/enter", status_code=201)
    async def enter(open_kfid: str, external_userid: str, request: Enter) -> Json:
        """The customer opens the chat: an enter_session event, with a welcome_code when one is due."""
        find_conversation(sim, open_kfid, external_userid)
        entry = sim.visits.enter(
            open_kfid, external_userid, request.scene, request.scene_param, request.notify
        )
        return show_line(sim, open_kfid, entry)

    @router.post(chat + "/messages", status_code=201)
    async def write(open_kfid: str, external_userid: str, request: Write) -> Json:
        """The customer sends a message; the answer is its line of the transcript, with its msgid."""
        find_conversation(sim, open_kfid, external_userid)
        entry = sim.visits.write(open_kfid, external_userid, request.msgtype, request.content, request.notify)
        return show_line(sim, open_kfid, entry)

    @router.post(chat + "/recalls", status_code=201)
    async def recall(open_kfid: str, external_userid: str, request: Recall) -> Json:
        """The customer takes a message back."""
        find_conversation(sim, open_kfid, external_userid)
        try:
            return show_line(sim, open_kfid, sim.visits.recall(open_kfid, external_userid, request.msgid))
        except KeyError:
            raise HTTPException(404, "this customer sent no message with that msgid") from None

    @router.post("/chats/{open_kfid}/send_fails", status_code=204)
    async def send_fail(open_kfid: str, request: SendFail) -> Response:
        """A sent message fails after all (msg_send_fail)."""
        try:
            sim.delivery.fail(open_kfid, request.msgid, request.fail_type)
        except KeyError:
            raise HTTPException(404, "nothing was sent with that msgid") from None
        return Response(status_code=204)


def _add_transcript(router: APIRouter, sim: Simulation) -> None:
    world = sim.world

    @router.get("/chats/{open_kfid}/{external_userid}/transcript")
    async def transcript(
        open_kfid: str,
        external_userid: str,
        after: Annotated[int, Query(ge=-1, description="number of the last line already known")] = -1,
        wait_seconds: Annotated[float, Query(ge=0, le=_LONGEST_WAIT_SECONDS)] = 0,
    ) -> Json:
        """Both sides of a chat, oldest first; with wait_seconds the answer waits for something new."""
        conversation = find_conversation(sim, open_kfid, external_userid)
        lines = world.transcript(conversation.key)
        if wait_seconds and len(lines) <= after + 1:
            await _change(sim, conversation, wait_seconds)
        shown = world.transcript(conversation.key)[after + 1 :]
        return {
            "state": sim.sessions.state(conversation),
            "sent_since_customer": conversation.sent_since_customer,
            "entries": [show_line(sim, open_kfid, entry) for entry in shown],
        }


def _add_servicers(router: APIRouter, sim: Simulation) -> None:
    @router.get("/servicers")
    async def list_servicers() -> list[Json]:
        """Every human servicer."""
        return [document_of(servicer) for servicer in sim.world.servicers.values()]

    @router.post("/servicers", status_code=201)
    async def create_servicer(request: NewServicer) -> Json:
        """A new member of the corp, who serves every account that names nobody."""
        sim.world.save_servicer(Servicer(request.userid))
        return document_of(sim.world.servicers[request.userid])

    @router.post("/servicers/{userid}/status")
    async def servicer_status(userid: str, request: ServicerStatus) -> Json:
        """A servicer goes on or off line."""
        found(sim.world.servicers.get(userid), "servicer")
        found(sim.world.accounts.get(request.open_kfid), "account")
        return sim.sessions.set_status(request.open_kfid, userid, request.status, request.stop_type)

    @router.post("/chats/{open_kfid}/{external_userid}/servicer", status_code=201)
    async def servicer_action(open_kfid: str, external_userid: str, request: ServicerAction) -> Json:
        """A servicer takes, transfers, ends a chat, writes, recalls, refuses the customer's messages."""
        conversation = find_conversation(sim, open_kfid, external_userid)
        found(sim.world.servicers.get(request.userid), "servicer")
        entry = _act(sim.sessions, conversation, request)
        return show_line(sim, open_kfid, entry)


def _act(sessions: Sessions, conversation: Conversation, request: ServicerAction) -> Entry:
    match request.action:
        case "take":
            return sessions.take(conversation, request.userid)
        case "transfer":
            return sessions.hand_on(conversation, request.userid)
        case "end":
            return sessions.end(conversation)
        case "say":
            return sessions.say(conversation, request.userid, request.text)
        case "recall":
            try:
                return sessions.recall(conversation, request.userid, request.msgid)
            except KeyError:
                raise HTTPException(404, "no servicer sent a message with that msgid") from None
        case "reject" | "accept":
            return sessions.reject(conversation, request.userid, on=request.action == "reject")


async def _change(sim: Simulation, conversation: Conversation, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await sim.world.watch(conversation.key).wait()
    except TimeoutError:
        return


def find_conversation(sim: Simulation, open_kfid: str, external_userid: str) -> Conversation:
    """The conversation of two that exist, else 404."""
    found(sim.world.accounts.get(open_kfid), "account")
    found(sim.world.customers.get(external_userid), "customer")
    return sim.world.conversation(open_kfid, external_userid)


def show_line(sim: Simulation, open_kfid: str, entry: Entry) -> Json:
    """A line of the transcript with the fate of its notice and whether it was pulled."""
    line = document_of(entry)
    line["pulled"] = entry.sequence is not None and entry.sequence < sim.world.streams[open_kfid].pulled
    line["notice"] = sim.notifier.notice(entry.msgid) if entry.sequence is not None else None
    return line


def found(value: _Found | None, what: str) -> _Found:
    """The value, or 404."""
    if value is None:
        raise HTTPException(404, f"no such {what}")
    return value
