"""What customers are told about people and whether they come; each sentence is true when it is said."""

from kf_dialog.accounts import Account
from kf_dialog.wording import Language

SUMMARY_CHARS = 300

_TAKEN: dict[Language, str] = {
    "zh": "已为您转接人工客服，请稍候。",
    "en": "You are now connected to a colleague, who will answer you here.",
}
_WAITING: dict[Language, str] = {
    "zh": "已为您排队等待人工客服，接入后会在这里回复您。",
    "en": "You are in the queue for a colleague, who will answer you here.",
}
_NOBODY: dict[Language, str] = {
    "zh": "抱歉，现在没有人工客服在线。您的问题已经记录下来，您也可以继续向我提问。",
    "en": "I am sorry, no colleague is available right now. Your question has been recorded, "
    "and you can go on asking me.",
}
_CLOSED: dict[Language, str] = {
    "zh": "抱歉，现在不是人工客服的工作时间（{hours}）。您的问题已经记录下来，您也可以继续向我提问。",
    "en": "I am sorry, our colleagues are not at work now (hours: {hours}). Your question has been recorded, "
    "and you can go on asking me.",
}
_NO_HUMANS: dict[Language, str] = {
    "zh": "抱歉，这里没有人工客服，只能由我来为您解答，请告诉我您的问题。",
    "en": "I am sorry, there is no human service here; please tell me your question and I will do my best.",
}
_SUMMARY: dict[Language, str] = {"zh": "咨询摘要：{summary}", "en": "Summary: {summary}"}
_DAYS = {
    "mon": "周一",
    "tue": "周二",
    "wed": "周三",
    "thu": "周四",
    "fri": "周五",
    "sat": "周六",
    "sun": "周日",
}


def taken(account: Account, language: Language, summary: str) -> str:
    """A servicer has the chat; the summary stands in it, since it is all that a servicer is shown of ours."""
    return _with_summary(account.handover.notice or _TAKEN[language], language, summary)


def waiting(account: Account, language: Language, summary: str) -> str:
    """The pool has the chat."""
    return _with_summary(account.handover.waiting_notice or _WAITING[language], language, summary)


def nobody(account: Account, language: Language, *, is_open: bool) -> str:
    """Nobody could take the chat; outside the hours, when people are there."""
    if account.handover.apology:
        return account.handover.apology
    hours = account.hours.describe()
    return (
        _NOBODY[language] if is_open or not hours else _CLOSED[language].format(hours=_named(hours, language))
    )


def no_humans(language: Language) -> str:
    """The account hands nothing over."""
    return _NO_HUMANS[language]


def _with_summary(notice: str, language: Language, summary: str) -> str:
    short = " ".join(summary.split())[:SUMMARY_CHARS]
    return f"{notice}\n{_SUMMARY[language].format(summary=short)}" if short else notice


def _named(hours: str, language: Language) -> str:
    if language == "zh":
        for day, name in _DAYS.items():
            hours = hours.replace(day, name)
    return hours
