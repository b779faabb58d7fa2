"""`kf errcode`: what an errcode of WeCom, or a fail_type of msg_send_fail, means and what mends it."""

import json
from dataclasses import asdict
from typing import Any

from kf_wecom.errcodes import CATALOGUE, SEND_FAILURES, Entry, ErrorClass, lookup, send_failure

ACTIONS: dict[ErrorClass, tuple[str, str]] = {
    ErrorClass.OK: ("成功", "nothing: it worked"),
    ErrorClass.REFRESH: ("自动换新 access_token 后重试一次", "a new access token, then once more"),
    ErrorClass.BACK_OFF: ("自动等待后重试，不丢不乱序", "waits and goes on; nothing lost or reordered"),
    ErrorClass.STATE: (
        "读取会话状态：0 转为智能助手再发一次；2/3 保留为草稿；4 等客户再次发言",
        "reads service_state: 0 is taken and sent once more, 2/3 keep a draft, 4 waits for the customer",
    ),
    ErrorClass.WINDOW: ("保留，客户再次发言后发送", "holds it until the customer speaks again"),
    ErrorClass.SERVICER: (
        "换下一位接待人员，再进待接入池，否则如实告知客户",
        "next servicer, then pool, then the truth",
    ),
    ErrorClass.CONFIG: (
        "暂停该账号（或整个企业）的发送，保留消息，告警并自动探测恢复",
        "rests the account (or the corp), keeps all, one alert, probes and resumes by itself",
    ),
    ErrorClass.PAYLOAD: ("进入死信（kf dead）", "dead letter (kf dead)"),
    ErrorClass.TOKEN_LESS: ("不带 Token 再拉取一次", "pulls once without the callback Token"),
    ErrorClass.MSGID_USED: ("视为已发送", "counts as sent"),
    ErrorClass.UNKNOWN: ("进入死信并告警", "dead letter and an alert"),
}
"""What the product does by itself, in Chinese and in English."""


def describe(code: int) -> list[str]:
    """An errcode as lines for people."""
    entry = lookup(code)
    zh, en = ACTIONS[entry.error_class]
    lines = [
        f"{code}  {entry.error_class}",
        f"  原因 {entry.cause_zh}",
        f"       {entry.cause_en}",
        f"  系统 {zh}",
        f"       {en}",
        f"  处理 {_remedy(entry.remedy_zh, '服务器的公网出口 IP')}",
        f"       {_remedy(entry.remedy_en, 'the public egress IP of the server')}",
    ]
    return [*lines, f"  菜单 {entry.menu}"] if entry.menu else lines


def describe_failure(fail_type: int) -> list[str]:
    """A fail_type of msg_send_fail as lines for people."""
    failure = send_failure(fail_type)
    return [
        f"msg_send_fail {fail_type}  {failure.error_class}",
        f"  原因 {failure.cause_zh}",
        f"       {failure.cause_en}",
        f"  处理 {failure.remedy_zh}",
        f"       {failure.remedy_en}",
    ]


def entry_of(code: int) -> dict[str, Any]:
    """The whole entry, with what the product does by itself."""
    entry: Entry = lookup(code)
    zh, en = ACTIONS[entry.error_class]
    return asdict(entry) | {"action_zh": zh, "action_en": en}


def as_json(code: int) -> str:
    """The whole entry for programs."""
    return json.dumps(entry_of(code), ensure_ascii=False, indent=2)


def known() -> list[str]:
    """One line per code of the catalogue, then per fail_type."""
    codes = [f"{code:>8}  {e.error_class:<10}  {e.cause_zh}" for code, e in sorted(CATALOGUE.items())]
    return codes + [
        f"{'fail ' + str(kind):>8}  {f.error_class:<10}  {f.cause_zh}"
        for kind, f in sorted(SEND_FAILURES.items())
    ]


def _remedy(text: str, ip: str) -> str:
    return text.replace("{from_ip}", ip)
