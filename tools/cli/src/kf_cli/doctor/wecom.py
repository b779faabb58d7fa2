"""Examines the account at WeCom: secret, rights, KF accounts, servicers, and who holds recent sessions."""

from collections import Counter
from functools import partial

from kf_wecom.client import WecomClient, fetch_token
from kf_wecom.errors import ApiError, TransportError
from kf_wecom.replies import Account
from kf_wecom.token import LocalToken
from kf_wecom.transport import Transport

from kf_cli.doctor.catalogue import found, refused
from kf_cli.doctor.examination import Check
from kf_cli.doctor.finding import Finding, fine, skipped
from kf_cli.doctor.network import SECONDS
from kf_cli.doctor.postgres import table_exists
from kf_cli.doctor.system import System

_TOO_OFTEN = 45009
_SESSIONS = 20
_POOL, _HUMAN = 2, 3
# Conversations whose customer spoke lately, without those that we handed over or a servicer took by hand.
_RECENT = """
SELECT c.open_kfid, c.external_userid FROM dialog.conversation c
WHERE c.last_message_at > now() - interval '48 hours'
    AND NOT EXISTS (
        SELECT FROM sender.command s WHERE s.open_kfid = c.open_kfid AND s.external_userid = c.external_userid
            AND s.kind = 'hand_over')
    AND NOT EXISTS (
        SELECT FROM dialog.inbox i WHERE i.open_kfid = c.open_kfid AND i.external_userid = c.external_userid
            AND i.msgtype = 'event' AND i.item -> 'event' ->> 'event_type' = 'session_status_change')
ORDER BY c.last_message_at DESC LIMIT $1
"""


async def gettoken(system: System) -> list[Finding]:
    """One gettoken, never repeated: WeCom bans addresses that try a bad secret over and over."""
    transport = await system.stack.enter_async_context(Transport(system.get("WECOM_API_BASE")))
    corp_id, secret = system.get("WECOM_CORP_ID"), system.get("WECOM_KF_SECRET")
    tokens = LocalToken(partial(fetch_token, transport, corp_id, secret))
    try:
        await tokens.get()
    except ApiError as error:
        return [found("wecom.banned") if error.code == _TOO_OFTEN else refused(error)]
    except TransportError as error:
        return [_unanswered(system, error)]
    system.keep(WecomClient(transport, tokens))
    return [fine(f"企业 / corp {corp_id[:4]}…{corp_id[-2:]}")]


def _unanswered(system: System, error: TransportError) -> Finding:
    status = error.reason.removeprefix("http_")
    if status in ("403", "404"):
        return found(f"wecom.http_{status}")
    if status.isdigit():
        return found("wecom.http", address=system.get("WECOM_API_BASE"), status=status)
    if error.reason == "malformed_reply":
        return found("wecom.not_wecom", address=system.get("WECOM_API_BASE"))
    return found("wecom.timeout", address=system.get("WECOM_API_BASE"), seconds=f"{SECONDS:.0f}")


async def permission(system: System) -> list[Finding]:
    """The app may call the KF API: account/list answers."""
    try:
        system.accounts = await system.wecom.account_list()
    except ApiError as error:
        return [refused(error)]
    except TransportError as error:
        return [_unanswered(system, error)]
    return [fine("account/list")]


async def accounts(system: System) -> list[Finding]:
    """There are KF accounts, the app may act on them, and the settings name no others."""
    if not system.accounts:
        return [found("account.none")]
    findings = [
        found("account.not_granted", account=_name(account))
        for account in system.accounts
        if account.manage_privilege is False
    ]
    known = {account.open_kfid for account in system.accounts}
    for pair in filter(None, system.get("KF_DIALOG_COLLECTIONS").split(",")):
        open_kfid = pair.partition("=")[0].strip()
        if open_kfid not in known | {"*"}:
            findings.append(found("account.unknown", account=open_kfid, known=", ".join(sorted(known))))
    return findings or [fine("、".join(_name(account) for account in system.accounts))]


def _name(account: Account) -> str:
    return account.name or account.open_kfid


def granted(system: System) -> list[Account]:
    """The accounts that the app may act on."""
    return [account for account in system.accounts if account.manage_privilege is not False]


async def servicers(system: System) -> list[Finding]:
    """Each account has servicers, and one of them is serving: a handover needs somebody."""
    findings, serving = [], 0
    for account in granted(system):
        try:
            members = await system.wecom.servicer_list(account.open_kfid)
        except ApiError as error:
            findings.append(refused(error))
            continue
        if not members:
            findings.append(found("servicer.none", account=_name(account)))
        elif not any(member.is_serving for member in members):
            findings.append(found("servicer.off", account=_name(account)))
        serving += sum(member.is_serving for member in members)
    return findings or [fine(f"{serving} 位接待中 / serving")]


async def reception(system: System) -> list[Finding]:
    """Recent sessions that nobody handed over are with the assistant; if not, 95018 is about to come."""
    if not await table_exists(system, "dialog.conversation", "sender.command"):
        return [skipped("还没有会话 / no session yet")]
    recent = await system.database.fetch(_RECENT, _SESSIONS)
    taken: Counter[str] = Counter()
    for row in recent:
        try:
            state = await system.wecom.service_state_get(**dict(row))
        except ApiError:
            # A customer of another corp, of a reset simulator: says nothing about the reception.
            continue
        if state.service_state in (_POOL, _HUMAN):
            taken[row["open_kfid"]] += 1
    names = {account.open_kfid: _name(account) for account in system.accounts}
    findings = [
        found("reception.human", account=names.get(open_kfid, open_kfid), count=count)
        for open_kfid, count in taken.items()
    ]
    return findings or [fine(f"{len(recent)} 个会话 / sessions looked at")]


CHECKS = (
    Check(
        "gettoken",
        "access_token",
        "access token",
        gettoken,
        needs=("egress",),
        settings=("WECOM_CORP_ID", "WECOM_KF_SECRET"),
        seconds=8,
    ),
    Check("permission", "接口权限", "rights of the app", permission, needs=("gettoken",), seconds=8),
    Check(
        "accounts",
        "客服账号",
        "KF accounts",
        accounts,
        needs=("permission",),
        settings=("KF_DIALOG_COLLECTIONS",),
    ),
    Check("servicers", "接待人员", "servicers", servicers, needs=("permission",)),
    Check(
        "reception",
        "接待方式（预测 95018）",
        "reception (forecasts 95018)",
        reception,
        needs=("permission", "migrations"),
    ),
)
