"""When to ask the model again and when to leave it alone: pure decisions over failures and time."""

from dataclasses import dataclass
from enum import StrEnum

ATTEMPTS = 3
RETRY_AFTER_CAP_SECONDS = 5.0
_BREAK_AFTER = 5
_BREAK_SECONDS = 15.0
_MISCONFIGURED_SECONDS = 60.0
_PROBE_SECONDS = 30.0
_PROMISED_SECONDS = 27.0
"""A customer hears something within 30 s; the rest is for the way to WeCom."""
_FIRST_SHARE = 0.6


class Fault(StrEnum):
    """Why the model gave no answer."""

    KEY = "key"
    BALANCE = "balance"
    SETUP = "setup"
    """The endpoint does not know the path or the model."""
    BUSY = "busy"
    DOWN = "down"
    TIMEOUT = "timeout"
    REFUSED = "refused"
    """The endpoint would not have this request: a parameter, or more text than it takes."""
    FILTERED = "content_filter"
    """The provider's content filter kept the answer back."""
    EMPTY = "empty"
    """An answer without a word in it."""
    CUT = "cut_off"
    """The answer was longer than we let it be, also when asked for a shorter one."""
    OPEN = "circuit_open"


_RETRIED = {Fault.BUSY, Fault.DOWN, Fault.EMPTY}
"""By asking the same again; Fault.REFUSED and Fault.CUT want another question, see kf_dialog.model."""
_MISCONFIGURED = {Fault.KEY, Fault.BALANCE, Fault.SETUP}
# The endpoint works: it answered, if not usefully.
_HARMLESS = {Fault.REFUSED, Fault.FILTERED, Fault.EMPTY, Fault.CUT}

REMEDIES = {
    Fault.KEY: "The model endpoint refused the key (401/403): create a new one, set DEEPSEEK_API_KEY (or the "
    "variable that the accounts file names) and restart. "
    "/ 密钥无效：请新建密钥，更新 DEEPSEEK_API_KEY（或账号文件里写的变量）后重启。",
    Fault.BALANCE: "The model account has no balance left (402): top it up; answers resume by themselves. "
    "/ 模型账户余额不足：请充值，之后自动恢复。",
    Fault.SETUP: "The endpoint does not know this path or model (404): check DEEPSEEK_BASE_URL "
    "(with /v1 where needed) and DEEPSEEK_MODEL. "
    "/ 接口地址或模型名不存在：请检查 DEEPSEEK_BASE_URL 和 DEEPSEEK_MODEL。",
}


def fault_of(status: int) -> Fault:
    """What an HTTP status of the model endpoint means (DeepSeek's list of error codes)."""
    known = {401: Fault.KEY, 402: Fault.BALANCE, 403: Fault.KEY, 404: Fault.SETUP, 408: Fault.DOWN}
    if status in known:
        return known[status]
    if status == 429:
        return Fault.BUSY
    return Fault.DOWN if status >= 500 else Fault.REFUSED


def pause_before_retry(fault: Fault, attempt: int, retry_after: float | None, left: float) -> float | None:
    """Seconds to wait before attempt + 1, or None to give up.

    attempt: how many were made, from 1. retry_after: what the server asked for. left: seconds of the budget.
    """
    if fault not in _RETRIED or attempt >= ATTEMPTS:
        return None
    pause = retry_after if retry_after is not None else 0.5 * 2 ** (attempt - 1)
    return pause if pause <= min(RETRY_AFTER_CAP_SECONDS, left) else None


def time_to_answer(waited: float, patience: float) -> float:
    """Seconds in which a turn must have its answer, whatever fails on the way.

    waited: how long the customer has waited already. patience: what one answer may take. After a backlog the
    promise is broken anyway, and a hurried answer would be a worse one: never less than a third of it.
    """
    return max(patience / 3, min(patience, _PROMISED_SECONDS - waited))


def share_for_first(left: float, *, has_second: bool) -> float:
    """Of the seconds that are left, those for the first endpoint: a second one needs time to answer too."""
    return left * _FIRST_SHARE if has_second else left


@dataclass
class Breaker:
    """Spares a failing endpoint, and the customers the wait: closed, open for a while, then one probe.

    Times are seconds of any monotonic clock.
    """

    failures: int = 0
    open_until: float = 0.0

    def allows(self, now: float) -> bool:
        """False while open; of those who ask after that, the first may try and the others wait for it."""
        if self.failures < _BREAK_AFTER:
            return True
        if now < self.open_until:
            return False
        # Not a flag that the probe must clear: a cancelled probe would leave it set for ever.
        self.open_until = now + _PROBE_SECONDS
        return True

    def succeeded(self) -> None:
        """The endpoint answered: closed again."""
        self.failures = 0

    def failed(self, fault: Fault, now: float) -> None:
        """Count a failure; what only people can mend opens the circuit at once, for a minute."""
        if fault in _HARMLESS:
            self.succeeded()
            return
        self.failures = max(self.failures + 1, _BREAK_AFTER if fault in _MISCONFIGURED else 0)
        if self.failures >= _BREAK_AFTER:
            self.open_until = now + (_MISCONFIGURED_SECONDS if fault in _MISCONFIGURED else _BREAK_SECONDS)
