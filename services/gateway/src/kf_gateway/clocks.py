"""How far to trust a wall-clock time that another replica wrote, or this one before its clock was set."""

SKEW_SECONDS = 2.0
"""Replicas whose clocks are kept by NTP differ by far less."""


def is_honest(at: float, now: float, reach: float = 0.0) -> bool:
    """Whether a right clock could have written `at`, a time up to `reach` seconds ahead of its own.

    What is further ahead comes from a clock that was wrong; believing it would mean waiting for hours.
    """
    return at <= now + reach + SKEW_SECONDS
