"""Who has a conversation, read from what WeCom and the sender tell: nobody talks over a human."""

from kf_contracts.events import DeliveryChanged, DeliveryStatus, MessageReceived, SessionHolder
from kf_wecom import models

from kf_dialog.conversation import Custody, Holder

SESSION_SECONDS = 48 * 3600.0
"""WeCom ends a session after so long (doc 94698), and not always with an event: then the bot serves again."""
ASKED_SECONDS = 60.0
"""How long the outcome of a handover is waited for; then the bot answers what came meanwhile."""
SILENT_SECONDS = 600.0
"""A servicer may be gone, or WeCom have ended the session by itself: then WeCom is asked who has it."""

_TAKEN = {1: "taken from the pool", 2: "transferred", 4: "entered again by a servicer"}
_ENDED = 3
_BY_HOLDER = {SessionHolder.POOL: Holder.POOL, SessionHolder.SERVICER: Holder.SERVICER}


def of_item(event: MessageReceived, item: models.SyncItem) -> Custody | None:
    """What an item of sync_msg says about it: a servicer who writes, takes over or ends (doc 94699)."""
    if isinstance(item, models.Message) and event.origin == models.Origin.SERVICER:
        return Custody(Holder.SERVICER, "a servicer wrote", str(event.item.get("servicer_userid", "")))
    if not isinstance(item, models.Event) or not isinstance(item.body, models.SessionStatusChange):
        return None
    change = item.body
    if change.change_type == _ENDED:
        return Custody(Holder.BOT, "the servicer ended the session")
    reason = _TAKEN.get(change.change_type)
    return Custody(Holder.SERVICER, reason, change.new_servicer_userid) if reason else None


def of_delivery(change: DeliveryChanged) -> Custody | None:
    """What the sender found out: who took a handover, who holds the chat in which an answer was kept."""
    if change.kind == "hand_over" and _is_over(change.status) and change.holder not in _BY_HOLDER:
        return Custody(Holder.BOT, "nobody could take the chat")
    if change.kind == "find_holder" and change.holder in (SessionHolder.ASSISTANT, SessionHolder.ENDED):
        return Custody(Holder.BOT, "WeCom says that nobody has the chat")
    if change.holder in _BY_HOLDER:
        return Custody(_BY_HOLDER[change.holder], "the sender found it so", change.servicer_userid)
    if change.holder is SessionHolder.ENDED:
        return Custody(Holder.BOT, "the session has ended")
    return None


def handover_result(change: DeliveryChanged) -> str:
    """pool, servicer or nobody for a handover that came to its end; empty for everything else."""
    if change.kind != "hand_over" or not _is_over(change.status):
        return ""
    return _BY_HOLDER[change.holder].value if change.holder in _BY_HOLDER else "nobody"


def _is_over(status: DeliveryStatus) -> bool:
    return status in (DeliveryStatus.SENT, DeliveryStatus.FAILED, DeliveryStatus.EXPIRED)
