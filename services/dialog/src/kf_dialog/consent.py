"""Tools that change something: the customer is asked by a menu, and only the consent lets the tool run."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import uuid4

from kf_dialog import wording
from kf_dialog.case import Case
from kf_dialog.company import CompanyTools
from kf_dialog.conversation import Answer, Menu, MenuLine, Outcome, Question, Work
from kf_dialog.thinking import Proposal

_KEPT = "consent"
_REMEMBER_SECONDS = 120.0
_VALUE_CHARS = 100


@dataclass(frozen=True)
class Pending:
    """A call that waits for the customer's consent."""

    action_id: str
    tool: str
    arguments: dict[str, Any]


def ask_for_consent(case: Case, proposal: Proposal) -> Answer:
    """Say in our words, not the model's, what would be done, and keep the call for the next turn alone."""
    function, action_id = proposal.function, uuid4().hex
    listed = [f"{name}：{_shown(value)}" for name, value in proposal.arguments.items()]
    what = "\n".join([function.confirmation or function.description, *listed])
    yes, no = wording.yes_no(case.language)
    menu = Menu(
        wording.confirm_head(case.language),
        (MenuLine(yes, f"kf.yes.{action_id}"), MenuLine(no, f"kf.no.{action_id}")),
    )
    kept = {_KEPT: {"action_id": action_id, "tool": function.name, "arguments": proposal.arguments}}
    text = wording.confirm(what, case.language)
    return Answer(case.question, text, Outcome.ASKED_TO_CONFIRM, menu=menu, kept=kept)


def pending_of(work: Work) -> Pending | None:
    """The call that the last turn asked about."""
    kept = (work.kept or {}).get(_KEPT)
    try:
        return Pending(str(kept["action_id"]), str(kept["tool"]), dict(kept["arguments"])) if kept else None
    except (KeyError, TypeError, ValueError):
        return None


def decision(pending: Pending, questions: Sequence[Question]) -> Literal["yes", "no"] | None:
    """What the customer decided; None when the messages are about something else, which lets the call lapse.

    Only the last message counts, and only the tap or its exact words: a sentence that contains 确认 is none.
    """
    last = questions[-1]
    if last.menu_id:
        return {f"kf.yes.{pending.action_id}": "yes", f"kf.no.{pending.action_id}": "no"}.get(last.menu_id)  # type: ignore[return-value]
    said = last.text.strip(" 。.!！").lower()
    if said in {yes.lower() for yes in (wording.yes_no("zh")[0], wording.yes_no("en")[0])}:
        return "yes"
    return "no" if said in {"不用了", "取消", "不", "no", "no, thanks", "cancel"} else None


class Actions:
    """Runs consented calls; one that runs already is waited for, not run again."""

    def __init__(self, company: CompanyTools) -> None:
        self._company = company
        self._running: dict[str, asyncio.Task[Any]] = {}

    async def run(self, case: Case, pending: Pending) -> Any:
        """The tool's result; safe to cancel: the call goes on, and the turn done anew hears its result.

        Raises:
            ToolError: as CompanyTools.call.
        """
        task = self._running.get(pending.action_id)
        if task is None:
            call = self._company.run(
                case.account, pending.tool, pending.arguments, case.external_userid, pending.action_id
            )
            task = self._running[pending.action_id] = asyncio.create_task(call)
            task.add_done_callback(lambda _: self._forget_later(pending.action_id))
        return await asyncio.shield(task)

    def _forget_later(self, action_id: str) -> None:
        # A result that nobody fetched must not be reported as never retrieved.
        if not (task := self._running[action_id]).cancelled():
            task.exception()
        asyncio.get_running_loop().call_later(_REMEMBER_SECONDS, self._running.pop, action_id, None)


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _VALUE_CHARS else f"{text[:_VALUE_CHARS]}…"
