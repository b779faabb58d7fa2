"""Examines what the sender's ledger says: refusals of WeCom that still stand, pauses, replies that wait."""

from kf_wecom.errcodes import ErrorClass, lookup

from kf_cli.doctor.catalogue import ERRCODE, found
from kf_cli.doctor.examination import Check
from kf_cli.doctor.finding import Finding, Level, fine
from kf_cli.doctor.postgres import not_yet, table_exists
from kf_cli.doctor.system import System

_CIRCUITS = "SELECT open_kfid, errcode FROM sender.account WHERE failures > 0 AND errcode IS NOT NULL"
_PAUSE = "SELECT extract(epoch FROM paused_until - clock_timestamp())::float8 FROM sender.limiter"
# What WeCom refused lately and what is still refused: one line for each code.
_REFUSED = """
SELECT errcode, count(*) AS commands, bool_or(status IN ('queued', 'sending', 'unknown', 'parked')) AS waiting
FROM sender.command
WHERE errcode IS NOT NULL AND errcode <> 0
    AND (status IN ('queued', 'sending', 'unknown', 'parked', 'held')
        OR (status = 'failed' AND changed_at > now() - interval '1 day'))
GROUP BY errcode ORDER BY errcode
"""
_STUCK = """
SELECT count(*) AS commands, extract(epoch FROM now() - min(stored_at))::float8 AS age
FROM sender.command
WHERE status IN ('queued', 'sending', 'unknown') AND stored_at < now() - interval '2 minutes'
"""


async def sending(system: System) -> list[Finding]:
    """Circuits that are open, WeCom's pauses, refusals of the last day, replies that wait too long."""
    if not await table_exists(system, "sender.command", "sender.account", "sender.limiter"):
        return not_yet("sender")
    found_here = [*await _circuits(system), *await _pause(system)]
    findings = found_here + await _refusals(system, {finding.diagnosis for finding in found_here})
    # Whoever waits behind a circuit or a pause waits for a reason that was just told.
    return findings or await _stuck(system) or [fine("没有积压 / nothing waits too long")]


async def _circuits(system: System) -> list[Finding]:
    codes = {row["errcode"] for row in await system.database.fetch(_CIRCUITS)}
    facts = {"from_ip": "?", "hint": "-", "api": "send_msg"}
    return [Finding(Level.FAULT, f"{ERRCODE}{code}", facts) for code in sorted(codes)]


async def _pause(system: System) -> list[Finding]:
    seconds = await system.database.fetchval(_PAUSE)
    return [found("send.paused", seconds=f"{seconds:.0f}")] if seconds and seconds > 0 else []


async def _refusals(system: System, told: set[str]) -> list[Finding]:
    findings = []
    for row in await system.database.fetch(_REFUSED):
        name = f"{ERRCODE}{row['errcode']}"
        passing = lookup(row["errcode"]).error_class in (ErrorClass.BACK_OFF, ErrorClass.WINDOW)
        # A limit or a closed window mends itself: nothing for people to do.
        if name not in told and not passing:
            facts = {"from_ip": "?", "hint": "-", "api": "send_msg", "count": str(row["commands"])}
            findings.append(Finding(Level.WARNING, name, facts))
    return findings


async def _stuck(system: System) -> list[Finding]:
    row = await system.database.fetchrow(_STUCK)
    if not row or not row["commands"]:
        return []
    return [found("send.stuck", count=row["commands"], age=f"{row['age']:.0f}")]


CHECKS = (Check("sending", "发送", "sending", sending, needs=("migrations",)),)
