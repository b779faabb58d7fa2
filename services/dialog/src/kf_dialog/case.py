"""One turn as the parts of the mind pass it on: who asks what, of which account, until when it counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic

from kf_dialog import wording
from kf_dialog.accounts import Account
from kf_dialog.conversation import Question, Work


@dataclass(frozen=True)
class Case:
    """A turn that wants an answer."""

    open_kfid: str
    external_userid: str
    account: Account
    work: Work
    question: str
    """Everything the customer sent, as one text."""
    spoken: tuple[str, ...]
    """The parts of it that say something."""
    language: wording.Language
    deadline: float
    """Of the monotonic clock."""

    @property
    def left(self) -> float:
        """Seconds until an answer is due."""
        return self.deadline - monotonic()

    @property
    def said_before(self) -> str:
        """Both sides' words of earlier turns."""
        return "\n".join(f"{e.question}\n{e.reply}" for e in self.work.history)


def language_of(account: Account, questions: Sequence[Question], work: Work) -> wording.Language:
    """The account's language, else that of the customer's newest text, in this turn or before it."""
    if account.language != "auto":
        return account.language
    now = [q.text for q in reversed(questions)]
    return wording.language_of([*now, *(exchange.question for exchange in reversed(work.history))])
