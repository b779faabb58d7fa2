"""What a refusal by WeCom means for an account: how long its pulls rest, and what an operator is told."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from kf_wecom.errcodes import ErrorClass
from kf_wecom.errors import ApiError, WecomError

log = structlog.get_logger()

ALERT_SECONDS = 600.0
_FREQUENCY_LIMIT = 45009
_SHORT = (1.0, 30.0)
_LONG = (15.0, 180.0)
_EVERYONE = ""


def pause(error: WecomError, failures: int) -> float:
    """Seconds to rest after the failure number `failures` (from 1) in a row.

    Outages that mend themselves begin at 1 s, those that wait for people at 15 s; both double up to a cap.
    What the catalogue or the token's keeper asks for is never undercut (45009: its whole window).
    """
    first, cap = _SHORT if is_passing(error) else _LONG
    grown = min(first * 2.0 ** min(failures - 1, 10), cap)
    if isinstance(error, ApiError):
        return max(grown, float(error.entry.wait_seconds), error.retry_after or 0.0)
    return grown


def is_passing(error: WecomError) -> bool:
    """Whether this mends itself; the rest needs an operator."""
    return error.error_class in (ErrorClass.BACK_OFF, ErrorClass.REFRESH, ErrorClass.TOKEN_LESS)


@dataclass
class _Rest:
    failures: int = 0
    until: float = 0.0
    alerted: str = ""
    alerted_at: float = -ALERT_SECONDS


class Outages:
    """The rests of this replica's pulls; each replica learns for itself, at the price of one call."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rests: dict[str, _Rest] = {}

    def remaining(self, open_kfid: str) -> float:
        """Seconds until this account may be pulled again; 0 for now."""
        now = self._clock()
        rests = (self._rests.get(key) for key in (open_kfid, _EVERYONE))
        return max([0.0, *(rest.until - now for rest in rests if rest)])

    def failed(self, open_kfid: str, error: WecomError) -> float:
        """Note a failure and log it once per 10 minutes and kind; the seconds to rest."""
        code = error.code if isinstance(error, ApiError) else None
        # The limit is on the API, not on the account: the others would only prolong it.
        key = _EVERYONE if code == _FREQUENCY_LIMIT else open_kfid
        rest = self._rests.setdefault(key, _Rest())
        rest.failures += 1
        seconds = pause(error, rest.failures)
        rest.until = self._clock() + seconds
        self._report(open_kfid, rest, error, seconds)
        return seconds

    def recovered(self, open_kfid: str) -> None:
        """Note a success: WeCom answers for this account."""
        for key in (open_kfid, _EVERYONE):
            if self._rests.pop(key, None):
                log.info("pull.recovered", open_kfid=open_kfid)

    def _report(self, open_kfid: str, rest: _Rest, error: WecomError, seconds: float) -> None:
        kind, now = _kind(error), self._clock()
        if kind == rest.alerted and now < rest.alerted_at + ALERT_SECONDS:
            return
        rest.alerted, rest.alerted_at = kind, now
        tell = log.warning if is_passing(error) else log.error
        tell(
            "pull.refused",
            open_kfid=open_kfid,
            fault=kind,
            detail=str(error),
            remedy_zh=error.remedy_zh,
            remedy_en=error.remedy_en,
            retry_in_seconds=round(seconds),
        )


def _kind(error: WecomError) -> str:
    return f"errcode {error.code}" if isinstance(error, ApiError) else type(error).__name__
