"""Plans what the sender is asked for after a turn: texts, menus, the handover, the end, in this order."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from kf_contracts.commands import Command, EndSession, HandOver, SendContent
from kf_contracts.events import SendReply

from kf_dialog import notices, wording
from kf_dialog.accounts import Account, Greeting, Survey
from kf_dialog.conversation import Answer, Menu, MenuLine
from kf_dialog.wording import Language

RATE = "kf.rate."
"""Menu id of an answer to the survey, with its score."""
FAQ = "kf.faq"
"""Menu id of a line of the welcome menu."""


@dataclass(frozen=True)
class Addressee:
    """Whom a turn's commands concern, and what they answer."""

    open_kfid: str
    external_userid: str
    turn_id: str
    in_reply_to: tuple[str, ...]

    def fields(self, number: int) -> dict[str, Any]:
        """What every command has; its number makes its id."""
        return {
            "command_id": f"{self.turn_id}-{number}",
            "open_kfid": self.open_kfid,
            "external_userid": self.external_userid,
            "turn_id": self.turn_id,
            "in_reply_to": self.in_reply_to,
        }


def commands_of(
    answer: Answer, account: Account, to: Addressee, language: Language, *, is_open: bool
) -> tuple[Command, ...]:
    """At most four commands; never none, or the customer would hear nothing."""
    found: list[Command] = []
    if answer.text:
        found.append(SendReply(**to.fields(1), text=answer.text))
    if answer.menu:
        fields, text = menu_fields(answer.menu), menu_text(answer.menu)
        found.append(SendContent(**to.fields(2), msgtype="msgmenu", fields=fields, text=text))
    if answer.handover:
        found.append(_handover(answer, account, to, language, is_open=is_open))
    elif answer.end_session:
        survey = survey_menu(account.survey) if account.survey.enabled else None
        farewell = menu_text(survey) if survey else ""
        menu = menu_fields(survey) if survey else {}
        found.append(EndSession(**to.fields(4), farewell=farewell, menu=menu))
    return tuple(found) or (SendReply(**to.fields(1), text=wording.apology(language)),)


def _handover(
    answer: Answer, account: Account, to: Addressee, language: Language, *, is_open: bool
) -> Command:
    if not account.handover.enabled:
        return SendReply(**to.fields(3), text=notices.no_humans(language))
    summary = summary_of(answer)
    return HandOver(
        **to.fields(3),
        servicer_userids=account.handover.servicers,
        # Outside the hours nobody would look into the pool: a promise that nobody keeps.
        to_pool=account.handover.pool and is_open,
        notice=notices.taken(account, language, summary),
        waiting_notice=notices.waiting(account, language, summary),
        apology=notices.nobody(account, language, is_open=is_open),
    )


def hands_over(commands: Iterable[Command]) -> bool:
    """Whether the outcome of a handover is to be waited for."""
    return any(isinstance(command, HandOver) for command in commands)


def summary_of(answer: Answer) -> str:
    """What a servicer should know first; the customer's own words when nobody summed them up."""
    if answer.handover is None:
        return ""
    return answer.handover.summary or answer.question[-notices.SUMMARY_CHARS :]


def spoken(commands: Iterable[Command]) -> str:
    """What the customer reads of a turn, as later turns remember it."""
    words = [
        command.notice if isinstance(command, HandOver) else command.text
        for command in commands
        if isinstance(command, SendReply | SendContent | HandOver)
    ]
    return "\n".join(words)


def menu_fields(menu: Menu) -> dict[str, Any]:
    """The menu as SendContent and kf_wecom.content.Menu want it."""
    lines = [_line(line) for line in menu.lines[:10]]
    fields = {"head_content": menu.head, "items": lines, "tail_content": menu.tail}
    return {name: value for name, value in fields.items() if value}


def _line(line: MenuLine) -> dict[str, str]:
    if line.url:
        return {"type": "view", "url": line.url, "content": line.title}
    return {"type": "click", "content": line.title, **({"id": line.id} if line.id else {})}


def menu_text(menu: Menu) -> str:
    """The menu in words, where WeCom refuses menus."""
    lines = [f"{n}. {line.title}{f' {line.url}' if line.url else ''}" for n, line in enumerate(menu.lines, 1)]
    return "\n".join(filter(None, [menu.head, *lines, menu.tail]))


def greeting_menu(greeting: Greeting) -> Menu | None:
    """A greeting with its frequent questions; None when it has none to tap."""
    lines = tuple(
        MenuLine(entry.title, id="" if entry.url else FAQ, url=entry.url or "") for entry in greeting.menu
    )
    return Menu(greeting.text, lines, greeting.tail) if lines else None


def survey_menu(survey: Survey) -> Menu:
    """The question about satisfaction."""
    lines = (MenuLine(option, id=f"{RATE}{score}") for score, option in enumerate(survey.options, 1))
    return Menu(survey.question, tuple(lines))
