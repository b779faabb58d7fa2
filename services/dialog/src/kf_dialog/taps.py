"""What a tapped menu line means where no model is needed: an answer of the account's own, a rating."""

from collections.abc import Iterable
from dataclasses import replace

from kf_dialog.accounts import Account, MenuEntry
from kf_dialog.conversation import Answer, Outcome, Question, Rating, Work
from kf_dialog.effects import FAQ, RATE


def ratings(questions: Iterable[Question]) -> tuple[Rating, ...]:
    """The answers to the survey among these messages."""
    found = []
    for question in questions:
        score = question.menu_id.removeprefix(RATE)
        if question.menu_id.startswith(RATE) and score.isascii() and score.isdigit():
            found.append(Rating(question.msgid, min(int(score[:2]), 99), question.text[:128]))
    return tuple(found)


def without_ratings(work: Work) -> Work:
    """The turn's other messages."""
    rest = tuple(q for q in work.questions if not q.menu_id.startswith(RATE))
    return replace(work, questions=rest)


def answer_to(work: Work, account: Account) -> Answer | None:
    """The turn's answer when all its messages are taps that need no model; None otherwise."""
    question = "\n".join(q.text for q in work.questions)
    if all(q.menu_id.startswith(RATE) for q in work.questions):
        return Answer(question, account.survey.thanks, Outcome.RATED)
    answers = [_answer(q, account) for q in work.questions]
    if not all(answers):
        return None
    return Answer(question, "\n\n".join(filter(None, answers)), Outcome.MENU)


def _answer(question: Question, account: Account) -> str:
    """What the account says to this line; empty: it is a question like any other."""
    if question.menu_id != FAQ:
        return ""
    return next((e.answer for e in _entries(account) if e.title.strip() == question.text and e.answer), "")


def _entries(account: Account) -> Iterable[MenuEntry]:
    yield from account.welcome.menu
    for greeting in account.welcome.scenes.values():
        yield from greeting.menu
