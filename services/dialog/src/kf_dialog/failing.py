"""What a customer hears when no model answers: something useful if there is any, else the truth."""

from kf_dialog import wording
from kf_dialog.case import Case
from kf_dialog.conversation import Answer, Handover, HandoverReason, Outcome
from kf_dialog.grounding import is_small_talk
from kf_dialog.plain_text import to_plain_text
from kf_dialog.prompt import Found
from kf_dialog.retry import Fault
from kf_dialog.verdict import REPLY_BYTES, fit, with_offer

_FAQ_RANKS = 2
"""How far down the best FAQ entry may stand to be sent as it is."""


def when_the_model_fails(case: Case, found: Found, fault: Fault) -> Answer:
    """The best FAQ entry verbatim, else an honest sentence and a human: called or offered."""
    if is_small_talk(case.question):
        return Answer(case.question, wording.greeting(case.language), Outcome.ANSWERED)
    faq = next((p for p in found.passages[:_FAQ_RANKS] if p.question and to_plain_text(p.text)), None)
    if faq:
        text = fit(to_plain_text(faq.text), REPLY_BYTES)
        return Answer(case.question, text, Outcome.FAQ, passage_ids=(faq.passage_id,))
    sentence = wording.filtered if fault is Fault.FILTERED else wording.apology
    return unhelpful(case, sentence(case.language), Outcome.APOLOGISED)


def unhelpful(case: Case, text: str, outcome: Outcome, gap: str = "") -> Answer:
    """An answer that does not help: after too many in a row people take over, else they are offered."""
    policy = case.account.handover
    if policy.enabled and 0 < policy.after_failures <= case.work.unhelpful + 1:
        handover = Handover(HandoverReason.FAILURE)
        return Answer(case.question, text, Outcome.HANDED_OVER, handover=handover, gap=gap)
    return Answer(case.question, with_offer(case, text), outcome, gap=gap)
