"""When to ask the model again and when to leave it alone: pure decisions over failures and time."""

from dataclasses import dataclass
from enum import StrEnum

ATTEMPTS = 3
RETRY_AFTER_CAP_SECONDS = 5.0
_BREAK_AFTER = 5
_BREAK_SECONDS = 15.0
_MISCONFIGURED_SECONDS = 60.0
_PROBE_SECONDS = 30.0


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
    """This one request was refused, for example by a content filter."""
    EMPTY = "empty"
    """An answer without a word in it."""
    OPEN = "circuit_open"


_RETRIED = {Fault.BUSY, Fault.DOWN, Fault.EMPTY}
_MISCONFIGURED = {Fault.KEY, Fault.BALANCE, Fault.SETUP}
# The endpoint works: it answered, if not usefully.
_HARMLESS = {Fault.REFUSED, Fault.EMPTY}

REMEDIES = {
    Fault.KEY: "DEEPSEEK_API_KEY was refused (401/403): create a new key, set it and restart. "
    "/ 密钥无效：请在 DeepSeek 平台新建密钥，更新 DEEPSEEK_API_KEY 后重启。",
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
