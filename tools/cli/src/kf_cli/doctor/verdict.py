"""Why a message was not answered, or that it was: a pure decision over what the stores know."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kf_runtime.diagnoses import Words

from kf_cli.doctor.catalogue import ERRCODE, found
from kf_cli.doctor.finding import Finding, Level
from kf_cli.doctor.trail import Trail

_OPEN = ("queued", "sending", "unknown")
WORDS = {
    "unknown": Words(
        "系统里没有这条消息：还没有从企业微信拉取到，或 msgid 不对（区分大小写），或已超过保存期",
        "nothing here knows this message: it was not pulled from WeCom yet, the msgid is wrong (case "
        "matters), or it is older than what is kept",
    ),
    "given_up": Words(
        "消息进了死信，没有被处理",
        "the message ended as a dead letter, unhandled",
    ),
    "not_read": Words(
        "消息已拉取并存入 NATS，但 dialog 还没有读到",
        "the message was pulled and is in NATS, but dialog has not read it",
    ),
    "ignored": Words("按规则不需要回答：{reason}", "by the rules it wants no answer: {reason}"),
    "human": Words(
        "会话由人工或待接入池持有（{holder}），智能助手保持安静",
        "a human or the pool has the chat ({holder}): the assistant keeps quiet",
    ),
    "waiting": Words(
        "正在等待回答：客户可能还在输入，或轮到它还要片刻",
        "it waits for its turn: the customer may still be typing",
    ),
    "stuck": Words(
        "等待回答超过一分钟，没有服务在处理", "it has waited for over a minute and nobody works on it"
    ),
    "unsent": Words(
        "回答已经写好，但还没有交给发送队列（NATS 不可用？）",
        "the answer is ready but has not reached the queue (is NATS away?)",
    ),
    "silent": Words("回答这一轮没有产生消息（{outcome}）", "this turn produced no message ({outcome})"),
    "queued": Words("回答正在排队发送：{reason}", "the answer waits to be sent: {reason}"),
    "refused": Words(
        "回答在排队：企业微信以错误码 {errcode} 拒绝该账号（或整个企业）的发送",
        "the answer waits: WeCom refuses this account's (or the corp's) sends with errcode {errcode}",
    ),
    "parked": Words(
        "回答已写好，但会话由人工或待接入池持有：{reason}", "the answer is kept as a draft: {reason}"
    ),
    "held": Words(
        "回答（或其余部分）要等客户再次发言：{reason}", "the rest waits until the customer speaks: {reason}"
    ),
    "failed": Words("发送失败（错误码 {errcode}）：{reason}", "sending failed (errcode {errcode}): {reason}"),
    "expired": Words(
        "回答等得太久，已作废：{reason}", "the answer waited too long and was dropped: {reason}"
    ),
    "sent": Words("已回答，共 {parts} 条消息", "answered, in {parts} messages"),
}


@dataclass(frozen=True)
class Verdict:
    """`name` is stable for programs; `finding` has the remedy where there is something to do."""

    name: str
    words: Words
    finding: Finding | None = None
    is_fine: bool = False


def verdict(trail: Trail) -> Verdict:
    """The first store in which the message stands still decides."""
    if trail.message is None:
        return _before_dialog(trail)
    status = trail.message["status"]
    if status == "ignored":
        return _said("ignored", is_fine=True, reason=trail.message["reason"] or "-")
    if trail.commands:
        return _by_commands(trail)
    if trail.turn is not None:
        return _said("unsent", found("message.unsent")) if trail.unpublished else _quiet(trail)
    return _waiting(trail)


def _before_dialog(trail: Trail) -> Verdict:
    if trail.dead_letters:
        number, reason = trail.dead_letters[-1]
        return _said("given_up", found("dead_letters", count=1, reason=f"{number}: {reason}"))
    if trail.streamed_at is None:
        return _said("unknown", found("message.unknown"))
    return _said("not_read", found("message.not_read"))


def _quiet(trail: Trail) -> Verdict:
    outcome = str(trail.turn["outcome"]) if trail.turn else "-"
    return _said("silent", is_fine=True, outcome=outcome)


def _waiting(trail: Trail) -> Verdict:
    conversation = trail.conversation or {}
    if conversation.get("holder") in ("pool", "servicer"):
        return _said("human", is_fine=True, holder=str(conversation["holder"]))
    if conversation.get("is_overdue"):
        return _said("stuck", found("turn.stuck", count=1, age="60"))
    return _said("waiting", is_fine=True)


def _by_commands(trail: Trail) -> Verdict:
    """The worst of the commands of the turn: a handover may come beside the answer."""
    order = ("failed", "expired", "parked", "held", *_OPEN, "sent")
    worst = min(trail.commands, key=lambda command: order.index(command["status"]))
    status = worst["status"]
    reason, errcode = worst["reason"] or "-", str(worst["errcode"] or "-")
    if status == "sent":
        parts = sum(command["parts_sent"] for command in trail.commands)
        return _said("sent", is_fine=True, parts=str(parts))
    if status in _OPEN:
        if trail.refused_with:
            return _said(
                "refused", _errcode(trail.refused_with, Level.FAULT), errcode=str(trail.refused_with)
            )
        return _said("queued", found("message.queued"), reason=reason)
    remedy = _errcode(worst["errcode"], Level.WARNING)
    return _said(status, remedy, is_fine=status == "held", reason=reason, errcode=errcode)


def _errcode(code: int | None, level: Level) -> Finding | None:
    return Finding(level, f"{ERRCODE}{code}", {"from_ip": "?"}) if code else None


def _said(name: str, finding: Finding | None = None, *, is_fine: bool = False, **facts: str) -> Verdict:
    return Verdict(name, WORDS[name].filled(facts), finding, is_fine)


def steps(trail: Trail) -> Iterator[tuple[str, Any, str]]:
    """(store, time, what) of everything that is known, in the message's own order; no text, no raw ids."""
    message, turn = trail.message, trail.turn
    if trail.streamed_at:
        yield "KF_INBOUND", trail.streamed_at, "stored"
    if message:
        yield "WeCom", message["send_time"], f"{message['msgtype']}, {message['open_kfid']}, {trail.customer}"
        yield "dialog.inbox", message["received_at"], f"{message['status']} {message['reason']}".strip()
    if trail.conversation:
        conversation = trail.conversation
        what = f"holder {conversation['holder']} {conversation['holder_reason']}".strip()
        yield "dialog.conversation", conversation["due_at"], f"{what}, failures {conversation['failures']}"
    if turn:
        yield "dialog.turn", turn["finished_at"], f"{turn['outcome']} {turn['model']}".strip()
    if trail.unpublished:
        yield "dialog.outbox", None, f"{trail.unpublished} not published"
    for command in trail.commands:
        parts = f"{command['parts_sent']}/{command['parts_total']}"
        code = f" errcode {command['errcode']}" if command["errcode"] else ""
        what = f"{command['kind']} {command['status']} {parts}{code} {command['reason']}".strip()
        yield "sender.command", command["changed_at"], what
    for number, reason in trail.dead_letters:
        yield "KF_DEAD", None, f"{number}: {reason}"
